"""The last good backup survives anything, and the next run needs no help: cuts at many places, from many sides."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.base.errors import ConnectionLost, Interrupted, NoPhone
from ibackup.base.events import Event, PhaseStarted, Progress
from ibackup.config.stall_limits import Limits
from ibackup.simulator.faults import DropAfterBytes, DropInPhase, Phase, SilentAfterBytes, UserCancels
from support.runs import PASSWORD, SMALL, Lab, Told, assert_is_the_phone, assert_sealed, photograph

pytestmark = pytest.mark.promise("The last good backup survives anything")

MakeLab = Callable[..., Lab]
# Bytes that pass in a backup of the small phone: the folders, the files, the moves.
_SOMEWHERE = [300, 9_000, 50_000, 150_000, 300_000]


def cut_and_go_on(lab: Lab, cut: Callable[[], object], password: str | None = None) -> tuple[int, int]:
    """Have a run cut off, look that nothing finished was touched, and run again; what was resumed and received."""
    before = photograph(lab.folder.snapshots_path)
    cut()
    assert photograph(lab.folder.snapshots_path) == before
    assert len(lab.left) == 1
    # Nobody else has to wait: the phone's sync lock is free, by our word or with the connection.
    journal = lab.phone.journal
    assert len(journal.events("lock_released")) == len(journal.events("lock_taken"))
    lab.phone.set_faults()
    result = lab.now(password)
    assert_is_the_phone(result.path, lab.phone, password)
    assert_sealed(result.path)
    after = photograph(lab.folder.snapshots_path)
    assert {name: after[name] for name in before} == before
    assert lab.left == []
    return result.resumed_bytes, result.received_bytes


@pytest.mark.parametrize("count", _SOMEWHERE)
def test_torn_after_some_bytes_of_a_first_backup(lab: Lab, count: int) -> None:
    lab.phone.set_faults(DropAfterBytes(count=count))
    cut_and_go_on(lab, lambda: lab.fails(ConnectionLost))


@pytest.mark.parametrize("count", _SOMEWHERE)
def test_torn_after_some_bytes_of_an_incremental(backed_up: Lab, count: int) -> None:
    backed_up.phone.change(added=3, changed=3, removed=2)
    backed_up.phone.set_faults(DropAfterBytes(count=count))
    cut_and_go_on(backed_up, lambda: backed_up.fails(ConnectionLost))


@pytest.mark.parametrize("remembers", [True, False], ids=["remembers", "forgets"])
@pytest.mark.parametrize("phase", ["uploading", "moving", "removing"])
def test_torn_in_each_phase(make_lab: MakeLab, phase: Phase, remembers: bool) -> None:
    lab = make_lab(replace(SMALL, backup_password=PASSWORD))
    full = lab.now(PASSWORD)
    # Everything that the run after the next starts from has to hold, so the cut comes twice.
    for seed in (1, 2):
        lab.phone.change(added=6, changed=3, removed=1, seed=seed)
        lab.phone.set_faults(DropInPhase(phase=phase, after=2 if phase != "removing" else 1))

        def cut() -> None:
            lab.fails(ConnectionLost, password=PASSWORD)
            if not remembers:
                lab.phone.forget_upload()

        resumed, received = cut_and_go_on(lab, cut, PASSWORD)
        assert phase == "moving" or (resumed > 0) is (phase == "uploading")
        # Files that were moved to their places are here, though they are not counted.
        assert not any("nothing" in note for note in lab.told.notes)
        assert received < full.received_bytes


def test_resumed_files_are_not_sent_again(lab: Lab) -> None:
    lab.phone.set_faults(DropInPhase(phase="uploading", after=4))
    error = lab.fails(ConnectionLost)
    assert "continues from there" in error.hint
    lab.phone.set_faults()
    result = lab.now()
    assert result.resumed_bytes > 0
    assert any("Continuing an interrupted backup" in note for note in lab.told.notes)
    everything = sum(entry.size for entry in lab.phone.files.files(encrypted=False))
    plists_and_database = result.bytes - everything
    assert result.received_bytes < everything - result.resumed_bytes + 2 * plists_and_database
    assert [text for text in lab.phone.journal.details("backup") if text.startswith("resume")]
    assert_is_the_phone(result.path, lab.phone)


def test_a_run_that_continues_may_break_too(lab: Lab) -> None:
    kept = []
    for after in (2, 1, 1):
        lab.phone.set_faults(DropInPhase(phase="uploading", after=after))
        lab.fails(ConnectionLost)
        kept.append(sum("already here" in note for note in lab.told.notes))
    lab.phone.set_faults()
    assert kept == [0, 1, 1]
    assert_is_the_phone(lab.now().path, lab.phone)


def test_a_phone_that_falls_silent_for_good(lab: Lab) -> None:
    lab.limits = Limits(between_files_s=4, within_file_s=4)
    lab.phone.set_faults(SilentAfterBytes(count=200_000, seconds=600))
    error = lab.fails(ConnectionLost)
    assert "silent for 4 seconds " in error.what
    assert "The last file was" in error.why
    lab.phone.set_faults()
    assert lab.now().resumed_bytes > 0


@pytest.mark.parametrize("where", ["prepare", "scan", "receive", "some files", "finish"])
def test_stopped_here(backed_up: Lab, where: str) -> None:
    def stop(event: Event) -> bool:
        if where == "some files":
            return isinstance(event, Progress) and event.files > 4
        return isinstance(event, PhaseStarted) and event.phase == where

    phone = backed_up.phone
    before = photograph(backed_up.folder.snapshots_path)
    phone.change(added=8, changed=2)
    with pytest.raises(KeyboardInterrupt):
        backed_up.now(told=Told(stop=stop))
    assert photograph(backed_up.folder.snapshots_path) == before
    if where != "prepare":
        # The phone is told, and its lock is given back in order.
        assert phone.journal.wait("lock_released")
        assert "com.apple.itunes-mobdev.syncDidFinish" in phone.journal.details("posted")
        if where != "scan":  # where the phone waits for a file, and takes our goodbye for the end of it
            assert phone.journal.wait("request", "goodbye ___EmptyParameterString___")
    assert_is_the_phone(backed_up.now().path, phone)
    assert backed_up.left == []


@pytest.mark.parametrize("where", ["check", "seal"])
def test_from_the_phones_last_word_on_no_phone_is_needed(backed_up: Lab, where: str) -> None:
    backed_up.phone.change(added=1, changed=2)
    with pytest.raises(KeyboardInterrupt):
        backed_up.now(told=Told(stop=lambda event: isinstance(event, PhaseStarted) and event.phase == where))
    (left,) = backed_up.left
    assert left.kind == "unfinished"
    backed_up.server.detach(backed_up.phone)
    backed_up.fails(NoPhone)
    assert any("interrupted after the phone was done" in note for note in backed_up.told.notes)
    assert backed_up.left == []
    first, second = backed_up.snapshots
    assert second.meta.checked == "manifest"
    assert second.meta.carried_files > 0
    assert_is_the_phone(second.path, backed_up.phone)
    assert_sealed(second.path)
    assert_sealed(first.path)


@pytest.mark.parametrize("step", ["advance", "seal", "make_durable", "commit", "tidy", "rename"])
def test_cut_off_while_closing(backed_up: Lab, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each step from the phone's last word to the name, with the step before it done for good."""
    target = "ibackup.store.work.working_copy.WorkingCopy."
    if step in {"tidy", "rename"}:
        target = "ibackup.store.work.closing." if step == "tidy" else "ibackup.store.work.closing.durable."
        step = step if step == "tidy" else "rename_new"

    def cut(*arguments: object, **_: object) -> None:
        if step != "advance" or arguments[1] == "verified":
            raise KeyboardInterrupt

    backed_up.phone.change(changed=2)
    with monkeypatch.context() as patch:
        if step != "advance":
            patch.setattr(target + step, cut)
        else:
            patch.setattr("ibackup.jobs.backup.finishing.examined", cut_examined)
        with pytest.raises(KeyboardInterrupt):
            backed_up.now()
    assert len(backed_up.snapshots) == 1
    backed_up.server.detach(backed_up.phone)
    backed_up.fails(NoPhone)
    assert backed_up.left == []
    assert_is_the_phone(backed_up.snapshots[1].path, backed_up.phone)
    assert_sealed(backed_up.snapshots[1].path)


def cut_examined(*_: object) -> None:
    raise KeyboardInterrupt


def test_cancelled_on_the_phone(lab: Lab) -> None:
    lab.phone.set_faults(UserCancels(after=62))
    error = lab.fails(Interrupted)
    assert "cancelled on the iPhone" in error.what
    lab.phone.set_faults()
    assert_is_the_phone(lab.now().path, lab.phone)


def test_a_full_backup_that_broke_is_gone_on_with(backed_up: Lab) -> None:
    backed_up.phone.set_faults(DropInPhase(phase="uploading", after=4))
    backed_up.fails(ConnectionLost, full=True)
    backed_up.phone.set_faults()
    result = backed_up.now(full=True)
    assert result.resumed_bytes > 0
    assert (result.full, result.carried_files) == (True, 0)
    assert_is_the_phone(result.path, backed_up.phone)


def test_full_does_not_continue_an_incremental(backed_up: Lab) -> None:
    backed_up.phone.change(changed=9)
    backed_up.phone.set_faults(DropInPhase(phase="uploading", after=2))
    backed_up.fails(ConnectionLost)
    backed_up.phone.set_faults()
    result = backed_up.now(full=True)
    assert (result.full, result.resumed_bytes, result.carried_files) == (True, 0, 0)
    assert backed_up.left == []


def test_another_phones_left_over_is_in_nobodys_way(make_lab: MakeLab, first_store: Path) -> None:
    """What cannot be finished of one phone is told, and the other phone is backed up."""
    other = make_lab(replace(SMALL, seed=9, udid=""))
    with pytest.raises(KeyboardInterrupt):
        other.now(told=Told(stop=lambda event: isinstance(event, PhaseStarted) and event.phase == "check"))
    (left,) = other.left
    (Path(left.path) / other.phone.udid / "Status.plist").unlink()
    mine = make_lab(SMALL)
    result = mine.now()
    assert_is_the_phone(result.path, mine.phone)
    assert any("could not be finished" in caution for caution in mine.told.cautions)
    assert [each.kind for each in other.left] == ["set_aside"]
