"""A phone that ends every run with the same error: what it costs the disk and the person, and what is said of it."""

import os
from pathlib import Path

import pytest

from ibackup.base.errors import PhoneRefused
from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, Fault, NoRoom, UnreadableFile
from ibackup.simulator.spec import Passcode
from ibackup.store.records import failed_endings
from support.runs import Lab, assert_is_the_phone, photograph


class Costs:
    """What the runs have cost so far, and what the last one did."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.attempts = self._attempts()

    def _attempts(self) -> int:
        return self.lab.phone.journal.details("request").count("Backup")

    def more_attempts(self) -> int:
        before, self.attempts = self.attempts, self._attempts()
        return self.attempts - before

    def bytes(self) -> int:
        """What the store takes on the disk; a file with several names counts once."""
        found = {}
        for top, _, names in os.walk(self.lab.path):
            for name in names:
                facts = os.lstat(os.path.join(top, name))
                if len(name) == 40:  # the phone's files
                    found[facts.st_ino] = facts.st_size
        return sum(found.values())

    def aside(self) -> int:
        return sum(left.kind == "set_aside" for left in self.lab.left)


def size_of(lab: Lab) -> int:
    return sum(entry.size for entry in lab.phone.files.files())


@pytest.mark.parametrize(("code", "first"), [(205, 2), (104, 1), (3, 1), (1, 1)])
def test_a_first_backup_over_three_nights(lab: Lab, code: int, first: int) -> None:
    lab.phone.passcode = Passcode(kind="answered", delay_s=0.01)
    lab.phone.set_faults(ErrorCodeAt(where="end", code=code, text="Not today"))
    costs = Costs(lab)
    for attempts in (first, 1, 1):
        error = lab.fails(PhoneRefused)
        assert error.error_code == code
        assert costs.more_attempts() == attempts
        assert len([prompt for prompt in lab.told.prompts if prompt.kind == "passcode"]) == attempts
        assert costs.bytes() == first * size_of(lab), "later runs add nothing"
        assert costs.aside() == first - 1
        assert "Not today" in error.why
        assert "snapshot" not in error.hint, "nobody restores"
    assert "Every backup since " in error.why
    assert "at the very end" in error.why
    assert "the cause is on the iPhone" in error.why
    assert error.lasting
    lab.phone.set_faults()
    assert_is_the_phone(lab.now().path, lab.phone)
    assert (lab.left, lab.folder.endings()) == ([], ())


def test_what_was_tried_is_said(lab: Lab) -> None:
    lab.phone.set_faults(ErrorCodeAt(where="end", code=205))
    error = lab.fails(PhoneRefused)
    assert "ibackup tried twice, and the second time the iPhone sent everything again" in error.why
    assert "Restart the iPhone" in error.hint
    assert "--full" not in error.hint


def test_an_incremental_one_and_its_fresh_start(backed_up: Lab) -> None:
    before = photograph(backed_up.folder.snapshots_path)
    costs = Costs(backed_up)
    backed_up.phone.change(added=2)
    backed_up.phone.set_faults(ErrorCodeAt(where="end", code=205))
    for attempts in (2, 1, 1):
        backed_up.fails(PhoneRefused)
        assert costs.more_attempts() == attempts
        assert costs.aside() == 1
    assert photograph(backed_up.folder.snapshots_path) == before


def test_another_place_is_another_error(lab: Lab) -> None:
    costs = Costs(lab)
    for fault in (ErrorCodeAt(where="end", code=205), ErrorCodeAt(where="start", code=205)):
        lab.phone.set_faults(fault)
        lab.fails(PhoneRefused)
        assert costs.more_attempts() == 2
        assert costs.aside() == 1, "of several that were set aside the latest is kept"


@pytest.fixture
def dear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is sent again counts as much."""
    monkeypatch.setattr("ibackup.jobs.backup.attempts.CHEAP_BYTES", 1000)


@pytest.mark.usefixtures("dear")
def test_much_is_sent_again_only_when_that_is_asked_for(backed_up: Lab) -> None:
    costs = Costs(backed_up)
    backed_up.phone.change(added=2)
    backed_up.phone.set_faults(ErrorCodeAt(where="end", code=205))
    error = backed_up.fails(PhoneRefused)
    assert costs.more_attempts() == 1
    assert "`ibackup now --full`" in error.hint
    assert "ibackup never does this without asking" in error.hint
    assert [left.kind for left in backed_up.left] == ["resumable"]

    error = backed_up.fails(PhoneRefused, full=True)
    assert costs.more_attempts() == 1
    assert "--full" not in error.hint, "that has been tried now"

    backed_up.phone.set_faults()
    result = backed_up.now(full=True)
    assert (result.full, result.resumed_bytes) == (True, 0), (
        "a full one that the phone ended is not continued"
    )


@pytest.mark.usefixtures("dear")
def test_a_full_one_that_continued_another_is_sent_again_when_it_is_refused(lab: Lab) -> None:
    lab.phone.set_faults(DropInPhase(phase="uploading", after=4))
    with pytest.raises(Exception, match="lost"):
        lab.now(full=True)
    lab.phone.set_faults(ErrorCodeAt(where="start", code=205, times=1))
    assert lab.now(full=True).resumed_bytes == 0


def test_nothing_is_set_aside_where_there_is_no_room_for_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibackup.store.phone_folder.free_bytes", lambda _: 1 << 30)
    lab.phone.set_faults(ErrorCodeAt(where="end", code=205))
    costs = Costs(lab)
    lab.fails(PhoneRefused)
    assert costs.aside() == 0
    assert costs.bytes() == size_of(lab)


def test_what_was_set_aside_makes_room_for_a_backup(lab: Lab) -> None:
    lab.phone.set_faults(ErrorCodeAt(where="end", code=205))
    lab.fails(PhoneRefused)
    assert Costs(lab).aside() == 1
    lab.phone.set_faults(NoRoom(times=1))
    result = lab.now()
    assert any("ibackup removed what an earlier run had set aside" in note for note in lab.told.notes)
    assert_is_the_phone(result.path, lab.phone)


def test_a_run_that_did_not_come_to_its_end_says_nothing_of_the_next(lab: Lab) -> None:
    faults: tuple[Fault, ...] = (ErrorCodeAt(where="start", code=205),)
    lab.phone.set_faults(*faults)
    lab.told.events.clear()
    with pytest.raises(KeyboardInterrupt):
        stop_at_second_scan(lab)
    assert lab.folder.endings() == ()


def stop_at_second_scan(lab: Lab) -> None:
    from support.runs import Told

    told = Told()
    told.stop = lambda _: told.phases.count("scan") == 2
    lab.now(told=told)


def test_a_file_that_did_not_come_whole_is_sent_again_when_a_run_continues(lab: Lab) -> None:
    """Else a phone that looks only whether it is there would take it for sent."""
    entry = next(each for each in lab.phone.files.files() if each.size > 1000)
    lab.phone.set_faults(
        UnreadableFile(domain=entry.domain, path=entry.path, times=1),
        DropInPhase(phase="uploading", after=4),
    )
    with pytest.raises(Exception, match="lost"):
        lab.now()
    (left,) = lab.left
    assert not list(Path(left.path).rglob(entry.file_id))
    lab.phone.set_faults()
    result = lab.now()
    assert (result.resumed_bytes > 0, result.flawed) == (True, ())
    assert_is_the_phone(result.path, lab.phone)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"schema": 1, "endings": [{"code": "x"}]}', b'{"endings": 5}']
)
def test_a_damaged_record_is_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / failed_endings.NAME).write_bytes(damage)
    assert failed_endings.read(str(tmp_path)) == ()
