"""The phone that `scripts/bench` prepares: its backups are those of the virtual iPhone that it was recorded from."""

from pathlib import Path

import pytest
from benching.phones import NOTES, Phone
from benching.prepared_phone import PreparedBackups

from ibackup.base import isolated
from ibackup.store.work import seal_beside, sealing
from support.runs import Lab, assert_is_the_phone, assert_sealed


def test_a_full_backup_and_one_in_which_nothing_changed(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As for many files on several cores: the seal is prepared beside the check.
    monkeypatch.setattr(seal_beside, "LEAST_FILES", 1)
    monkeypatch.setattr(isolated, "processors", lambda: 2)
    monkeypatch.setattr(sealing, "prepare_seal", lambda *_: pytest.fail("this process has to do it, too"))
    notes = tmp_path / NOTES
    lab.phone.backup_service = PreparedBackups(lab.phone, str(notes)).serve
    first, second = lab.now(), lab.now()
    for result in (first, second):
        assert_is_the_phone(result.path, lab.phone)
        assert_sealed(result.path)
    assert (first.full, first.carried_files, first.checked) == (True, 0, "manifest")
    assert (second.full, second.carried_files) == (
        False,
        sum(1 for _ in lab.phone.files.files(encrypted=False)),
    )
    note = Phone(0, {}, str(notes)).last_note()
    assert note is not None
    assert (note.files, note.sent) == (second.carried_files, 0)
    assert note.last_word > 0
