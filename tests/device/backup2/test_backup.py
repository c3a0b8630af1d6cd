"""Whole backups of the virtual iPhone over usbmuxd, lockdown and TLS, checked with tools that are not ours."""

import hashlib
import os
import plistlib
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.base.confined import PathRefused
from ibackup.base.errors import (
    ConnectionLost,
    IbackupError,
    Interrupted,
    NoRoom,
    PersonNeeded,
    PhoneRefused,
    ProtocolBroken,
)
from ibackup.base.events import PhaseStarted, Prompt, PromptDone
from ibackup.base.exit_codes import ExitCode
from ibackup.config.stall_limits import Limits
from ibackup.device.backup2.backup_session import BackupSession, SessionOutcome
from ibackup.device.folder.working_files import WorkingFiles
from ibackup.device.phones.phone import open_phone
from ibackup.simulator import faults
from ibackup.simulator.server import Server
from ibackup.simulator.spec import DomainSpec, Passcode, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from support.working_lab import Lab, tree

Serve = Callable[..., Server]
Tool = Callable[[str], str]

HOME = DomainSpec(name="HomeDomain", count=60, min_size=0, max_size=9000)
CAMERA = DomainSpec(name="CameraRollDomain", count=12, min_size=100_000, max_size=400_000)
SPEC = PhoneSpec(domains=(HOME, CAMERA), batch_size=16, keybag_rounds=1000)
PLACES = [
    "upload",
    "download",
    "move_source",
    "move_destination",
    "remove",
    "create_directory",
    "list",
    "copy_source",
    "copy_destination",
]


@pytest.fixture
def store(tmp_path: Path) -> Callable[[VirtualPhone], Lab]:
    def make(phone: VirtualPhone) -> Lab:
        (root := tmp_path / "run" / phone.udid).mkdir(parents=True)
        (staging := tmp_path / "run" / "staging").mkdir()
        return Lab(root, staging)

    return make


def back_up(
    server: Server, lab: Lab, *, limits: Limits | None = None, unplugged: Callable[[], bool] | None = None
) -> SessionOutcome:
    with (
        open_phone(address=server.address, limits=limits) as phone,
        WorkingFiles(
            lab.root,
            lab.staging,
            phone.udid,
            lab.ledger,
            free_space=lambda: lab.free,
            barrier=lab.barriers.append,
            observer=lab.told.append,
        ) as files,
    ):
        lab.files = files
        files.write_own("Info.plist", plistlib.dumps({"Unique Identifier": phone.udid}))
        session = BackupSession(phone, files, lab.told.append, unplugged=unplugged)
        return session.run(full=False)


@contextmanager
def manifest(root: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{root}/Manifest.db?immutable=1", uri=True)) as db:
        yield db


def check_complete(lab: Lab) -> int:
    """Every file of the manifest is there, with its digest where it has one; how many there are."""
    lab.check()
    assert not (lab.root / "Snapshot").exists()
    assert plistlib.loads((lab.root / "Status.plist").read_bytes())["SnapshotState"] == "finished"
    with manifest(lab.root) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = db.execute("SELECT fileID, file FROM Files WHERE flags = 1").fetchall()
    digests = 0
    for file_id, record in rows:
        data = (lab.root / file_id[:2] / file_id).read_bytes()
        objects = plistlib.loads(record)["$objects"]
        fields = objects[1]
        assert len(data) == fields["Size"]
        if "Digest" in fields:
            digests += 1
            digest = objects[fields["Digest"].data]
            raw = digest if isinstance(digest, bytes) else digest["NS.data"]
            assert hashlib.sha1(data).digest() == raw
    assert digests
    blobs = [path for path in lab.ledger.files if "/" in path]
    assert len(blobs) == len(rows)
    return len(rows)


def test_full_then_incremental(plug_in: Serve, store: Callable[[VirtualPhone], Lab]) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    first = back_up(server, lab)
    assert first.full
    assert lab.files.unreadable == ()
    assert lab.files.unknown == ()
    assert lab.barriers == ["moving", "removing", "finished"]
    count = check_complete(lab)
    assert lab.files.received_files > count
    before = {path: os.stat(lab.root / path).st_ino for path in lab.ledger.files if "/" in path}

    second = back_up(server, lab)
    assert not second.full
    assert second.received_bytes < first.received_bytes / 4
    assert check_complete(lab) == count
    assert before == {path: os.stat(lab.root / path).st_ino for path in before}
    phases = [event.phase for event in lab.told if isinstance(event, PhaseStarted)]
    assert phases == ["scan", "receive", "finish"] * 2


def test_the_dance_and_the_services(plug_in: Serve, store: Callable[[VirtualPhone], Lab]) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    back_up(server, lab)
    kinds = [event.kind for event in phone.journal.events()]
    assert kinds.count("lock_taken") == kinds.count("lock_released") == 1
    posted = [event.detail.rpartition(".")[2] for event in phone.journal.events() if event.kind == "posted"]
    assert posted == ["syncWillStart", "syncLockRequest", "syncDidStart", "syncDidFinish"]


@pytest.mark.peer
def test_the_same_files_as_idevicebackup2(
    plug_in: Serve, store: Callable[[VirtualPhone], Lab], tmp_path: Path, require_tool: Tool
) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    back_up(server, lab)
    (other := tmp_path / "other").mkdir()
    done = subprocess.run(
        [require_tool("idevicebackup2"), "backup", str(other)],
        env={**os.environ, "USBMUXD_SOCKET_ADDRESS": server.address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ours = {path: data for path, data in tree(lab.root).items() if data is not None and "/" in path}
    theirs = {
        path: data for path, data in tree(other / phone.udid).items() if data is not None and "/" in path
    }
    assert ours == theirs


# -- interruption -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_torn_connection_is_resumed(
    plug_in: Serve, store: Callable[[VirtualPhone], Lab], share: float
) -> None:
    """The phone counts on what it had an answer for: small batches, so that most of it has one."""
    phone = VirtualPhone(replace(SPEC, batch_size=2))
    lab, server = store(phone), plug_in(phone)
    size = 12 * 250_000
    phone.set_faults(faults.DropAfterBytes(count=int(size * share), times=1))
    with pytest.raises(ConnectionLost) as caught:
        back_up(server, lab)
    assert caught.value.exit_code == ExitCode.CONNECTION_LOST
    assert caught.value.hint
    lab.check()
    kept = sum(entry[0] for path, entry in lab.ledger.files.items() if path.count("/") == 2)
    outcome = back_up(server, lab)
    whole = sum(entry[0] for path, entry in lab.ledger.files.items() if "/" in path)
    check_complete(lab)
    assert outcome.received_bytes < whole - kept + 500_000


@pytest.mark.parametrize("phase", ["uploading", "moving", "removing"])
def test_a_torn_connection_in_every_phase(
    plug_in: Serve, store: Callable[[VirtualPhone], Lab], phase: faults.Phase
) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    phone.set_faults(faults.DropInPhase(phase=phase, after=1, times=1))
    with pytest.raises(ConnectionLost):
        back_up(server, lab)
    lab.check()
    back_up(server, lab)
    check_complete(lab)


def test_a_phone_that_falls_silent(plug_in: Serve, store: Callable[[VirtualPhone], Lab]) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    phone.set_faults(faults.SilentAfterBytes(count=1_000_000, seconds=30, times=1))
    limits = Limits(between_files_s=0.4, within_file_s=0.4, message_s=0.4)
    with pytest.raises(ConnectionLost, match="silent"):
        back_up(server, lab, limits=limits)
    lab.check()


def test_cancelled_on_the_phone(plug_in: Serve, store: Callable[[VirtualPhone], Lab]) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    phone.set_faults(faults.UserCancels(after=5, times=1))
    with pytest.raises(Interrupted) as caught:
        back_up(server, lab)
    assert caught.value.exit_code == ExitCode.INTERRUPTED
    lab.check()


def test_ctrl_c_releases_the_lock(plug_in: Serve, store: Callable[[VirtualPhone], Lab]) -> None:
    phone = VirtualPhone(PhoneSpec(domains=(CAMERA,), scan_s=30))
    lab, server = store(phone), plug_in(phone)

    def interrupt() -> bool:
        if any(isinstance(event, PhaseStarted) and event.phase == "scan" for event in lab.told):
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        back_up(server, lab, unplugged=interrupt)
    assert "lock_released" in [event.kind for event in phone.journal.events()]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ibackup")]
    lab.check()


# -- people -------------------------------------------------------------------------------------------------


def test_the_passcode_is_asked_for(plug_in: Serve, store: Callable[[VirtualPhone], Lab]) -> None:
    phone = VirtualPhone(PhoneSpec(domains=(HOME,), passcode=Passcode(kind="answered", delay_s=0.6)))
    lab, server = store(phone), plug_in(phone)
    back_up(server, lab)
    prompts = [event for event in lab.told if isinstance(event, Prompt | PromptDone)]
    assert prompts == [
        Prompt("passcode", "Enter the passcode on the iPhone to start the backup."),
        PromptDone("passcode"),
    ]


@pytest.mark.parametrize("kind", ["never", "cancelled"])
def test_the_passcode_does_not_come(plug_in: Serve, store: Callable[[VirtualPhone], Lab], kind: str) -> None:
    passcode = Passcode(kind=kind, delay_s=0.1)  # type: ignore[arg-type]
    phone = VirtualPhone(PhoneSpec(domains=(HOME,), passcode=passcode))
    lab, server = store(phone), plug_in(phone)
    with pytest.raises(PersonNeeded) as caught:
        back_up(server, lab)
    assert caught.value.error_code == 208


# -- what goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0x01, 0x06, 0x0B, 0x0F])
def test_a_file_the_phone_cannot_read(
    plug_in: Serve, store: Callable[[VirtualPhone], Lab], code: int
) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    back_up(server, lab)
    with manifest(lab.root) as db:
        domain, path, file_id = db.execute(
            "SELECT domain, relativePath, fileID FROM Files WHERE flags = 1 AND domain = 'HomeDomain'"
        ).fetchone()
    fresh = VirtualPhone(SPEC)
    fresh.set_faults(faults.UnreadableFile(domain=domain, path=path, code=code, after=10))
    other = Lab(lab.root.parent / "again" / fresh.udid, lab.staging)
    other.root.mkdir(parents=True)
    back_up(plug_in(fresh), other)
    (lost,) = other.files.unreadable
    assert lost.path == f"Snapshot/{file_id[:2]}/{file_id}"
    other.check()
    entry = next(each for each in phone.files.files() if each.file_id == file_id)
    assert (other.root / file_id[:2] / file_id).read_bytes() == phone.files.read(entry)[:10]


@pytest.mark.parametrize(("code", "kind"), [(105, NoRoom), (205, PhoneRefused), (104, PhoneRefused)])
@pytest.mark.parametrize("where", ["start", "end"])
def test_error_codes(
    plug_in: Serve, store: Callable[[VirtualPhone], Lab], code: int, kind: type[IbackupError], where: str
) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    phone.set_faults(faults.ErrorCodeAt(where=where, code=code))  # type: ignore[arg-type]
    with pytest.raises(kind) as caught:
        back_up(server, lab)
    assert caught.value.error_code == code
    lab.check()


def test_too_little_room(plug_in: Serve, store: Callable[[VirtualPhone], Lab]) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    lab.free = 1 << 20
    with pytest.raises(NoRoom) as caught:
        back_up(server, lab)
    assert caught.value.error_code == 105
    assert "missing" in caught.value.message


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", ["../../outside", "/etc/passwd", "{udid}/../../outside"])
def test_hostile_paths(
    plug_in: Serve, store: Callable[[VirtualPhone], Lab], place: faults.PathPlace, path: str
) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    outside = lab.root.parent.parent / "outside"
    outside.write_bytes(b"precious")
    phone.set_faults(faults.HostilePath(place=place, path=path.format(udid=phone.udid)))
    with pytest.raises(PathRefused) as caught:
        back_up(server, lab)
    assert caught.value.exit_code == ExitCode.PHONE_REFUSED
    assert outside.read_bytes() == b"precious"
    lab.check()


@pytest.mark.parametrize("fault", [faults.GiantFrame(), faults.GiantPlist()])
def test_a_broken_protocol(plug_in: Serve, store: Callable[[VirtualPhone], Lab], fault: faults.Fault) -> None:
    phone = VirtualPhone(SPEC)
    lab, server = store(phone), plug_in(phone)
    phone.set_faults(fault)
    with pytest.raises(ProtocolBroken) as caught:
        back_up(server, lab)
    assert caught.value.exit_code == ExitCode.PHONE_REFUSED
    lab.check()
