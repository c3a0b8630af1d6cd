"""Removal of snapshots on a real file system, cut off at every moment, and pins that arrive in the middle of it."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError, PhoneBusy, UsageError
from ibackup.jobs.keeping import pruning
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.store.disk.record_times import now
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof, Proofs
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import Store
from store.lab import SMALL, UDID, backup, blob, photograph, verify
from store.work.test_killed import killed_at

Make = Callable[..., PhoneFolder]
DAY_1 = datetime(2026, 11, 1, 2, tzinfo=UTC)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Gives a function that makes a store with one snapshot a day, each with one new file of 100 kB."""

    def chain(count: int = 4, name: str = "store") -> PhoneFolder:
        store = Store.open(tmp_path / name, known=KnownStores(str(tmp_path / "state")))
        folder = store.phone(UDID)
        for number in range(count):
            new = {blob(100 + number): bytes([number]) * 100_000}
            gone = (blob(99 + number),) if number else ()
            backup(
                folder, SMALL | new if not number else new, gone=gone, started=DAY_1 + timedelta(days=number)
            )
        return folder

    return chain


def ids(folder: PhoneFolder) -> list[int]:
    """The days of the snapshots that are there."""
    return [each.meta.started.day for each in folder.snapshots()]


def prune(folder: PhoneFolder, rules: RetentionRules) -> pruning.PrunePlan:
    return pruning.carry_out(folder, rules, pruning.plan(folder, rules, zone=UTC), zone=UTC)


def test_a_plan_changes_nothing_and_says_what_is_shared(make: Make) -> None:
    folder = make()
    before = photograph(folder.path)
    plan = pruning.plan(folder, RetentionRules(last=2), zone=UTC)
    assert photograph(folder.path) == before
    assert [each.id for each in plan.going] == [each.id for each in folder.snapshots()[:2]]
    assert [each.reasons for each in plan.kept] == [("last",), ("last", "newest")]
    # The file that only this snapshot has, its seal and its record; what all share stays.
    for each in plan.going:
        assert 100_000 < each.gives_back < 150_000
    assert plan.gives_back == sum(each.gives_back for each in plan.going)


def test_what_was_planned_is_removed_and_nothing_else(make: Make) -> None:
    folder = make()
    for each in folder.snapshots():
        folder.add_proof(each.id, Proof("quick", now(), "good"))
    staying = {each.path: photograph(each.path) for each in folder.snapshots()[2:]}
    done = prune(folder, RetentionRules(last=2))
    assert ids(folder) == [3, 4]
    assert {path: photograph(path) for path in staying} == staying
    for each in folder.snapshots():
        verify(each)
    assert sorted(os.listdir(folder.proofs_path)) == [f"{each.id}.json" for each in done.kept] + [
        "pruned.json",
        "records.lock",
    ]
    assert sorted(os.listdir(folder.path)) == ["lock", "proofs", "snapshots"]


def test_the_room_really_comes_back(make: Make) -> None:
    folder = make(6)

    def blocks() -> int:
        found = {}
        for top, _, names in os.walk(folder.snapshots_path):
            for name in names:
                facts = os.lstat(os.path.join(top, name))
                found[facts.st_ino] = facts.st_blocks
        return 512 * sum(found.values())

    before = blocks()
    done = prune(folder, RetentionRules(last=1))
    assert done.exact is False or before - blocks() == done.gives_back


@pytest.mark.parametrize(
    ("going", "beside"),
    [([0], [1]), ([1, 2], [0, 3]), ([0, 2, 4], [1, 3, 5]), ([5], [4]), ([], []), ([0, 1, 2], [3])],
)
def test_only_neighbours_are_looked_at_for_clones(make: Make, going: list[int], beside: list[int]) -> None:
    entries = make(6).entries()
    leaving = [entries[number] for number in going]
    assert pruning._beside(entries, leaving) == [entries[number].path for number in beside]  # type: ignore[arg-type]


def test_without_a_rule_nothing_goes(make: Make) -> None:
    folder = make(2)
    with pytest.raises(UsageError, match="so nothing is removed"):
        pruning.plan(folder, RetentionRules())
    assert ids(folder) == [1, 2]


def test_what_is_proven_pinned_or_gone_on_from_stays(make: Make) -> None:
    folder = make(6)
    snapshots = folder.snapshots()
    folder.add_proof(snapshots[1].id, Proof("full", now(), "good"))
    pruning.pin(folder, snapshots[2], "before the repair")
    folder.add_proof(snapshots[5].id, Proof("full", now(), "damaged", ("aa/aabb",)))
    done = prune(folder, RetentionRules(last=1))
    assert {each.id: each.reasons for each in done.kept} == {
        snapshots[1].id: ("proven",),
        snapshots[2].id: ("pinned",),
        snapshots[4].id: ("last", "newest"),
        snapshots[5].id: ("last",),
    }


def test_a_broken_run_keeps_what_it_began_from(make: Make) -> None:
    from ibackup.store.work.working_copy import WorkingCopy

    folder = make(3)
    with WorkingCopy.create(folder, folder.snapshots()[0]) as working:
        working.advance("receiving")
    done = prune(folder, RetentionRules(last=1))
    assert [each.reasons for each in done.kept] == [("in-use",), ("last", "newest")]
    assert [left.kind for left in folder.left_overs()] == ["resumable"]


def test_an_unreadable_one_stays(make: Make) -> None:
    folder = make(3)
    broken = folder.snapshots()[0]
    record = Path(broken.path, "snapshot.json")
    record.chmod(0o600)
    record.write_text("{}")
    done = prune(folder, RetentionRules(last=1))
    assert ("unreadable",) in [each.reasons for each in done.kept if each.id == broken.id]
    assert os.path.isdir(broken.path)


def test_a_damaged_file_of_proofs_counts_as_a_pin(make: Make) -> None:
    folder = make(3)
    first = folder.snapshots()[0]
    Path(folder.proofs_path, f"{first.id}.json").write_text("{")
    assert next(each.id for each in prune(folder, RetentionRules(last=1)).kept) == first.id


def test_a_run_under_way_is_not_disturbed(make: Make) -> None:
    folder = make(3)
    plan = pruning.plan(folder, RetentionRules(last=1))
    with folder.lock(), pytest.raises(PhoneBusy):
        pruning.carry_out(folder, RetentionRules(last=1), plan)
    assert ids(folder) == [1, 2, 3]


def test_what_has_come_in_between_counts(make: Make) -> None:
    """Between the plan, which someone looks at, and the removal: a pin, a proof, another prune."""
    folder = make(5)
    snapshots = folder.snapshots()
    plan = pruning.plan(folder, RetentionRules(last=1))
    pruning.pin(folder, snapshots[0])
    folder.add_proof(snapshots[1].id, Proof("deep", now(), "good"))
    folder.discard(snapshots[2].path)
    done = pruning.carry_out(folder, RetentionRules(last=1), plan)
    assert [each.id for each in done.going] == [snapshots[3].id]
    assert {each.id: each.reasons for each in done.kept}[snapshots[0].id] == ("pinned",)
    assert {each.id: each.reasons for each in done.kept}[snapshots[1].id] == ("proven",)
    assert ids(folder) == [1, 2, 5]


def test_a_pin_at_the_last_moment_has_it_put_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(3)
    first = folder.snapshots()[0]
    before = photograph(first.path)
    retire = PhoneFolder.retire

    def pinned_just_before(self: PhoneFolder, path: str) -> str:
        if path == first.path:
            pruning.pin(self, first, "in time")
        return retire(self, path)

    monkeypatch.setattr(PhoneFolder, "retire", pinned_just_before)
    done = prune(folder, RetentionRules(last=1))
    assert photograph(first.path) == before
    assert ids(folder) == [1, 3]
    assert {each.id: each.reasons for each in done.kept}[first.id] == ("pinned",)


def test_a_pin_that_comes_too_late_says_so(make: Make) -> None:
    folder = make(2)
    first = folder.snapshots()[0]
    folder.discard(first.path)
    with pytest.raises(UsageError, match="just been removed"):
        pruning.pin(folder, first)


def test_pin_and_unpin_keep_what_was_proved(make: Make) -> None:
    folder = make(1)
    snapshot = folder.snapshots()[0]
    proof = Proof("full", now(), "damaged", ("Manifest.db",))
    folder.add_proof(snapshot.id, proof)
    pruning.pin(folder, snapshot, "Grüße")
    file = Path(folder.proofs_path, f"{snapshot.id}.json")
    told = json.loads(file.read_text())
    assert (told["pinned"], told["pin_note"], told["damaged"]) == (True, "Grüße", ["Manifest.db"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pruning.unpin(folder, snapshot)
    assert folder.proofs(snapshot.id) == Proofs((proof,), frozenset(["Manifest.db"]))


def test_a_removal_that_fails_is_finished_by_the_next(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(4)
    with monkeypatch.context() as patch:

        def refuse(path: str) -> None:
            os.unlink(os.path.join(path, UDID, "Manifest.db"))
            raise PermissionError(13, "Permission denied", path)

        patch.setattr("shutil.rmtree", refuse)
        with pytest.raises(IbackupError, match="could not be removed"):
            prune(folder, RetentionRules(last=2))
    assert ids(folder) == [2, 3, 4]
    assert [left.kind for left in folder.left_overs()] == ["discarded"]
    prune(folder, RetentionRules(last=2))
    assert ids(folder) == [3, 4]
    assert folder.left_overs() == []


def each_moment(made: PhoneFolder, tmp_path: Path, step: int) -> int:
    """Kill a prune at every ``step``-th call of the system; gives how many were killed."""
    for each in made.snapshots():
        made.add_proof(each.id, Proof("quick", now(), "good"))
    before = {each.id: photograph(each.path) for each in made.snapshots()}
    number = 1
    while True:
        folder = PhoneFolder(str(tmp_path / f"store {number}" / UDID))
        shutil.copytree(made.path, folder.path)
        killed = killed_at(number, partial(prune, folder, RetentionRules(last=1)), tmp_path / "synced")
        # What has a snapshot's name is a whole snapshot, and the newest is always among them.
        assert folder.broken() == []
        for each in folder.snapshots():
            assert photograph(each.path) == before[each.id]
        assert folder.snapshots()[-1].id == max(before)
        prune(folder, RetentionRules(last=1))
        assert [each.id for each in folder.snapshots()] == [max(before)]
        left = [f"{max(before)}.json", "pruned.json", "records.lock"]
        assert sorted(os.listdir(folder.proofs_path)) == left or killed
        if not killed:
            assert folder.left_overs() == []
            return number // step
        with folder.lock():
            folder.clear_up()
        assert sorted(os.listdir(folder.path)) == ["lock", "proofs", "snapshots"]
        shutil.rmtree(folder.path)
        number += step


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_now_and_then(make: Make, tmp_path: Path) -> None:
    assert each_moment(make(), tmp_path, 31) > 3


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_often(make: Make, tmp_path: Path) -> None:
    assert each_moment(make(), tmp_path, 4) > 50
