"""What the harnesses found, each as small as it can be had."""

import errno
import sqlite3
from pathlib import Path
from unittest import mock

import pytest

from harness.calls import Call, Hook, seen
from harness.power import Disk, PowerCut
from harness.rig import Bench, Rig, another_start, remembering
from harness.test_power_cut import cut_once, on
from harness.wire import Wire, tapped
from ibackup.base.confined import Confined
from ibackup.base.errors import DamageFound, IbackupError, NoRoom, StoreMissing, UsageError
from ibackup.base.events import PhaseStarted
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import Store
from ibackup.store.work import closing
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.ledger_database import LedgerUnsound
from support.fuzzing import BREAK, TARGETS, UDID, message
from support.runs import Told


def failing(text: str, error: OSError | sqlite3.Error, number: int = 1) -> Hook:
    """A hook that fails the n-th call that reads so."""
    left = number

    def hook(call: Call) -> object:
        nonlocal left
        left -= text in str(call)
        if left == 0:
            left = -1
            raise error
        return call.make()

    return hook


def test_a_commit_that_fails_leaves_no_transaction_open(tmp_path: Path) -> None:
    """The next statement failed in its own way, and that was told instead of the full disk."""
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    with seen(tmp_path, failing("COMMIT", full, 2)):
        ledger = FileLedger(str(tmp_path / "ledger.sqlite"))
        with pytest.raises(NoRoom):
            ledger.made_dir("00")
        ledger.made_dir("01")
        ledger.close()


def test_a_ledger_with_torn_rows_is_made_again(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.sqlite")
    with FileLedger(path) as ledger:
        ledger.made_dir("00")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE folders SET path = NULL")
    db.close()
    with pytest.raises(LedgerUnsound):
        FileLedger(path)


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_a_disk_that_fails_once_while_it_is_checked_does_not_cost_the_backup(phones: Rig, code: int) -> None:
    """It was called damaged and set aside, so that everything would have come again."""
    with phones.bench() as bench:
        hook = failing(
            "open ", OSError(code, "now and then"), 15
        )  # after the first look at the files, which may fail
        told = Told()

        def once_it_is_checked(call: Call) -> object:
            return hook(call) if "check" in told.phases else call.make()

        with seen(bench.path, once_it_is_checked):
            error = bench.attempt(told=told)
        assert isinstance(error, IbackupError), error
        assert not isinstance(error, DamageFound)
        assert [left.kind for left in bench.left] == ["unfinished"]
        with tapped(Wire()) as wire:
            bench.now()
        assert wire.uploads == []
        assert len(bench.snapshots) == 2
        assert bench.left == []


def test_a_status_that_cannot_be_read_ends_the_run(phones: Rig) -> None:
    """The phone took it for missing, started over, and left in the new snapshot what it had removed."""
    with phones.bench("one") as bench:
        before = bench.pictures()
        told = Told()
        hook = failing("Status.plist", PermissionError(errno.EACCES, "not now"))

        def once_it_is_asked_for(call: Call) -> object:
            return hook(call) if "scan" in told.phases else call.make()

        with seen(bench.path, once_it_is_asked_for):
            error = bench.attempt(told=told)
        assert isinstance(error, IbackupError)
        assert "Status.plist" in error.message
        assert "verify" in error.hint
        bench.recover(before)


def open_store(path: Path, known: KnownStores) -> IbackupError | None:
    try:
        Store.open(path, known=known)
    except IbackupError as error:
        return error
    return None


def test_a_failing_disk_is_no_missing_store(tmp_path: Path) -> None:
    known = KnownStores(str(tmp_path / "state"))
    store = Store.open(tmp_path / "store", known=known)
    for number in range(1, 9):
        with seen(tmp_path / "store", failing("stat ", OSError(errno.EIO, "bad"), number)):
            error = open_store(tmp_path / "store", known)
        assert error is None or not isinstance(error, StoreMissing | UsageError), error
    assert Store.open(tmp_path / "store", known=known).id == store.id


def test_modes_that_a_power_cut_undid_are_set_again(phones: Rig) -> None:
    with phones.bench() as bench:
        bench.path.mkdir()
        disk = Disk(str(bench.path))

        def before_it_is_synced(event: object) -> bool:
            if isinstance(event, PhaseStarted) and event.phase == "seal":
                disk.at = disk.syncs + 4  # after the seal, and the two of run.json that says so
            return False

        with on(disk, syncfs=True), pytest.raises(PowerCut):
            bench.now(told=Told(stop=before_it_is_synced))
        target = bench.path.with_name("after")
        disk.rebuild(str(target), "names")
        after = Bench(target, bench.server, remembering(bench.phone))
        assert [left.run.phase for left in after.left if left.run] == ["sealed"]
        bench.server.detach(bench.phone)
        bench.server.attach(after.phone)
        with another_start():
            after.recover(after.pictures())
        after.check({**after.pictures()})
        bench.server.detach(after.phone)


@pytest.mark.parametrize("name", ["Snapshot", "Snapshot/00", "Manifest.db"])
def test_a_move_to_where_it_is(name: str) -> None:
    """A folder was forgotten by the ledger."""
    path = f"{UDID}/{name}"
    make = message("DLMessageCreateDirectory", f"{UDID}/Snapshot/00", {})
    put = [
        message("DLMessageUploadFiles", {}, 1.0, 9),
        b"n/x",
        f"n{UDID}/Manifest.db".encode(),
        b"c\x0cdb",
        b"c\0",
        b"e",
    ]
    TARGETS["conversation"].attempt(
        BREAK.join([make, *put, message("DLMessageMoveItems", {path: path}, {}, 1.0)])
    )


@pytest.mark.parametrize("file", ["run.json", "snapshot.json"])
def test_a_record_that_cannot_be_read_once_does_not_cost_what_was_received(phones: Rig, file: str) -> None:
    """The working copy was set aside, or removed when only its name was to come, and all of it was sent again."""
    with phones.bench() as bench:
        told = Told(stop=lambda event: isinstance(event, PhaseStarted) and event.phase == "seal")
        if file == "snapshot.json":
            with mock.patch.object(closing, "rename", side_effect=KeyboardInterrupt):
                bench.attempt()
        else:
            bench.attempt(told=told)
        folder = bench.folder
        left = folder.left_overs()
        with seen(bench.path, failing(file, OSError(errno.EIO, "once"))):
            assert folder.left_overs() == left
        with tapped(Wire()) as wire:
            bench.now()
        assert wire.uploads == []
        assert len(bench.snapshots) == 2


@pytest.mark.parametrize("number", range(69, 81, 3))
def test_a_move_that_a_power_cut_took_apart(phones: Rig, number: int) -> None:
    """Without syncfs, a file could be gone from Snapshot/ and the old one stand in its place: the next run failed."""
    cut_once(phones, "incremental", number, [("some", number + 5)], syncfs=False)


def test_a_staging_folder_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    for name in ("root", "staging"):
        tmp_path.joinpath(name).mkdir()
    hook = failing("open staging", OSError(errno.EIO, "bad"))
    with seen(tmp_path, hook) as calls, pytest.raises(OSError, match="bad"):
        Confined(tmp_path / "root", tmp_path / "staging")
    assert calls.fds == {}
