"""A store on the real file system, and a stand-in for the session that writes the way the session does."""

import ctypes
import hashlib
import os
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from ibackup.base import confined
from ibackup.base.events import Caution, Event, Observer, ignore
from ibackup.store.disk import record_times
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Draft, Snapshot
from ibackup.store.work.recovery import finish, finish_left_overs
from ibackup.store.work.working_copy import WorkingCopy

UDID = "00008101-000A0B0C0D0E0F01"


def blob(number: int) -> str:
    """The path of a file of a backup: two hex digits, a slash, forty."""
    name = hashlib.sha1(b"%d" % number).hexdigest()
    return f"{name[:2]}/{name}"


FILES: dict[str, bytes] = {
    "Info.plist": b"<plist/>",
    "Status.plist": b"bplist00 status",
    "Manifest.plist": b"bplist00 manifest",
    "Manifest.db": b"SQLite format 3\0" + bytes(4080),
    **{blob(number): b"content %d" % number * number for number in range(40)},
}


def send(working: WorkingCopy, files: Mapping[str, bytes]) -> None:
    """Store files the way the session does: staged, renamed into place, told to the ledger."""
    with confined.Confined(working.root, working.staging) as below:
        for path, data in files.items():
            parts = confined.parse(path)
            if len(parts) > 1:
                below.make_dir(parts[:-1])
                working.ledger.made_dir("/".join(parts[:-1]))
            staged = below.create()
            os.write(staged.fd, data)
            mtime = os.fstat(staged.fd).st_mtime
            os.close(staged.fd)
            below.publish(staged, parts)
            working.ledger.stored(path, len(data), hashlib.sha256(data).digest(), mtime)


def remove(working: WorkingCopy, *paths: str) -> None:
    """Remove files the way the session does."""
    with confined.Confined(working.root, working.staging) as below:
        for path in paths:
            below.remove(confined.parse(path))
            working.ledger.removed(path)


def move(working: WorkingCopy, moves: Mapping[str, str]) -> None:
    """Move files the way the session does."""
    with confined.Confined(working.root, working.staging) as below:
        for source, target in moves.items():
            parts = confined.parse(target)
            if len(parts) > 1:
                below.make_dir(parts[:-1])
                working.ledger.made_dir("/".join(parts[:-1]))
            below.rename(confined.parse(source), parts)
            working.ledger.moved(source, target)


def draft(started: datetime | None = None) -> Draft:
    """What a job would know of a snapshot."""
    moment = started or record_times.now()
    return Draft(
        udid=UDID,
        device_name="Jürgen's iPhone 📱",
        product_type="iPhone13,2",
        ios_version="26.1",
        started=moment,
        finished=record_times.now() + timedelta(seconds=1),
        data_from=moment,
        full=True,
        encrypted=False,
        checked="phone",
        received_bytes=1234,
        tool="ibackup test",
    )


def checked(working: WorkingCopy) -> Draft:
    """A check that finds nothing wrong."""
    found = working.run.draft
    assert found is not None
    return found


def close(working: WorkingCopy, started: datetime | None = None) -> Snapshot:
    """Take a working copy from the phone's last word to a snapshot."""
    working.advance("device_done", draft=draft(started))
    return finish(working, checked)


class Listener:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def cautions(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Caution)]


def backup(
    folder: PhoneFolder,
    files: Mapping[str, bytes] = FILES,
    *,
    gone: tuple[str, ...] = (),
    started: datetime | None = None,
    observer: Listener | None = None,
) -> Snapshot:
    """A whole run, from clone to snapshot."""
    with WorkingCopy.create(folder, folder.standing().base, observer=observer or Listener()) as working:
        send(working, files)
        remove(working, *gone)
        return close(working, started)


Tree = dict[str, tuple[int, bytes]]


def photograph(path: str | Path) -> Tree:
    """Every file below a folder with its mode and content, every folder with its mode."""
    found: Tree = {}
    for top, folders, names in os.walk(path):
        for name in folders:
            full = os.path.join(top, name)
            found[os.path.relpath(full, path) + "/"] = (os.lstat(full).st_mode, b"")
        for name in names:
            full = os.path.join(top, name)
            with open(full, "rb") as source:
                found[os.path.relpath(full, path)] = (os.lstat(full).st_mode, source.read())
    return found


def verify(snapshot: Snapshot) -> dict[str, bytes]:
    """Read a snapshot whole and compare it with its own seal; gives its files."""
    found: dict[str, bytes] = {}
    sums: dict[str, str] = {}
    snapshot.verify_seal_file()
    with open(snapshot.seal_path, encoding="utf-8") as source:
        for line in source:
            digest, _, path = line.rstrip("\n").partition("  ")
            sums[path.removeprefix(f"{snapshot.udid}/")] = digest
    for path, (mode, data) in photograph(snapshot.backup_path).items():
        if stat.S_ISREG(mode):
            found[path] = data
            assert hashlib.sha256(data).hexdigest() == sums.pop(path, None), path
    assert not sums, "sealed files are missing"
    assert sorted(os.listdir(snapshot.path)) == sorted([snapshot.udid, "SHA256SUMS", "snapshot.json"])
    assert (snapshot.meta.files, snapshot.meta.bytes) == (len(found), sum(map(len, found.values())))
    return found


SMALL: dict[str, bytes] = {name: FILES[name] for name in ["Info.plist", "Status.plist", "Manifest.db"]} | {
    blob(number): b"old %d" % number * number for number in range(1, 7)
}
CHANGED: dict[str, bytes] = {blob(number): b"new %d" % number * number for number in (2, 4, 8)}
GONE = (blob(5),)
AFTER = {name: data for name, data in (SMALL | CHANGED).items() if name not in GONE}


def transfer(working: WorkingCopy) -> None:
    """An incremental backup in the order that a phone keeps; whatever a broken one left of it is made good."""
    working.advance("receiving")
    send(working, {"Status.plist": b"uploading"})
    present = {path: data for path, data in CHANGED.items() if working.ledger.get(f"Snapshot/{path}") is None}
    send(working, {f"Snapshot/{path}": data for path, data in present.items()})
    missing = {
        path: data for path, data in AFTER.items() if path not in CHANGED and working.ledger.get(path) is None
    }
    send(working, missing)
    working.barrier("moving")
    send(working, {"Status.plist": b"moving"})
    move(working, {f"Snapshot/{path}": path for path in CHANGED})
    send(working, {"Status.plist": b"removing"})
    remove(working, *(path for path in GONE if working.ledger.get(path)), "Snapshot")
    working.barrier("finished")
    send(working, {"Status.plist": SMALL["Status.plist"]})


def run(folder: PhoneFolder, observer: Observer = ignore) -> Snapshot:
    """What ``ibackup now`` does with the store, left-overs of broken runs included."""
    finished = finish_left_overs(folder, checked, observer=observer)
    if finished:
        return finished[-1]
    broken = [left for left in folder.left_overs() if left.kind == "resumable"]
    working = (
        WorkingCopy.adopt(folder, broken[0], observer=observer)
        if broken
        else WorkingCopy.create(folder, folder.standing().base, observer=observer)
    )
    with working:
        transfer(working)
        snapshot = close(working)
    folder.clear_up(after_success=True)
    return snapshot


def alone_on_a_disk(disk: str, size: str, job: Callable[[], None]) -> bool:
    """Run a job in a process that alone sees a small disk (tmpfs) mounted; False where that is not to be had.

    The mount goes away with the process, whatever happens to it.
    """
    new_mounts, failed = 0x00020000, 77
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if ctypes.CDLL(None).unshare(new_mounts) != 0:
                os._exit(failed)
            for command in (
                ["mount", "--make-rprivate", "/"],
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk],
            ):
                if subprocess.run(command, check=False, capture_output=True).returncode:
                    os._exit(failed)
            job()
            code = 0
        except BaseException:  # noqa: BLE001 - the parent is told by the exit code
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in {0, failed}, "see the traceback on standard error"
    return code == 0
