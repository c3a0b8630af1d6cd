"""What goes from a second copy: only what is proven there, was pruned here, and no rule keeps."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from copies.conftest import PASSWORD
from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Event, ignore
from ibackup.base.exit_codes import ExitCode
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_records import CopiedSnapshot, CopyProof, CopyRecord
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.copying.copy_adding import add
from ibackup.jobs.copying.copy_night import CopyTurn
from ibackup.jobs.copying.copy_pruning import CopyPrunePlan, plan_for, prune_copy, pruned_at_night
from ibackup.jobs.copying.copy_run import copy_snapshots
from ibackup.jobs.keeping.pruning import carry_out, plan
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.store.disk.record_times import as_id
from ibackup.store.phone_folder import PhoneFolder
from support.copy_servers import rclone_restic
from support.made_store import ANN, NOW, add_snapshot, make_store

LAST = RetentionRules(last=2)
DAY = timedelta(days=1)


def _held(days: int, *, engine: str = "", now: datetime = NOW) -> HeldSnapshot:
    ident = as_id(now - days * DAY)
    return HeldSnapshot(ident, engine or f"e{days}", ANN, f"s{days}", "here", now - days * DAY)


def _record(*held: HeldSnapshot) -> CopyRecord:
    record = CopyRecord("0" * 64)
    for each in held:
        record = record.with_copied(CopiedSnapshot(each.id, each.engine_id, each.seal, NOW, 0))
        record = record.with_proof(CopyProof("matched", NOW, "good", each.id))
    return record


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhoneFolder:
    """A phone whose snapshots of ten days ago and before were pruned; that of today is here."""
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    store = make_store(tmp_path / "made")
    add_snapshot(store, ANN, timedelta())
    folder = store.phone(ANN)
    for days in range(10, 15):
        folder.note_pruned(_held(days).id)
    return folder


def _going(plan: CopyPrunePlan) -> list[str]:
    return [each.engine_id for each in plan.going]


def test_what_was_pruned_here_goes_when_the_rules_keep_it_no_more(folder: PhoneFolder) -> None:
    held = [_held(days) for days in (14, 13, 12, 0)]
    done = plan_for(folder, held, _record(*held), LAST, NOW)
    assert _going(done) == ["e14", "e13"]
    assert done.kept[_held(12).id] == ("last",)
    assert "in-store" in done.kept[_held(0).id]
    assert not plan_for(folder, held, _record(*held), RetentionRules(), NOW).all_going


def test_an_emptied_or_new_store_removes_nothing(folder: PhoneFolder, tmp_path: Path) -> None:
    held = [_held(days) for days in range(9)]  # none of them was pruned here
    shutil.rmtree(folder.snapshots_path)
    done = plan_for(folder, held, _record(*held), LAST, NOW)
    assert not done.all_going
    assert done.kept[_held(8).id] == ("only-there",)
    old = [_held(days) for days in (14, 13, 12, 11)]
    assert not plan_for(
        folder, old, CopyRecord("0" * 64), LAST, NOW
    ).all_going  # no record: nothing is proven
    folder.note_returned(old[0].id)  # it was brought back, and lost then
    assert _going(plan_for(folder, old, _record(*old), LAST, NOW)) == ["e13"]
    Path(folder.proofs_path, "pruned.json").write_text("{")
    assert not plan_for(folder, old, _record(*old), LAST, NOW).all_going


def test_what_an_intruder_adds_pushes_nothing_out(folder: PhoneFolder) -> None:
    mine = [_held(days) for days in (12, 11)]
    fakes = [_held(-4000), _held(1), _held(2), _held(3), _held(12, engine="fake")]
    done = plan_for(folder, [*mine, *fakes], _record(*mine, fakes[0]), LAST, NOW)
    assert _going(done) == []
    assert done.kept[fakes[0].id] == ("ahead", "only-there")
    assert done.kept[fakes[1].id] == ("unproven", "only-there")
    # The same snapshot under another name is no loss: the proven one stays.
    assert [each.engine_id for each in done.repeated] == ["fake"]
    other = replace(fakes[4], seal="another")
    assert not plan_for(folder, [*mine, other], _record(*mine), LAST, NOW).all_going


def test_a_prune_that_was_killed_halfway_raises_no_alarm_about_what_it_removed(tmp_path: Path) -> None:
    held = [_held(days) for days in (14, 13)]
    _record(*held).leaving_with([held[0].id]).write(str(tmp_path), "usb")
    record = CopyRecord.read(str(tmp_path), "usb", "0" * 64)
    assert record.vanished([]) == [held[1].id]
    assert record.only([held[1].id]).leaving == ()


@pytest.mark.peer
def test_old_snapshots_are_removed_from_a_real_repository_and_not_from_one_that_only_grows(
    backed_up: PhoneFolder,
    tmp_path: Path,
    require_tool: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_tool("restic")
    require_tool("rclone")
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    mine = PhoneFolder(str(tmp_path / "store" / backed_up.udid))
    shutil.copytree(backed_up.path, mine.path)
    with rclone_restic(tmp_path / "served", "--append-only") as server:
        planned = CopyConfig("nas", f"rest:{server.address}", repository_id="")
        config = add(planned, PASSWORD, tmp_path / "config.toml", ignore).config
        copy = OpenedCopy.open(config, PASSWORD)
        copy_snapshots(copy, [mine], ignore)
        first, second = mine.snapshots()
        rules = RetentionRules(last=1)
        assert prune_copy(copy, [mine], lambda _: rules, ignore)[0].all_going == []  # the store has both
        carry_out(mine, rules, plan(mine, rules))
        with pytest.raises(IbackupError, match=r"removed nothing|no permission") as caught:
            prune_copy(copy, [mine], lambda _: rules, ignore)
        assert "only add" in caught.value.hint
        assert [each.id for each in copy.engine.held()] == [first.id, second.id]
        night = CopyTurn(replace(config, prune=True), "copied")
        failed = pruned_at_night(night, [mine], lambda: copy, lambda _: rules, ignore)
        assert (failed.state, failed.code, failed.pruned) == ("failed", ExitCode.FAILED, ())
    # The same repository on the computer that keeps it.
    copy = OpenedCopy.open(replace(config, to=str(tmp_path / "served")), PASSWORD)
    said: list[Event] = []
    turn = CopyTurn(replace(config, prune=True), "copied")
    assert (
        pruned_at_night(replace(turn, config=config), [mine], lambda: copy, lambda _: rules, ignore).pruned
        == ()
    )
    turn = pruned_at_night(turn, [mine], lambda: copy, lambda _: rules, said.append)
    assert (turn.state, turn.pruned) == ("copied", (first.id,))
    assert not [each for each in said if isinstance(each, Caution)]
    assert [each.id for each in copy.engine.held()] == [second.id]
    again = copy_snapshots(copy, [mine], ignore)
    assert (again.copied, again.vanished, again.damaged) == ([], [], ())
