"""Files that the phone could not read: its word outlives a run that breaks, and what is here is told as it is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.apple.reasons import WORDS, Reason
from ibackup.apple.verify.findings import Finding, FindingKind, Level, Severity
from ibackup.base.errors import ConnectionLost, DamageFound
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.proving.backup_proof import prove
from ibackup.jobs.restore.rehearsal import rehearse
from ibackup.simulator.content import PhoneFile
from ibackup.simulator.faults import DropInPhase, OmittedFile, ResizedFile, UnreadableFile
from ibackup.simulator.habits import Habits
from ibackup.simulator.spec import PhoneSpec
from ibackup.vault.unlocker import Unlocker
from support.runs import PASSWORD, SMALL, Lab, assert_is_the_phone

MakeLab = Callable[..., Lab]
OLD_ROW = Habits(keeps_old_row=True)


def a_photo(lab: Lab) -> PhoneFile:
    """One without a Digest."""
    return next(each for each in lab.phone.files.files() if each.domain == "CameraRollDomain" and each.size)


def unreadable(entry: PhoneFile, after: int = 0) -> UnreadableFile:
    return UnreadableFile(domain=entry.domain, path=entry.path, after=after)


def flaws(lab: Lab, level: Level = Level.FULL, password: str | None = None) -> list[Finding]:
    """What a verification of the newest snapshot finds wrong; nothing of it is damage."""
    snapshot = lab.snapshots[-1]
    verdict = prove(snapshot.backup_path, level, snapshot=snapshot, unlocker=Unlocker(lambda _: password))
    found = [each for each in verdict.findings if each.severity is not Severity.NOTE]
    assert all(each.is_flaw for each in found), found
    return found


def is_restorable(lab: Lab, password: str | None = None) -> bool:
    snapshot = lab.snapshots[-1]
    return rehearse(BackupSource(snapshot.backup_path, snapshot), Unlocker(lambda _: password)).good


@pytest.mark.parametrize("finishes_only", [True, False])
def test_the_phones_word_outlives_a_run_that_broke_while_it_moved(
    make_lab: MakeLab, finishes_only: bool
) -> None:
    lab = make_lab(replace(SMALL, finishes_only=finishes_only))
    entry = a_photo(lab)
    lab.phone.set_faults(unreadable(entry, after=100), DropInPhase(phase="moving", after=1, times=1))
    lab.fails(ConnectionLost)
    lab.phone.set_faults(DropInPhase(phase="removing", after=1, times=1))
    lab.fails(ConnectionLost)  # twice: what is known of it is handed on
    lab.phone.set_faults()
    (named,) = lab.now().flawed
    assert (named.path, named.reason) == (f"{entry.file_id[:2]}/{entry.file_id}", Reason.UNREADABLE)
    assert named.device_path.endswith(entry.path)
    assert named.text == "Input/output error; its first 100 bytes are kept"


def test_what_a_killed_run_had_not_whole_is_sent_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody was there to take it away, and the phone would take it for sent."""
    entry = a_photo(lab)
    monkeypatch.setattr("ibackup.device.folder.working_files.WorkingFiles.drop_unread", lambda _: None)
    lab.phone.set_faults(
        UnreadableFile(domain=entry.domain, path=entry.path, times=1),
        DropInPhase(phase="uploading", after=4),
    )
    lab.fails(ConnectionLost)
    lab.phone.set_faults()
    result = lab.now()
    assert (result.resumed_bytes > 0, result.flawed) == (True, ())
    assert_is_the_phone(result.path, lab.phone)


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_the_earlier_copy_of_a_file_is_told_as_such(make_lab: MakeLab, password: str | None) -> None:
    lab = make_lab(replace(SMALL, backup_password=password, habits=OLD_ROW))
    lab.now(password)
    entry = a_photo(lab)
    before = lab.phone.files.read(entry)
    lab.phone.files.write(entry.domain, entry.path, b"newer " * 500)
    lab.phone.set_faults(unreadable(entry))
    for given in (password, password, None):  # the phone tries each time; without the password, too
        (named,) = lab.now(given).flawed
        assert (named.reason, named.text) == (Reason.OLDER, "Input/output error")
    assert len(before) != entry.size or before != b""
    for level in Level:
        (found,) = flaws(lab, level, password)
        assert (found.kind, found.reason) == (FindingKind.NOT_UPDATED, Reason.OLDER)
    assert is_restorable(lab, password)
    lab.phone.set_faults()
    result = lab.now(password)
    assert result.flawed == ()
    assert_is_the_phone(result.path, lab.phone, password)


def test_an_earlier_copy_is_none_once_the_phone_finds_its_file_unchanged(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, habits=OLD_ROW))
    lab.now()
    entry = a_photo(lab)
    lab.phone.files.write(entry.domain, entry.path, b"newer " * 500)
    lab.phone.set_faults(unreadable(entry))
    assert [file.reason for file in lab.now().flawed] == [Reason.OLDER]
    lab.phone.files.remove(entry.domain, entry.path)
    lab.phone.set_faults()
    assert lab.now().flawed == ()


def test_a_part_of_a_file_stays_a_part(make_lab: MakeLab) -> None:
    """What a phone could not read, it could not read the last time either: there is no earlier copy."""
    lab = make_lab(replace(SMALL, habits=OLD_ROW))
    entry = a_photo(lab)
    lab.phone.set_faults(unreadable(entry, after=7))
    first = lab.now().flawed
    assert [file.reason for file in first] == [Reason.UNREADABLE]
    lab.phone.files.write(entry.domain, entry.path, b"newer " * 500)
    assert lab.now().flawed == first


@pytest.mark.parametrize(
    "spec", [SMALL, replace(SMALL, backup_password=PASSWORD)], ids=["plain", "encrypted"]
)
@pytest.mark.parametrize("after", [0, 100])
def test_verify_gives_the_reason_that_the_backup_gave(make_lab: MakeLab, spec: PhoneSpec, after: int) -> None:
    lab = make_lab(spec)
    entry = a_photo(lab)
    lab.phone.set_faults(unreadable(entry, after=after))
    (named,) = lab.now(spec.backup_password).flawed
    for level in Level:
        (found,) = flaws(lab, level, spec.backup_password)
        assert (found.file, found.reason) == (named.path, named.reason)
        assert found.kind is FindingKind.UNREADABLE
    assert WORDS[named.reason] == "the phone could not read it"


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_another_size_for_a_file_that_the_phone_calls_unchanged(
    make_lab: MakeLab, password: str | None
) -> None:
    """It is not sent again however often this is tried, so that what is here is all there is."""
    lab = make_lab(replace(SMALL, backup_password=password))
    lab.now(password)
    entry = a_photo(lab)
    lab.phone.set_faults(ResizedFile(domain=entry.domain, path=entry.path, size=entry.size + 1000))
    for turn in range(3):
        flawed = lab.now(password).flawed
        if password is not None:  # its padding shows that it is whole
            assert (flawed, flaws(lab, password=password)) == ((), [])
            continue
        (named,) = flawed
        assert (named.device_path, named.reason) == (f"{entry.domain}/{entry.path}", Reason.SIZE)
        assert ("the phone did not send it again" in named.text) == (turn == 0)
        assert [(each.path, each.reason) for each in flaws(lab)] == [(entry.path, Reason.SIZE)]
        assert not is_restorable(lab)


def test_a_file_that_the_phone_leaves_out_each_time(lab: Lab) -> None:
    """The first time it may send it yet; after that the earlier copy is kept, or there would be no backup any more."""
    lab.now()
    entry = a_photo(lab)
    lab.phone.files.write(entry.domain, entry.path, b"never comes " * 500)
    lab.phone.set_faults(OmittedFile(domain=entry.domain, path=entry.path))
    lab.fails(DamageFound)
    assert len(lab.snapshots) == 1
    (named,) = lab.now().flawed
    assert (named.device_path, named.reason) == (f"{entry.domain}/{entry.path}", Reason.SIZE)
    assert "the phone did not send it again" in named.text
    # That made a backup, so that another such lie is another first time.
    other = next(
        each for each in lab.phone.files.files() if each.domain == entry.domain and each.path != entry.path
    )
    lab.phone.files.write(other.domain, other.path, b"nor this one " * 500)
    lab.phone.set_faults(OmittedFile(domain=other.domain, path=other.path))
    lab.fails(DamageFound)


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_a_changed_file_of_the_same_size_that_never_comes(make_lab: MakeLab, password: str | None) -> None:
    """Neither size nor padding tells, only that the list calls the file changed and no byte of it came."""
    lab = make_lab(replace(SMALL, backup_password=password))
    lab.now(password)
    entry = a_photo(lab)
    before = lab.phone.files.read(entry)
    lab.phone.files.write(entry.domain, entry.path, bytes(len(before)))
    lab.phone.set_faults(OmittedFile(domain=entry.domain, path=entry.path))
    error = lab.fails(DamageFound, password=password)
    assert f"{entry.domain} {entry.path}: an earlier copy" in error.why
    assert len(lab.snapshots) == 1
    for _ in range(3):  # it does not come later, either: that is known as long as the copy is the earlier one
        (named,) = lab.now(password).flawed
        assert (named.device_path, named.reason) == (f"{entry.domain}/{entry.path}", Reason.OUTDATED)
    assert [(each.path, each.reason) for each in flaws(lab, password=password)] == [
        (entry.path, Reason.OUTDATED)
    ]
    lab.phone.set_faults()
    lab.phone.files.write(entry.domain, entry.path, b"it came")
    assert lab.now(password).flawed == ()


def test_a_file_that_came_again_as_it_was_is_no_earlier_copy(lab: Lab) -> None:
    """Also where the run broke and lost its ledger, so that only the bytes tell that nothing changed."""
    lab.now()
    entry = a_photo(lab)
    lab.phone.files.write(entry.domain, entry.path, lab.phone.files.read(entry))
    lab.phone.set_faults(DropInPhase(phase="moving", after=1, times=1))
    lab.fails(ConnectionLost)
    for ledger in Path(lab.folder.path).rglob("ledger*"):
        ledger.unlink()
    lab.phone.set_faults()
    assert lab.now().flawed == ()
