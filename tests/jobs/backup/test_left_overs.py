"""What earlier runs left: continued, set aside or finished, and the user learns which."""

import os
import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.base.errors import ConnectionLost, PhoneRefused
from ibackup.simulator.faults import DropInPhase, ErrorCodeAt
from support.runs import Lab, assert_is_the_phone, photograph

MakeLab = Callable[..., Lab]


def break_off(lab: Lab) -> None:
    lab.phone.change(added=6)
    lab.phone.set_faults(DropInPhase(phase="uploading", after=2))
    lab.fails(ConnectionLost)
    lab.phone.set_faults()


def rewrite_version(root: str | Path, version: str) -> None:
    path = Path(root, "Status.plist")
    status = plistlib.loads(path.read_bytes())
    os.unlink(path)  # it may be a link to a finished one
    path.write_bytes(plistlib.dumps({**status, "Version": version}, fmt=plistlib.FMT_BINARY))


@pytest.mark.parametrize("version", ["2.4", "3.2"])
def test_an_old_format_is_not_offered_to_the_phone(backed_up: Lab, version: str) -> None:
    """The phone would have the whole folder moved away."""
    break_off(backed_up)
    (left,) = backed_up.left
    rewrite_version(Path(left.path, backed_up.phone.udid), version)
    result = backed_up.now()
    assert result.resumed_bytes == 0
    assert any("phones cannot continue a backup in this format" in note for note in backed_up.told.notes)
    assert_is_the_phone(result.path, backed_up.phone)
    assert backed_up.left == []
    assert any("Removed what 1 earlier run had set aside" in note for note in backed_up.told.notes)


@pytest.mark.parametrize("version", ["3.3", "3.10", "4.0", "", "one"])
def test_all_else_is_for_the_phone_to_judge(lab: Lab, version: str) -> None:
    break_off(lab)
    (left,) = lab.left
    rewrite_version(Path(left.path, lab.phone.udid), version)
    lab.now()
    assert any("Continuing an interrupted backup" in note for note in lab.told.notes)


def test_a_snapshot_in_an_old_format_is_not_built_upon(backed_up: Lab) -> None:
    rewrite_version(backed_up.snapshots[0].backup_path, "2.4")
    before = photograph(backed_up.folder.snapshots_path)
    result = backed_up.now()
    assert (result.full, result.carried_files) == (True, 0)
    assert any("ibackup makes a full one" in note for note in backed_up.told.notes)
    assert photograph(backed_up.folder.snapshots_path).items() >= before.items()


def test_one_that_does_not_fit_is_set_aside_and_reported(backed_up: Lab) -> None:
    break_off(backed_up)
    backed_up.now(full=True)
    assert any("set aside" in note and "you asked for a full backup" in note for note in backed_up.told.notes)


def test_of_two_the_later_one_is_gone_on_with(lab: Lab) -> None:
    break_off(lab)
    (first,) = lab.left
    hidden = first.path.replace("working-", "hidden-")
    os.rename(first.path, hidden)
    break_off(lab)
    (second,) = lab.left
    os.rename(hidden, first.path)
    result = lab.now()
    assert result.resumed_bytes > 0
    assert any("a later one is continued" in note for note in lab.told.notes)
    assert lab.left == []
    assert not os.path.exists(second.path)


def test_205_of_a_first_run_is_tried_from_scratch_once(lab: Lab) -> None:
    lab.phone.set_faults(ErrorCodeAt(where="start", code=205, times=1))
    result = lab.now()
    assert result.full
    assert any("starts over" in getattr(event, "text", "") for event in lab.told.events)
    assert_is_the_phone(result.path, lab.phone)
    assert lab.left == []


def test_205_of_a_first_run_that_stays(lab: Lab) -> None:
    lab.phone.set_faults(ErrorCodeAt(where="start", code=205))
    assert lab.fails(PhoneRefused).error_code == 205
    assert lab.phone.journal.details("request").count("Backup") == 2


def test_205_after_much_was_sent_is_not_tried_again_unasked(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibackup.jobs.backup.attempts.CHEAP_BYTES", 10_000)
    lab.phone.set_faults(ErrorCodeAt(where="end", code=205))
    assert lab.fails(PhoneRefused).error_code == 205
    assert lab.phone.journal.details("request").count("Backup") == 1
