"""What a phone sends wrong every time: named and kept at the latest the second time, or there would be no backup."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.apple.reasons import Reason
from ibackup.apple.verify.findings import FindingKind, Level, Severity
from ibackup.base.errors import DamageFound
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.keeping.importing import ImportRequest, adopt
from ibackup.jobs.proving.backup_proof import ProofVerdict, prove
from ibackup.jobs.restore.rehearsal import rehearse
from ibackup.simulator.content import PhoneFile
from ibackup.simulator.faults import HostileSchema, OmittedFile
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from support.runs import PASSWORD, SMALL, Lab, assert_is_the_phone, assert_sealed

MakeLab = Callable[..., Lab]
BOTH = pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
pytestmark = pytest.mark.promise('"Done" means proven')


def photos(lab: Lab) -> list[PhoneFile]:
    return [each for each in lab.phone.files.files() if each.domain == "CameraRollDomain" and each.size]


def left_out(*files: PhoneFile) -> list[OmittedFile]:
    return [OmittedFile(domain=each.domain, path=each.path) for each in files]


def blob(entry: PhoneFile) -> str:
    return f"{entry.file_id[:2]}/{entry.file_id}"


def proven(lab: Lab, level: Level, password: str | None) -> ProofVerdict:
    snapshot = lab.snapshots[-1]
    return prove(snapshot.backup_path, level, snapshot=snapshot, unlocker=Unlocker(lambda _: password))


def bad_entry(entry: PhoneFile, change: str) -> HostileSchema:
    return HostileSchema(sql=f"UPDATE Files SET {change} WHERE fileID = '{entry.file_id}'")


@BOTH
def test_a_file_that_never_comes(make_lab: MakeLab, password: str | None) -> None:
    """The first time it may come yet, so nothing is kept; the second time all the rest is."""
    lab = make_lab(replace(SMALL, backup_password=password))
    entry = photos(lab)[0]
    lab.phone.set_faults(*left_out(entry))
    lab.fails(DamageFound, password=password)
    assert lab.snapshots == []
    expected = [(f"{entry.domain}/{entry.path}", blob(entry), Reason.ABSENT)]
    for given in (password, password, None):  # known from then on, without the password, too
        result = lab.now(given)
        assert [(each.device_path, each.path, each.reason) for each in result.flawed] == expected
        assert_sealed(result.path)
        lab.phone.change(added=1)
    for level in Level:
        verdict = proven(lab, level, password)
        assert (verdict.status, verdict.summary.damage, verdict.summary.flaws) == ("flawed", 0, 1)
        assert verdict.findings[0].kind is FindingKind.MISSING
    snapshot = lab.snapshots[-1]
    outcome = rehearse(BackupSource(snapshot.backup_path, snapshot), Unlocker(lambda _: password))
    assert outcome.result == "flawed"
    lab.phone.set_faults()
    lab.phone.files.write(entry.domain, entry.path, b"here it is")
    result = lab.now(password)
    assert result.flawed == ()
    assert_is_the_phone(result.path, lab.phone, password)


def test_a_backup_that_lacks_a_file_costs_no_full_ones(lab: Lab) -> None:
    """Phones take it for corrupt and send everything, so that the next ones build on the last that is whole."""
    first = lab.now()
    entry = photos(lab)[0]
    lab.phone.files.write(entry.domain, "Media/never.jpg", b"never comes" * 100)
    never = next(each for each in lab.phone.files.files() if each.path == "Media/never.jpg")
    lab.phone.set_faults(*left_out(never))
    lab.fails(DamageFound)
    for _ in range(3):  # no night fails again for what is known
        result = lab.now()
        assert [each.reason for each in result.flawed] == [Reason.ABSENT]
        assert (result.full, result.carried_files > 0) == (False, True)
        lab.phone.change(added=1)
    assert any(
        f"lacks files that the {lab.phone.spec.device_class} never sent" in each for each in lab.told.notes
    )
    assert first.snapshot in {each.id for each in lab.snapshots}
    lab.phone.set_faults()
    result = lab.now()
    assert (result.flawed, result.full) == ((), False)
    assert_is_the_phone(result.path, lab.phone)


def test_a_phone_that_leaves_out_most_files_makes_no_backup(lab: Lab) -> None:
    lab.phone.set_faults(*left_out(*lab.phone.files.files()))
    for _ in range(3):
        lab.fails(DamageFound)
    assert lab.snapshots == []


def test_a_file_that_this_computer_lost_is_not_the_phones_fault(lab: Lab) -> None:
    """The phone has it, and sends it when everything is asked for."""
    lab.now()
    first, second = photos(lab)[:2]
    for _ in range(2):
        lab.phone.set_faults()
        lost = Path(lab.snapshots[-1].backup_path, blob(first))
        if lost.exists():
            os.chmod(lost.parent, 0o700)
            lost.unlink()
        lab.phone.set_faults(*left_out(first, second))
        error = lab.fails(DamageFound)
        assert f"{first.domain} {first.path}: missing" in error.why
        assert "`ibackup now --full`" in error.hint
    assert len(lab.snapshots) == 1
    lab.phone.set_faults()
    result = lab.now(full=True)
    assert result.flawed == ()
    assert_is_the_phone(result.path, lab.phone)


@BOTH
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("file = X'00'", FindingKind.RECORD_UNREADABLE),
        ("file = NULL", FindingKind.ROW_UNUSABLE),
        ("flags = 3", FindingKind.ROW_UNUSABLE),
        ("relativePath = relativePath || 'x'", FindingKind.WRONG_FILE_ID),
    ],
)
def test_an_entry_that_cannot_be_read(
    make_lab: MakeLab, password: str | None, change: str, kind: FindingKind
) -> None:
    """Its file is here, and so are all others: nothing of that is thrown away."""
    lab = make_lab(replace(SMALL, backup_password=password))
    entry = photos(lab)[0]
    for _ in range(2):
        lab.phone.set_faults(bad_entry(entry, change))
        result = lab.now(password)
        (flawed,) = result.flawed
        assert flawed.reason is Reason.RECORD
        assert flawed.device_path.startswith(f"{entry.domain}/{entry.path}")
        assert_sealed(result.path)
        assert Path(lab.snapshots[-1].backup_path, blob(entry)).exists()
        lab.phone.change(added=1)
    for level in Level:
        verdict = proven(lab, level, password)
        found = [each for each in verdict.findings if each.severity is not Severity.NOTE]
        assert verdict.status == "flawed", verdict.findings
        assert kind in [each.kind for each in found]
    snapshot = lab.snapshots[-1]
    outcome = rehearse(BackupSource(snapshot.backup_path, snapshot), Unlocker(lambda _: password))
    assert outcome.result == "flawed"
    lab.phone.set_faults()
    result = lab.now(password)
    assert result.flawed == ()
    assert_is_the_phone(result.path, lab.phone, password)


@pytest.mark.promise("Any later change is found")
@pytest.mark.parametrize("change", ["file = X'00'", "file = NULL", "relativePath = 'other'"])
def test_the_file_of_such_an_entry_is_compared_with_the_seal(lab: Lab, change: str) -> None:
    entry = photos(lab)[0]
    lab.phone.set_faults(bad_entry(entry, change))
    lab.now()
    file = Path(lab.snapshots[-1].backup_path, blob(entry))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    verdict = proven(lab, Level.FULL, None)
    assert [each.file for each in verdict.findings if each.is_damage] == [blob(entry)]


def test_an_entry_that_becomes_unreadable_later_is_damage(lab: Lab) -> None:
    """Only what was known when the backup was made counts as sent so."""
    import sqlite3

    entry = photos(lab)[0]
    lab.now()
    path = Path(lab.snapshots[-1].backup_path, "Manifest.db")
    os.chmod(path, 0o600)
    os.chmod(path.parent, 0o700)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE Files SET file = X'00' WHERE fileID = ?", (entry.file_id,))
    db.close()
    assert proven(lab, Level.QUICK, None).status == "damaged"


def test_a_copied_snapshot_keeps_what_is_known_of_such_files(lab: Lab, tmp_path: Path) -> None:
    entry, other = photos(lab)[:2]
    lab.phone.set_faults(*left_out(entry), bad_entry(other, "file = X'00'"))
    lab.fails(DamageFound)
    flawed = lab.now().flawed
    assert {each.reason for each in flawed} == {Reason.ABSENT, Reason.RECORD}
    for level in (Level.QUICK, Level.FULL):
        store = Store.open(tmp_path / level, create=True)
        request = ImportRequest(
            store, lab.snapshots[-1].path, Unlocker(lambda _: None), level=level, settled=True
        )
        assert set(adopt(request).snapshot.meta.flawed) == set(flawed)
