"""A store on the real file system, and a stand-in for the session that writes the way the session does."""

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from ibackup import confined
from ibackup.events import Caution, Event
from ibackup.store import times
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.recovery import finish
from ibackup.store.snapshot import Draft, Snapshot
from ibackup.store.working import WorkingCopy

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
    moment = started or times.now()
    return Draft(
        udid=UDID,
        device_name="Jürgen's iPhone 📱",
        product_type="iPhone13,2",
        ios_version="26.1",
        started=moment,
        finished=times.now() + timedelta(seconds=1),
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
    with WorkingCopy.create(folder, folder.base(), observer=observer or Listener()) as working:
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
