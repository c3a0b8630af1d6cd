"""Snapshots put where Apple's programs look; a program that we did not write continues from there."""

import ntpath
import os
import plistlib
import re
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from pathlib import Path

import pytest

from ibackup.apple.found_folders import folder_error
from ibackup.base.errors import DamageFound, NoRoom, NotABackup, PhoneBusy, UsageError
from ibackup.jobs.keeping import publishing
from ibackup.jobs.keeping.file_copier import Copier
from ibackup.jobs.keeping.finder_folder import finder_folder, finder_folders
from ibackup.jobs.keeping.publishing import publish
from ibackup.store.disk import durable, this_computer
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store
from store.lab import UDID, backup, photograph, verify
from store.work.test_killed import killed_at
from support.runs import Lab, Told, assert_is_the_phone, assert_sealed, flip
from support.runs import photograph as with_times

Peer = Callable[..., str]


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    """The second of two, which share most of their files."""
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    folder = Store.open(tmp_path / "store").phone(UDID)
    backup(folder)
    return backup(folder, {"Status.plist": b"newer"})


@pytest.fixture
def finder(tmp_path: Path) -> Path:
    path = tmp_path / "MobileSync" / "Backup"
    path.mkdir(parents=True)
    return path


def bytes_of(folder: Path | str) -> dict[str, bytes]:
    return {name: data for name, (_, data) in photograph(folder).items()}


# -- what is put there --------------------------------------------------------------------------------------


@pytest.mark.peer
def test_another_program_continues_from_it_and_restores_it(
    lab: Lab, idevicebackup2: Peer, tmp_path: Path
) -> None:
    lab.now()
    lab.phone.change(added=1)
    snapshot = lab.now()
    store = with_times(lab.path)
    there = tmp_path / "finder"
    done = publish(lab.snapshots[-1], str(there))
    assert done.path == str(there / lab.phone.udid)
    assert_is_the_phone(there, lab.phone)
    lab.phone.change(added=2, changed=1, removed=1)
    text = idevicebackup2("backup", there)
    assert "Incremental backup mode" in text
    assert "Backup Successful" in text
    # The phone had no reason to send everything again.
    assert lab.phone.journal.details("backup") == []
    received = re.search(r"Received (\d+) files", text)
    assert received
    assert int(received[1]) < 12
    assert_is_the_phone(there, lab.phone)
    idevicebackup2("restore", "--system", "--settings", there)
    assert lab.phone.restored is not None
    assert lab.phone.restored.compared == sum(1 for _ in lab.phone.files.files())
    # And none of that reached the snapshots.
    assert with_times(lab.path) == store
    assert_sealed(snapshot.path)


def test_every_byte_and_nothing_shared(snapshot: Snapshot, finder: Path) -> None:
    before = with_times(snapshot.path)
    told = Told()
    done = publish(snapshot, str(finder), observe=told)
    assert (done.archived, done.files, done.bytes) == (False, snapshot.meta.files, snapshot.meta.bytes)
    assert os.listdir(finder) == [UDID]
    copy = finder / UDID
    assert bytes_of(copy) == bytes_of(snapshot.backup_path)
    ours = {path.stat().st_ino for path in Path(snapshot.path).rglob("*")}
    for path in [copy, *copy.rglob("*")]:
        facts = path.stat()
        assert stat.S_IMODE(facts.st_mode) == (0o700 if path.is_dir() else 0o600), path
        assert path.is_dir() or facts.st_nlink == 1
        assert facts.st_ino not in ours
    assert with_times(snapshot.path) == before
    assert told.phases == ["extract"]


def test_another_that_is_there_is_never_touched(snapshot: Snapshot, finder: Path) -> None:
    theirs = finder / UDID
    theirs.mkdir()
    (theirs / "Info.plist").write_bytes(b"Finder's own")
    zone = timezone(timedelta(hours=2))
    done = publish(snapshot, str(finder), zone=zone)
    name = f"{UDID}-{snapshot.meta.data_from.astimezone(zone):%Y%m%d-%H%M%S}"
    assert (Path(done.path), done.archived) == (finder / name, True)
    assert sorted(os.listdir(finder)) == sorted([UDID, name])
    assert os.listdir(theirs) == ["Info.plist"]
    with pytest.raises(UsageError, match="exists already"):
        publish(snapshot, str(finder), zone=zone)
    assert sorted(os.listdir(finder)) == sorted([UDID, name])


def test_one_that_appears_meanwhile_is_not_replaced(
    snapshot: Snapshot, finder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = durable.sync_all

    def finder_is_faster(*args: object) -> None:
        (finder / UDID).mkdir()
        sync(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(durable, "sync_all", finder_is_faster)
    with pytest.raises(PhoneBusy, match="appeared"):
        publish(snapshot, str(finder))
    assert os.listdir(finder) == [UDID]
    assert os.listdir(finder / UDID) == []


def test_the_folder_is_made(snapshot: Snapshot, tmp_path: Path) -> None:
    publish(snapshot, str(tmp_path / "a" / "b"))
    assert os.listdir(tmp_path / "a" / "b") == [UDID]


def test_empty_folders_come_too(snapshot: Snapshot, finder: Path) -> None:
    """The phone made them and may look for them."""
    os.mkdir(os.path.join(snapshot.backup_path, "ff"))
    publish(snapshot, str(finder))
    assert (finder / UDID / "ff").is_dir()


# -- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["store", "phone", "snapshot", "backup"])
def test_no_place_for_it(snapshot: Snapshot, place: str) -> None:
    folder = PhoneFolder.of(snapshot)
    path = {
        "store": os.path.dirname(folder.path),
        "phone": folder.path,
        "snapshot": snapshot.path,
        "backup": os.path.join(snapshot.backup_path, "inside"),
    }[place]
    before = with_times(os.path.dirname(folder.path))
    with pytest.raises(UsageError, match="cannot be put into"):
        publish(snapshot, path)
    assert with_times(os.path.dirname(folder.path)) == before


def test_a_damaged_snapshot_is_not_handed_out(snapshot: Snapshot, finder: Path) -> None:
    path = next(path for path in Path(snapshot.backup_path).rglob("*/*") if path.stat().st_size > 100)
    flip(path, later=False)
    with pytest.raises(DamageFound, match=path.name):
        publish(snapshot, str(finder))
    assert os.listdir(finder) == []


@pytest.mark.parametrize("spoil", ["missing", "seal", "foreign"])
def test_nor_one_that_is_not_whole(snapshot: Snapshot, finder: Path, spoil: str) -> None:
    file = next(path for path in Path(snapshot.backup_path).rglob("*/*"))
    if spoil == "missing":
        file.unlink()
    elif spoil == "seal":
        flip(Path(snapshot.seal_path))
    else:
        # A seal whose own checksum fits, and which names a file elsewhere: a store that someone prepared.
        import hashlib
        from dataclasses import replace

        lines = Path(snapshot.seal_path).read_text() + f"{'0' * 64}  {UDID}/../../../elsewhere\n"
        os.chmod(snapshot.seal_path, 0o600)
        Path(snapshot.seal_path).write_text(lines)
        meta = replace(snapshot.meta, seal=hashlib.sha256(lines.encode()).hexdigest())
        snapshot = Snapshot(snapshot.id, snapshot.path, meta)
    with pytest.raises(DamageFound):
        publish(snapshot, str(finder))
    assert os.listdir(finder) == []


def test_a_disk_that_is_too_small(snapshot: Snapshot, finder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "free_bytes", lambda _: 1000)
    monkeypatch.setattr(Copier, "try_clone", lambda *_: False)
    with pytest.raises(NoRoom, match="1,000 are free"):
        publish(snapshot, str(finder))
    assert os.listdir(finder) == []


def test_a_folder_that_may_not_be_read(
    snapshot: Snapshot, finder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.listdir

    def refuse(path: str) -> list[str]:
        if path == str(finder):
            raise PermissionError(1, "Operation not permitted", path)
        return real(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(NotABackup) as told:
        publish(snapshot, str(finder))
    assert told.value.exit_code == 21
    # What macOS users read then.
    assert "Full Disk Access" in folder_error(str(finder), PermissionError(1, ""), "darwin").hint


# -- cut off ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_at_many_moments(snapshot: Snapshot, finder: Path, tmp_path: Path) -> None:
    number, killed = 1, 0
    wanted = bytes_of(snapshot.backup_path)
    while killed_at(number, lambda: publish(snapshot, str(finder)), tmp_path / "synced"):
        killed += 1
        there = [name for name in os.listdir(finder) if not name.startswith(".ibackup-unfinished-")]
        assert there in ([], [UDID])
        if there:
            assert bytes_of(finder / UDID) == wanted
            shutil.rmtree(finder / UDID)
        number += 23
    assert killed > 3
    # What all of them left is gone, and nothing else is.
    assert os.listdir(finder) == [UDID]
    assert bytes_of(finder / UDID) == wanted
    verify(snapshot)


def test_what_another_run_is_writing_stays(snapshot: Snapshot, finder: Path) -> None:
    here, elsewhere = (
        f".ibackup-unfinished-{machine}-{pid}-0123abcd"
        for machine, pid in ((this_computer.machine(), os.getpid()), ("f" * 16, 1))
    )
    for name in (here, elsewhere, ".ibackup-unfinished-by-hand"):
        (finder / name).mkdir()
    publish(snapshot, str(finder))
    assert sorted(os.listdir(finder)) == sorted([UDID, here, elsewhere, ".ibackup-unfinished-by-hand"])


# -- where that is ------------------------------------------------------------------------------------------


def test_on_a_mac() -> None:
    home = {"HOME": "/Users/you"}
    wanted = "/Users/you/Library/Application Support/MobileSync/Backup"
    assert finder_folders("darwin", home) == (wanted,)
    assert finder_folder("darwin", home) == wanted


def test_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    home = {"USERPROFILE": r"C:\Users\you", "APPDATA": r"C:\Users\you\AppData\Roaming"}
    devices = r"C:\Users\you\Apple\MobileSync\Backup"
    itunes = r"C:\Users\you\AppData\Roaming\Apple Computer\MobileSync\Backup"
    assert finder_folders("win32", home) == (devices, itunes)
    there: set[str] = set()
    monkeypatch.setattr(os.path, "isdir", there.__contains__)
    with pytest.raises(UsageError, match="has created its backup folder") as told:
        finder_folder("win32", home)
    assert devices in told.value.why
    assert ntpath.isabs(devices)
    there.add(itunes)
    assert finder_folder("win32", home) == itunes
    there.add(devices)
    assert finder_folder("win32", home) == devices


def test_elsewhere_it_has_to_be_named() -> None:
    with pytest.raises(UsageError, match="no folder in which") as told:
        finder_folder("linux", {"HOME": "/nowhere"})
    assert "--to" in told.value.hint


def test_finder_would_show_it(lab: Lab, finder: Path) -> None:
    """The plists that Apple's programs list a backup by are as the run wrote them."""
    lab.now()
    publish(lab.snapshots[0], str(finder), zone=UTC)
    info = plistlib.loads((finder / lab.phone.udid / "Info.plist").read_bytes())
    assert info["Target Identifier"] == lab.phone.udid
    assert info["Device Name"] == "Virtual iPhone"
    assert "Last Backup Date" in info


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_to_nothing_is_told_as_one(snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "Backup").symlink_to(tmp_path / "disk")
    with pytest.raises(UsageError, match=r"is a link to .*, which does not exist"):
        publish(snapshot, str(tmp_path / "Backup"))
    assert not (tmp_path / "disk").exists()
