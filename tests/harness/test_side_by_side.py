"""Two runs at once, and a run beside everything else that looks at the store or removes from it."""

import shutil
import threading
from collections.abc import Callable
from datetime import UTC

import pytest

from harness.rig import Bench, Rig
from ibackup.apple.backup import Backup
from ibackup.apple.verify.findings import Level
from ibackup.base.errors import IbackupError, NotABackup, PhoneBusy
from ibackup.base.events import Event, PhaseStarted, Progress
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.keeping import pruning
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.jobs.proving.backup_proof import prove
from support.runs import Told

PHASES = ["find", "prepare", "scan", "receive", "finish", "check", "seal"]


def at(phase: str, do: Callable[[], object]) -> Told:
    """Does something when a run comes to a phase, in another thread, and waits for it."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            do()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    def look(event: Event) -> bool:
        if isinstance(event, PhaseStarted) and event.phase == phase:
            thread = threading.Thread(target=work, name="beside")
            thread.start()
            thread.join(60)
            assert not thread.is_alive()
            if failures:
                raise failures[0]
        return False

    return Told(stop=look)


@pytest.mark.parametrize("phase", ["prepare", "receive", "seal"])
def test_two_runs(phones: Rig, phase: str) -> None:
    with phones.bench("one") as bench:
        before = bench.pictures()
        second = Bench(bench.path, bench.server, bench.phone)

        def try_it() -> None:
            error = second.attempt()
            assert isinstance(error, PhoneBusy)
            assert error.exit_code is ExitCode.BUSY
            assert "process" in error.message

        bench.recover(before, told=at(phase, try_it))


@pytest.mark.parametrize("phase", PHASES)
def test_readers_never_wait_and_never_disturb(phones: Rig, phase: str) -> None:
    with phones.bench("one") as bench:
        before = bench.pictures()

        def read() -> None:
            store = Bench(bench.path, bench.server, bench.phone)
            (snapshot,) = store.snapshots[:1]
            assert prove(snapshot.backup_path, Level.DEEP, snapshot=snapshot).good
            with Backup.open(snapshot.backup_path) as backup:
                assert sum(1 for entry in backup.entries() if entry.kind.name == "FILE") > 5
            assert store.folder.broken() == []

        bench.recover(before, told=at(phase, read))


def test_a_prune_beside_a_run_waits_for_nothing_and_takes_nothing(phones: Rig) -> None:
    with phones.bench("one") as bench:
        bench.now()
        before = bench.pictures()
        rules = RetentionRules(last=1)

        def prune() -> None:
            folder = Bench(bench.path, bench.server, bench.phone).folder
            planned = pruning.plan(folder, rules, zone=UTC)
            with pytest.raises(PhoneBusy):
                pruning.carry_out(folder, rules, planned, zone=UTC)

        bench.recover(before, told=at("receive", prune))
        folder = bench.folder
        gone = pruning.carry_out(folder, rules, pruning.plan(folder, rules, zone=UTC), zone=UTC)
        assert len(gone.going) == 2
        assert len(bench.pictures()) == 1
        bench.check(bench.pictures())


@pytest.mark.parametrize("phase", ["prepare", "scan", "receive", "check"])
def test_someone_removes_the_snapshot_that_a_run_builds_on(phones: Rig, phase: str) -> None:
    """Not by our own command, which would wait: the run ends well, or says what is wrong, and the next one is good."""
    with phones.bench("one") as bench:
        base = bench.path / bench.phone.udid / "snapshots"

        def remove() -> None:
            for path in base.iterdir():
                shutil.rmtree(path)

        error: IbackupError | None = None
        try:
            bench.now(told=at(phase, remove))
        except IbackupError as raised:
            error = raised
        bench.check({})
        assert error is None or error.hint
        bench.recover(bench.pictures())


@pytest.mark.parametrize("moment", ["opened", "half read"])
def test_a_snapshot_that_is_pruned_while_it_is_verified_is_not_called_damaged(
    phones: Rig, moment: str
) -> None:
    with phones.bench("one") as bench:
        (snapshot,) = bench.snapshots
        bench.now()

        def prune(event: Event) -> bool:
            begun = isinstance(event, PhaseStarted if moment == "opened" else Progress)
            if begun and len(bench.snapshots) == 2:
                rules = RetentionRules(last=1)
                pruning.carry_out(bench.folder, rules, pruning.plan(bench.folder, rules, zone=UTC), zone=UTC)
            return False

        with pytest.raises(NotABackup, match="removed while"):
            prove(snapshot.backup_path, Level.FULL, snapshot=snapshot, observer=Told(stop=prune))
        assert bench.folder.proofs(snapshot.id).latest is None
