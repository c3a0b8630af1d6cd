"""The working copy: claimed, continued, sealed, named."""

import contextlib
import errno
import json
import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibackup.base import disks
from ibackup.base.errors import DamageFound, IbackupError, NoRoom, PhoneBusy
from ibackup.store.disk import durable, this_computer
from ibackup.store.phone_folder import LeftOver, PhoneFolder
from ibackup.store.records.snapshot import Draft, Snapshot
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import Store
from ibackup.store.work import closing
from ibackup.store.work.recovery import finish, finish_left_overs
from ibackup.store.work.working_copy import WorkingCopy
from store.lab import (
    AFTER,
    FILES,
    SMALL,
    UDID,
    Listener,
    alone_on_a_disk,
    backup,
    blob,
    checked,
    close,
    draft,
    move,
    run,
    send,
    verify,
)

FILE = blob(3)
posix = pytest.mark.skipif(os.name != "posix", reason="modes and forks")


def broken(folder: PhoneFolder, files: dict[str, bytes], *, flushed: bool = False) -> LeftOver:
    """A run that was cut off while it received."""
    working = WorkingCopy.create(folder, folder.standing().base)
    working.advance("receiving")
    send(working, files)
    if flushed:
        working.ledger.flush()
    working.ledger.abandon()
    (left,) = folder.left_overs()
    return left


@pytest.fixture
def rebooted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call nothing before it that should be of the start before."""
    monkeypatch.setattr(this_computer, "boot_id", lambda: "another start")


def test_its_phases_are_written_down(folder: PhoneFolder) -> None:
    def phase() -> object:
        return json.loads(Path(working.path, "run.json").read_text())["phase"]

    with WorkingCopy.create(folder, None) as working:
        assert phase() == "prepared"
        assert set(os.listdir(working.path)) - {"ledger.sqlite-wal"} == {
            UDID,
            "ledger.sqlite",
            "run.json",
            "staging",
        }
        working.advance("receiving")
        assert phase() == "receiving"
        send(working, FILES)
        with pytest.raises(IbackupError, match="draft"):
            working.advance("device_done")
        working.advance("device_done", draft=draft())
        assert phase() == "device_done"
        working.advance("verified")
        assert phase() == "verified"
        with pytest.raises(IbackupError, match="before it is sealed"):
            working.commit()
        working.seal()
        assert phase() == "sealed"
        working.make_durable()
        assert phase() == "synced"
        snapshot = working.commit()
    assert verify(snapshot) == FILES
    assert sorted(os.listdir(folder.path)) == ["proofs", "snapshots"]


@posix
def test_a_snapshot_cannot_be_written_to(first: Snapshot) -> None:
    for name in (SMALL, "SHA256SUMS", "snapshot.json"):
        for path in [f"{UDID}/{each}" for each in name] if isinstance(name, dict) else [name]:
            assert stat.S_IMODE(os.stat(os.path.join(first.path, path)).st_mode) == 0o400


def test_a_broken_run_is_gone_on_with(folder: PhoneFolder, first: Snapshot) -> None:
    left = broken(folder, {f"Snapshot/{FILE}": b"sent", "Status.plist": b"uploading"})
    assert left.kind == "resumable"
    assert "continues it" in left.plan
    with WorkingCopy.adopt(folder, left) as working:
        assert not os.path.exists(left.path)
        assert working.run.resumed == 1
        assert working.base == first
        assert (working.reconciled.kept_files, working.reconciled.kept_bytes) == (1, 4)
        # Nothing was flushed, so these had to be read; what was carried is known from the snapshot.
        assert working.reconciled.read_files == 2
        assert working.ledger.totals().carried == len(FILES) - 1
        item = working.ledger.get(f"Snapshot/{FILE}")
        assert item is not None
        assert item.size == 4


def test_a_run_with_a_hostile_name_touches_nothing_outside(
    folder: PhoneFolder, first: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "state" / "doubts").mkdir(parents=True)
    (tmp_path / "precious").write_text("mine")
    left = broken(folder, {f"Snapshot/{FILE}": b"sent"})
    record = Path(left.path, "run.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"run_id": "../../precious"}))
    (left,) = folder.left_overs()
    with WorkingCopy.adopt(folder, left) as working:
        assert working.reconciled.kept_files == 1
    assert (tmp_path / "precious").read_text() == "mine"
    assert first.meta.sequence == 1


def test_checksums_that_were_written_down_are_kept(folder: PhoneFolder, first: Snapshot) -> None:
    with WorkingCopy.adopt(folder, broken(folder, {f"Snapshot/{FILE}": b"sent"}, flushed=True)) as working:
        assert working.reconciled.read_files == 0
        assert working.ledger.totals().files == len(FILES) + 1
    assert first.meta.sequence == 1


def test_a_move_that_was_not_written_down_costs_no_reading(folder: PhoneFolder, first: Snapshot) -> None:
    left = broken(folder, {f"Snapshot/{FILE}": b"sent"}, flushed=True)
    os.rename(os.path.join(left.path, UDID, "Snapshot", FILE), os.path.join(left.path, UDID, FILE))
    with WorkingCopy.adopt(folder, left) as working:
        assert working.reconciled.read_files == 0
        line = working.ledger.line(FILE)
        assert line is not None
        assert line.size == 4
    assert first.meta.sequence == 1


def test_what_was_not_written_down_came_before_the_next_attempt(folder: PhoneFolder, first: Snapshot) -> None:
    left = broken(folder, {"Manifest.db": b"a list"}, flushed=True)
    with WorkingCopy.adopt(folder, left) as working:
        send(working, {FILE: b"later"})
        working.ledger.abandon()  # killed
    (left,) = folder.left_overs()
    with WorkingCopy.adopt(folder, left) as working:
        listed = working.ledger.line("Manifest.db")
        assert listed is not None
        assert listed.arrived < working.ledger.last_file()
        send(working, {"Manifest.db": b"another list"})
        listed = working.ledger.line("Manifest.db")
        assert listed is not None
        assert listed.arrived > working.ledger.last_file()


def test_after_a_reboot_only_what_was_surely_on_the_disk_is_kept(
    folder: PhoneFolder, first: Snapshot, monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    working = WorkingCopy.create(folder, first)
    working.advance("receiving")
    send(working, {f"Snapshot/{FILE}": b"durable"})
    working.checkpoint()
    send(working, {f"Snapshot/{blob(4)}": b"perhaps", "Status.plist": b"uploading"})
    working.ledger.flush()
    working.ledger.abandon()
    monkeypatch.setattr(this_computer, "boot_id", lambda: "another start")
    (left,) = folder.left_overs()
    with WorkingCopy.adopt(folder, left, observer=listener) as again:
        assert again.reconciled.removed == [f"Snapshot/{blob(4)}"]
        assert (again.reconciled.kept_files, again.reconciled.kept_bytes) == (1, 7)
        assert not os.path.exists(os.path.join(again.root, "Snapshot", blob(4)))
        again.ledger.abandon()
    assert any("computer went down" in text for text in listener.cautions)
    # A second reboot, before anything was synced again, loses nothing more.
    monkeypatch.setattr(this_computer, "boot_id", lambda: "a third start")
    (left,) = folder.left_overs()
    with WorkingCopy.adopt(folder, left) as again:
        assert again.reconciled.kept_files == 1


@pytest.mark.parametrize("written_down", [False, True])
def test_a_move_that_a_power_cut_took_apart_is_noticed(
    folder: PhoneFolder, first: Snapshot, monkeypatch: pytest.MonkeyPatch, written_down: bool
) -> None:
    """Gone from the one place and not come to the other, where the file of the snapshot before stands again."""
    working = WorkingCopy.create(folder, first)
    working.advance("receiving")
    send(working, {f"Snapshot/{FILE}": b"newer", f"Snapshot/{blob(5)}": b"another"})
    working.barrier("moving")
    if written_down:
        move(working, {f"Snapshot/{FILE}": FILE})
    working.ledger.flush()
    working.ledger.abandon()
    monkeypatch.setattr(this_computer, "boot_id", lambda: "another start")
    (left,) = folder.left_overs()
    place = Path(left.path, UDID, FILE)
    place.unlink(missing_ok=True)
    Path(left.path, UDID, "Snapshot", FILE).unlink(missing_ok=True)
    os.link(os.path.join(first.backup_path, FILE), place)
    with WorkingCopy.adopt(folder, left) as again:
        assert again.reconciled.lost_files == 1


def test_a_run_that_was_suspended_survives_a_reboot_whole(
    folder: PhoneFolder, first: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = WorkingCopy.create(folder, first)
    working.advance("receiving")
    send(working, {f"Snapshot/{blob(number)}": b"x" * number for number in range(1, 20)})
    working.suspend()
    monkeypatch.setattr(this_computer, "boot_id", lambda: "another start")
    (left,) = folder.left_overs()
    with WorkingCopy.adopt(folder, left) as again:
        assert (again.reconciled.kept_files, again.reconciled.read_files) == (19, 0)
        assert again.reconciled.removed == []


def test_a_lost_ledger_is_made_again(folder: PhoneFolder, first: Snapshot) -> None:
    left = broken(folder, {f"Snapshot/{FILE}": b"sent"}, flushed=True)
    Path(left.path, "ledger.sqlite").write_bytes(b"nonsense")
    with WorkingCopy.adopt(folder, left) as working:
        assert working.reconciled.read_files == 1
        assert working.ledger.totals().carried == len(FILES)
    assert first.meta.sequence == 1


def test_what_no_backup_has_is_removed_from_a_broken_run(
    folder: PhoneFolder, first: Snapshot, tmp_path: Path
) -> None:
    left = broken(folder, {})
    root = os.path.join(left.path, UDID)
    os.symlink(tmp_path, os.path.join(root, "link"))
    os.mkfifo(os.path.join(root, "pipe"))
    Path(left.path, "staging", "1.new").write_bytes(b"half a file")
    with WorkingCopy.adopt(folder, left) as working:
        assert sorted(working.reconciled.removed) == ["link", "pipe"]
        assert os.listdir(working.staging) == []
    assert first.meta.sequence == 1


def test_without_its_base_a_broken_run_is_read_whole(folder: PhoneFolder, first: Snapshot) -> None:
    left = broken(folder, {})
    Path(left.path, "ledger.sqlite").unlink()
    os.rename(first.path, first.path + " gone")
    with WorkingCopy.adopt(folder, left) as working:
        assert working.base is None
        assert working.reconciled.read_files == len(FILES)


@pytest.mark.parametrize("phase", ["device_done", "verified", "sealed", "synced", "committed"])
def test_from_device_done_on_the_phone_is_not_needed(
    folder: PhoneFolder, first: Snapshot, phase: str
) -> None:
    started = datetime(2026, 11, 21, 2, 0, 4, tzinfo=UTC)
    working = WorkingCopy.create(folder, first)
    send(working, {FILE: b"new"})
    working.advance("device_done", draft=draft(started))
    steps = {
        "verified": lambda: working.advance("verified"),
        "sealed": working.seal,
        "synced": working.make_durable,
    }
    for name, step in steps.items():
        if working.run.phase == phase:
            break
        step()
        assert working.run.phase == name
    if phase == "committed":
        closing.write_meta(folder, working.path, draft(started), working.seal())
        working.make_durable()
        working.advance("committed")
        working.ledger.abandon()
        closing.tidy(working.path)
    working.close()
    (left,) = folder.left_overs()
    assert left.kind == ("complete" if phase == "committed" else "unfinished")
    (snapshot,) = finish_left_overs(folder, checked)
    assert snapshot.id == "20261121T020004Z"
    assert verify(snapshot) == FILES | {FILE: b"new"}
    assert folder.left_overs() == []


def test_a_lost_ledger_at_device_done_means_that_the_phone_is_asked_again(
    folder: PhoneFolder, first: Snapshot
) -> None:
    with WorkingCopy.create(folder, first) as working:
        working.advance("device_done", draft=draft())
    os.unlink(os.path.join(working.path, "ledger.sqlite"))
    assert finish_left_overs(folder, checked) == []
    (left,) = folder.left_overs()
    assert left.kind == "resumable"


@pytest.mark.parametrize("phase", ["device_done", "sealed", "complete"])
def test_a_damaged_left_over_is_set_aside_and_reported(
    folder: PhoneFolder, first: Snapshot, listener: Listener, phase: str
) -> None:
    working = WorkingCopy.create(folder, first)
    send(working, {FILE: b"new"})
    working.advance("device_done", draft=draft())
    if phase != "device_done":
        working.advance("verified")
        working.seal()
    if phase == "complete":
        assert working.run.sealed is not None
        closing.write_meta(folder, working.path, draft(), working.run.sealed)
        working.ledger.abandon()
        closing.tidy(working.path)
    working.close()
    os.unlink(os.path.join(working.root, FILE))
    assert finish_left_overs(folder, checked, observer=listener) == []
    assert any("could not be finished" in text for text in listener.cautions)
    (left,) = folder.left_overs()
    assert left.kind == "set_aside"
    assert folder.snapshots() == [first]
    folder.clear_up(after_success=True)
    assert folder.left_overs() == []


def test_a_check_that_fails_sets_the_copy_aside(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    def refuse(working: WorkingCopy) -> Draft:
        raise DamageFound("A file is missing.")

    with WorkingCopy.create(folder, first) as working:
        working.advance("device_done", draft=draft())
    assert finish_left_overs(folder, refuse, observer=listener) == []
    assert [left.kind for left in folder.left_overs()] == ["set_aside"]


@pytest.mark.parametrize("change", ["appeared", "missing", "bytes instead of", "no longer a file"])
def test_a_copy_that_something_else_changed_is_not_sealed(
    folder: PhoneFolder, first: Snapshot, tmp_path: Path, change: str
) -> None:
    with WorkingCopy.create(folder, first) as working:
        path = os.path.join(working.root, FILE)
        if change == "appeared":
            Path(working.root, "00", "notes.txt").parent.mkdir(exist_ok=True)
            Path(working.root, "00", "notes.txt").write_bytes(b"")
        else:
            os.unlink(path)
        if change == "bytes instead of":
            Path(path).write_bytes(b"other")
        elif change == "no longer a file":
            os.symlink(tmp_path, path)
        with pytest.raises(DamageFound, match=change):
            close(working)
    assert folder.snapshots() == [first]


def test_a_folder_that_went_missing_is_noticed(folder: PhoneFolder, first: Snapshot) -> None:
    import shutil

    with WorkingCopy.create(folder, first) as working:
        shutil.rmtree(os.path.dirname(os.path.join(working.root, FILE)))
        with pytest.raises(DamageFound, match=f"{FILE} is missing"):
            close(working)


def test_what_the_phone_left_half_done_is_no_part_of_a_snapshot(
    folder: PhoneFolder, listener: Listener
) -> None:
    with WorkingCopy.create(folder, None, observer=listener) as working:
        send(working, FILES | {f"Snapshot/{FILE}": b"x", "Snapshot/Manifest.db": b"x"})
        snapshot = close(working)
    assert verify(snapshot) == FILES
    assert any("2 files in Snapshot/" in text for text in listener.cautions)


def test_empty_folders_stay(folder: PhoneFolder) -> None:
    with WorkingCopy.create(folder, None) as working:
        send(working, SMALL)
        os.mkdir(os.path.join(working.root, "ff"))
        working.ledger.made_dir("ff")
        snapshot = close(working)
    assert os.path.isdir(os.path.join(snapshot.backup_path, "ff"))
    with WorkingCopy.create(folder, snapshot) as working:
        assert "ff" in working.ledger.folders()


def test_a_backup_of_nothing_is_none(folder: PhoneFolder) -> None:
    with (
        WorkingCopy.create(folder, None) as working,
        pytest.raises(IbackupError, match="The phone sent no files"),
    ):
        close(working)


@posix
def test_a_share_without_modes_is_reported_once(
    folder: PhoneFolder, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    with WorkingCopy.create(folder, None, observer=listener) as working:
        send(working, SMALL)
        snapshot = close(working)
    assert verify(snapshot) == SMALL
    assert len([text for text in listener.cautions if "permissions" in text]) == 1


def test_without_syncfs_every_new_file_is_synced_once(
    folder: PhoneFolder, first: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        if sys.platform.startswith("linux"):
            synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(durable, "file_system", lambda _: "nfs4")
    monkeypatch.setattr(os, "fsync", fsync)
    with WorkingCopy.create(folder, first) as working:
        new = {blob(number): b"new" for number in range(3)}
        send(working, new)
        root = working.root
        working.barrier("finished")
        send(working, {"Status.plist": b"finished"})
        snapshot = close(working)
    assert verify(snapshot) == FILES | new | {"Status.plist": b"finished"}
    if sys.platform.startswith("linux"):
        files = [
            path for path in synced if path.startswith(root + "/") and os.path.relpath(path, root) in FILES
        ]
        assert sorted(os.path.relpath(path, root) for path in files) == sorted([*new, "Status.plist"])


def test_the_file_system_is_known() -> None:
    if sys.platform.startswith("linux"):
        assert disks.file_system("/proc/self") == "proc"
        assert disks.file_system("/") != ""


def test_a_name_that_is_taken_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with pytest.raises(FileExistsError):
        durable.rename_new(str(tmp_path / "one"), str(tmp_path / "two"))
    (tmp_path / "two").rmdir()
    durable.rename_new(str(tmp_path / "one"), str(tmp_path / "two"))
    with pytest.raises(FileNotFoundError):
        durable.rename_new(str(tmp_path / "one"), str(tmp_path / "three"))


@pytest.mark.parametrize("held", [True, False])
def test_nor_is_it_without_the_systems_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    monkeypatch.setattr(durable, "libc", lambda _: None)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    if held:
        # Made by another run between our look and our rename.
        (tmp_path / "two" / "file").write_bytes(b"")
        monkeypatch.setattr(os.path, "lexists", lambda _: False)
    with pytest.raises(FileExistsError):
        durable.rename_new(str(tmp_path / "one"), str(tmp_path / "two"))


@pytest.mark.parametrize("platform", ["win32", "linux"])
def test_a_folder_that_a_virus_scanner_looks_into_is_renamed_a_little_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """Windows moves no folder while a file in it is open; right after a backup its files are looked at."""
    (tmp_path / "one").mkdir()
    rename, tries = os.rename, iter([True, True])

    def looked_at(source: str, target: str) -> None:
        if next(tries, False):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), source)
        rename(source, target)

    monkeypatch.setattr(durable, "libc", lambda _: None)
    monkeypatch.setattr(os, "rename", looked_at)
    monkeypatch.setattr(sys, "platform", platform)
    with contextlib.nullcontext() if platform == "win32" else pytest.raises(PermissionError):
        durable.rename_new(str(tmp_path / "one"), str(tmp_path / "two"))
    assert (tmp_path / "two").is_dir() is (platform == "win32")


def _children(*jobs: object) -> list[int]:
    """Run each job in a process of its own, all at once; gives their exit codes."""
    read, write = os.pipe()
    pids = []
    for job in jobs:
        pid = os.fork()
        if pid == 0:
            os.close(write)
            os.read(read, 1)  # until the parent closes its end: all begin together
            code = 1
            try:
                code = int(job())  # type: ignore[operator]
            finally:
                os._exit(code)
        pids.append(pid)
    os.close(read)
    os.close(write)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


@posix
def test_two_runs_that_end_at_once_both_get_a_name(folder: PhoneFolder, first: Snapshot) -> None:
    moment = datetime(2026, 11, 23, 2, 0, 4, tzinfo=UTC)
    copies = []
    for number in range(4):
        working = WorkingCopy.create(folder, first)
        send(working, {FILE: b"%d" % number})
        working.advance("device_done", draft=draft(moment))
        working.advance("verified")
        working.seal()
        working.make_durable()
        copies.append(working)

    def commit(working: WorkingCopy) -> int:
        working.commit()
        return 0

    assert _children(*((lambda each=each: commit(each)) for each in copies)) == [0, 0, 0, 0]
    for working in copies:
        working.ledger.abandon()
    found = folder.snapshots()
    assert [each.id for each in found[1:]] == [f"20261123T02000{second}Z" for second in (4, 5, 6, 7)]
    assert sorted(verify(each)[FILE] for each in found[1:]) == [b"0", b"1", b"2", b"3"]


@posix
def test_a_left_over_is_claimed_by_one_run_only(folder: PhoneFolder) -> None:
    left = broken(folder, SMALL)

    def claim() -> int:
        try:
            WorkingCopy.adopt(folder, left).close()
        except PhoneBusy:
            return 15
        return 0

    assert sorted(_children(claim, claim, claim)) == [0, 15, 15]
    assert len(folder.left_overs()) == 1


def test_a_half_removed_copy_is_never_taken_for_a_whole_one(
    folder: PhoneFolder, first: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    working = WorkingCopy.create(folder, first)
    working.advance("device_done", draft=draft())
    working.advance("verified")
    closing.write_meta(folder, working.path, draft(), working.seal())

    def cut_off(path: str) -> None:
        os.unlink(os.path.join(path, "run.json"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", cut_off)
        with pytest.raises(KeyboardInterrupt):
            working.discard()
    assert [left.kind for left in folder.left_overs()] == ["discarded"]
    assert finish_left_overs(folder, checked) == []
    assert folder.left_overs() == []
    assert folder.snapshots() == [first]


def test_what_never_held_anything_is_removed(folder: PhoneFolder) -> None:
    os.mkdir(folder.working_path("20261122T020004Z-abcdef"))
    os.mkdir(os.path.join(folder.path, "working-mine"))
    assert [left.kind for left in folder.left_overs()] == ["unprepared"]
    folder.clear_up()
    assert sorted(os.listdir(folder.path)) == ["proofs", "snapshots", "working-mine"]


def test_a_damaged_run_json_is_kept_until_the_next_success(folder: PhoneFolder) -> None:
    left = broken(folder, SMALL)
    Path(left.path, "run.json").write_bytes(b"{")
    assert [each.kind for each in folder.left_overs()] == ["set_aside"]
    last = run(folder)
    assert verify(last) == AFTER
    assert folder.left_overs() == []


def test_setting_aside_twice_in_a_second(folder: PhoneFolder) -> None:
    for _ in range(2):
        with WorkingCopy.create(folder, None) as working:
            working.set_aside()
    assert [left.kind for left in folder.left_overs()] == ["set_aside", "set_aside"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tmpfs")
def test_a_disk_that_fills_up_costs_nothing(tmp_path: Path, known: KnownStores) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()

    def job() -> None:
        folder = Store.open(disk / "store", known=known).phone(UDID)
        first = backup(folder, SMALL)
        filler = disk / "filler"
        working = WorkingCopy.create(folder, first)
        send(working, {"Snapshot/" + FILE: b"sent"})
        fd = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(fd, bytes(4096))
        os.close(fd)
        with pytest.raises(NoRoom) as told:
            working.advance("device_done", draft=draft())
        assert told.value.exit_code == 14
        working.ledger.abandon()
        with pytest.raises(NoRoom):
            WorkingCopy.create(folder, first)
        assert verify(first) == SMALL
        filler.unlink()
        assert verify(run(folder)) == AFTER
        assert folder.left_overs() == []

    if not alone_on_a_disk(str(disk), "4m", job):
        pytest.skip("may not mount")


def test_finishing_needs_the_phones_word(folder: PhoneFolder) -> None:
    with WorkingCopy.create(folder, None) as working:
        send(working, SMALL)
        with pytest.raises(IbackupError, match="not reported"):
            finish(working, checked)
