"""A restore that is cut off anywhere, or whose disk fails at any call: the snapshot stays, and the next one works."""

import hashlib
import random
from contextlib import ExitStack

import pytest

from harness.calls import seen
from harness.failing import FailingDisk, Way
from harness.rig import LONG, Bench, Rig, chosen, impatient, leaves_nothing
from harness.test_cut_anywhere import HOWS, stop_at
from harness.wire import Cut, Wire, tapped
from ibackup.base.errors import ConnectionLost, DamageFound, IbackupError, Interrupted, NotABackup
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.restore.restoration import Restoration
from ibackup.jobs.restore.restore_request import RestoreOptions, RestoreRequest, RestoreResult
from ibackup.simulator.faults import DropAfterBytes
from ibackup.store.records.snapshot import Snapshot
from ibackup.vault.unlocker import Unlocker
from support.runs import Picture, Told

pytestmark = pytest.mark.timeout(0 if LONG else 600)


def restore(
    bench: Bench,
    told: Told | None = None,
    *,
    verify: bool = False,
    number: int = -1,
    snapshot: Snapshot | None = None,
) -> RestoreResult:
    bench.told = told or Told()
    snapshot = snapshot or bench.snapshots[number]
    request = RestoreRequest(
        find=lambda _udid: BackupSource(snapshot.backup_path, snapshot),
        options=RestoreOptions(),
        unlocker=Unlocker(),
        patience=0.0,
        limits=bench.limits,
        verify=verify,
    )
    with Restoration(request, bench.told) as restoration:
        return restoration.carry_out()


def attempt(bench: Bench, snapshot: Snapshot | None = None) -> BaseException | None:
    """One restore that may fail; only in ways that a user is told of."""
    try:
        restore(bench, snapshot=snapshot)
    except (IbackupError, KeyboardInterrupt) as error:
        return error.with_traceback(None)
    return None


def check_restored(bench: Bench, content: dict[str, bytes]) -> None:
    """The phone has what the snapshot has: file by file, and nothing else."""
    restored = bench.phone.restored
    assert restored is not None
    assert {name: file.sha256 for name, file in restored.files.items()} == {
        name: hashlib.sha256(data).digest() for name, data in content.items()
    }


def stored(bench: Bench) -> dict[str, bytes]:
    """The files of the newest snapshot, which is not encrypted."""
    root = bench.path / bench.phone.udid / "snapshots" / bench.snapshots[-1].id / bench.phone.udid
    return {path.name: path.read_bytes() for path in root.glob("??/*")}


def recover(bench: Bench, before: dict[str, Picture], error: BaseException | None) -> None:
    """What must hold after a restore that was disturbed, and the next one."""
    assert bench.pictures() == before
    journal = bench.phone.journal
    assert not journal.details("lock_taken") or journal.wait("lock_released")
    assert len(journal.details("lock_taken")) == len(journal.details("lock_released"))
    if error is not None and bench.phone.restored is None:
        assert "/iTunesRestore/RestoreApplications.plist" not in bench.phone.afc.paths()
    if bench.phone.needs_restart:
        bench.phone.restart()  # it was through with it when the line was cut, and says so on its screen
    restore(bench)
    check_restored(bench, stored(bench))
    assert bench.pictures() == before


def cut_once(phones: Rig, number: int, how: Cut) -> None:
    with phones.bench("one") as bench, ExitStack() as stack:
        before = bench.pictures()
        if how == "silent":
            stack.enter_context(impatient())
        with tapped(Wire(number, how)) as wire, leaves_nothing(below=bench.path):
            error = attempt(bench)
        stack.close()
        assert wire.was_cut
        if error is None:
            check_restored(bench, stored(bench))  # only the goodbye was cut
        else:
            assert isinstance(error, ConnectionLost), error
            assert "run the same command again" in error.hint
        recover(bench, before, error)


def messages_of(phones: Rig) -> int:
    with phones.bench("one") as bench, tapped(Wire()) as wire:
        restore(bench)
        return wire.written


def test_cut_at_a_message(phones: Rig) -> None:
    last = messages_of(phones)
    for place, number in enumerate(chosen(last, 6)):
        for how in HOWS if LONG else HOWS[place % 4 : place % 4 + 1]:
            cut_once(phones, number, how)


def test_cut_at_a_byte(phones: Rig) -> None:
    rng = random.Random(4)
    with phones.bench("one") as bench:
        total = restore(bench).bytes
    for _ in range(200 if LONG else 3):
        with phones.bench("one") as bench:
            before = bench.pictures()
            bench.phone.set_faults(DropAfterBytes(count=rng.randrange(total), times=1))
            error = attempt(bench)
            assert isinstance(error, ConnectionLost), error
            recover(bench, before, error)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_stopped_at_an_event(phones: Rig, kind: type[BaseException]) -> None:
    with phones.bench("one") as bench:
        restore(bench)
        last = len(bench.told.events)
    for number in chosen(last, 3, seed=7):
        with phones.bench("one") as bench:
            before = bench.pictures()
            ended: BaseException | None = None
            with leaves_nothing(below=bench.path):
                try:
                    restore(bench, Told(stop=stop_at(number, kind)))
                except (KeyboardInterrupt, RuntimeError, Interrupted) as error:
                    ended = error.with_traceback(None)
            assert ended is not None
            recover(bench, before, ended)


CODES = {
    "broken": {ExitCode.FAILED, ExitCode.DAMAGE, ExitCode.NOT_A_BACKUP},
    "forbidden": {ExitCode.FAILED, ExitCode.DAMAGE, ExitCode.NOT_A_BACKUP},
}


@pytest.mark.parametrize("way", ["broken", "forbidden", "broken for good"])
def test_the_disk_fails_at_a_call(phones: Rig, way: Way) -> None:
    """Told per file where the protocol allows it, and never a success."""
    with phones.bench("one") as bench:
        disk, snapshot = FailingDisk(way), bench.snapshots[-1]
        with seen(bench.path, disk):
            restore(bench, snapshot=snapshot)
        last = disk.count
    for number in chosen(last, 3, seed=len(way)):
        disk = FailingDisk(way, number)
        with phones.bench("one") as bench:
            before, snapshot = bench.pictures(), bench.snapshots[-1]
            try:
                with seen(bench.path, disk) as calls, leaves_nothing(below=bench.path):
                    error = attempt(bench, snapshot)
                assert calls.fds == {}
                assert disk.failed
                if error is None:
                    check_restored(bench, stored(bench))  # that call was not needed
                else:
                    assert isinstance(error, IbackupError)
                    assert error.exit_code in CODES[way.removesuffix(" for good")], repr(error)
                    assert error.hint
                recover(bench, before, error)
            except BaseException as error:
                error.add_note(f"{way} at call {number} of {last}: {disk.failed[:3]}")
                raise


def test_what_the_disk_could_not_read_is_named(phones: Rig) -> None:
    """A bad sector in one file: the phone is told, gives up, and the file has its name in the message."""
    with phones.bench("one") as bench:
        path = next(name for name, data in stored(bench).items() if len(data) > 100)

        def hook(call: object) -> object:
            if str(call).startswith("readv") and path in str(call):
                raise OSError(5, "Input/output error")
            return call.make()  # type: ignore[attr-defined]

        with seen(bench.path, hook):
            error = attempt(bench)
        assert isinstance(error, DamageFound)
        assert not isinstance(error, NotABackup)
        assert "Input/output error" in error.why
        assert "Domain" in error.why
        assert error.error_code == 205
        recover(bench, bench.pictures(), error)
