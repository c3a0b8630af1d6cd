"""Any later change is found and named, and the next run does not inherit it in silence."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import ConnectionLost, IbackupError
from ibackup.jobs.proving.backup_proof import ProofVerdict, prove
from ibackup.simulator.faults import DropInPhase
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.work.cloning import Clone
from ibackup.vault.unlocker import Unlocker
from support.runs import PASSWORD, SMALL, Lab, assert_is_the_phone, assert_sealed, blob, flip

pytestmark = pytest.mark.promise("Any later change is found")

MakeLab = Callable[..., Lab]

IN_BACKUP = ["CameraRollDomain", "HomeDomain", "Info.plist", "Status.plist", "Manifest.plist", "Manifest.db"]
BESIDE = ["SHA256SUMS", "snapshot.json"]


def damage(lab: Lab, what: str, *, later: bool = True) -> str:
    """Flip one bit of a file of the newest snapshot; the words by which verify has to name it."""
    snapshot = Path(lab.snapshots[-1].path)
    if what.endswith("Domain"):
        file, path = blob(snapshot, lab.phone, what)
        flip(file, later=later)
        return f"{what} {path}"
    flip(snapshot / what if what in BESIDE else snapshot / lab.phone.udid / what, later=later)
    return what


def proven(snapshot: Snapshot, level: Level = Level.FULL) -> ProofVerdict:
    return prove(snapshot.backup_path, level, snapshot=snapshot)


def named(verdict: ProofVerdict) -> list[str]:
    return [
        f"{each.domain} {each.path}" if each.domain else each.file
        for each in verdict.findings
        if each.is_damage
    ]


@pytest.mark.parametrize("what", IN_BACKUP)
def test_verify_names_one_flipped_bit(backed_up: Lab, what: str) -> None:
    (snapshot,) = backed_up.snapshots
    name = damage(backed_up, what, later=False)
    assert set(named(proven(snapshot))) == {name}


def test_verify_names_every_bit_of_a_plist(backed_up: Lab) -> None:
    """One after the other, all bytes of the shortest file: none is without its checksum."""
    (snapshot,) = backed_up.snapshots
    file = Path(snapshot.backup_path) / "Status.plist"
    for place in range(file.stat().st_size):
        flip(file, place, later=False)
        assert set(named(proven(snapshot))) == {"Status.plist"}, place
        flip(file, place, later=False)
    assert proven(snapshot).good


def test_a_damaged_seal_is_named(backed_up: Lab) -> None:
    (snapshot,) = backed_up.snapshots
    seal = Path(snapshot.seal_path)
    for place in range(0, seal.stat().st_size, 97):
        flip(seal, place, later=False)
        verdict = proven(snapshot)
        assert not verdict.good, place
        assert "seal-damaged" in [each.kind.value for each in verdict.findings], place
        flip(seal, place, later=False)


def test_a_damaged_record_is_named(backed_up: Lab) -> None:
    (snapshot,) = backed_up.snapshots
    record = Path(snapshot.path) / "snapshot.json"
    for place in range(record.stat().st_size):
        flip(record, place, later=False)
        (broken,) = backed_up.folder.broken()
        assert "snapshot.json" in broken.error.what, place
        flip(record, place, later=False)
    assert backed_up.folder.broken() == []


def test_the_seal_of_a_locked_backup_names_the_file_id(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, backup_password=PASSWORD))
    lab.now(PASSWORD)
    (snapshot,) = lab.snapshots
    file, path = blob(snapshot.path, lab.phone, "CameraRollDomain")
    flip(file)
    (finding,) = [each for each in proven(snapshot).findings if each.is_damage]
    assert (finding.domain, finding.path, finding.file_id) == ("", "", file.name)
    unlocked = prove(
        snapshot.backup_path, Level.FULL, snapshot=snapshot, unlocker=Unlocker(lambda _: PASSWORD)
    )
    assert named(unlocked) == [f"CameraRollDomain {path}"]


@pytest.mark.parametrize("seen", [True, False], ids=["verify-saw-it", "only-its-time-tells"])
@pytest.mark.parametrize("what", IN_BACKUP + BESIDE)
def test_damage_is_not_inherited(backed_up: Lab, what: str, seen: bool) -> None:
    phone = backed_up.phone
    damaged = backed_up.snapshots[0]
    damage(backed_up, what, later=not seen)
    if seen and what not in BESIDE:
        assert not proven(damaged).good
    phone.change(added=1)
    result = backed_up.now()
    assert_is_the_phone(result.path, phone)
    assert_sealed(result.path)
    fresh = backed_up.snapshots[-1]
    assert fresh.id == result.snapshot != damaged.id
    assert proven(fresh, Level.DEEP).good
    assert any(
        "amaged" in caution or "sent again" in caution or "send it again" in caution
        for caution in backed_up.told.cautions
    ), backed_up.told.cautions


def test_a_missing_and_a_longer_file_are_not_inherited(backed_up: Lab) -> None:
    (snapshot,) = backed_up.snapshots
    gone, _ = blob(snapshot.path, backed_up.phone, "HomeDomain", 0)
    longer, _ = blob(snapshot.path, backed_up.phone, "HomeDomain", 1)
    gone.unlink()
    moment = longer.stat()
    longer.chmod(0o600)
    with longer.open("ab") as file:
        file.write(b"!")
    os.utime(longer, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    result = backed_up.now()
    assert_is_the_phone(result.path, backed_up.phone)
    assert_sealed(result.path)
    assert len([text for text in backed_up.told.cautions if "sen" in text]) >= 2
    # The phone finds its backup corrupt and starts from nothing: not "usually a few minutes".
    assert result.full
    assert any("Everything is sent" in note for note in backed_up.told.notes), backed_up.told.notes


@pytest.mark.parametrize("seen", [True, False], ids=["verify-saw-it", "only-its-time-tells"])
def test_a_broken_run_does_not_bring_damage_along(backed_up: Lab, seen: bool) -> None:
    """The working copy of a broken run shares files with the snapshot that is damaged while it waits."""
    phone = backed_up.phone
    phone.change(added=6)
    phone.set_faults(DropInPhase(phase="uploading", after=2))
    backed_up.fails(ConnectionLost)
    phone.set_faults()
    damage(backed_up, "CameraRollDomain", later=not seen)
    if seen:
        assert not proven(backed_up.snapshots[0]).good
    result = backed_up.now()
    assert_sealed(result.path)
    assert_is_the_phone(result.path, phone)
    assert any("damaged" in caution for caution in backed_up.told.cautions), backed_up.told.cautions


def test_an_older_good_snapshot_serves_when_the_newest_is_damaged(backed_up: Lab) -> None:
    first = backed_up.snapshots[0]
    backed_up.phone.change(added=1)
    backed_up.now()
    damage(backed_up, "Manifest.db")
    assert not proven(backed_up.snapshots[-1]).good
    result = backed_up.now()
    assert f"Starting from backup {first.id}." in [
        getattr(event, "text", "") for event in backed_up.told.events
    ]
    assert not result.full
    assert_is_the_phone(result.path, backed_up.phone)


def test_where_a_damaged_file_is_still_whole(backed_up: Lab) -> None:
    backed_up.phone.change(added=1)
    backed_up.now(full=True)
    damage(backed_up, "CameraRollDomain")
    verdict = proven(backed_up.snapshots[-1])
    assert set(verdict.intact_in.values()) == {backed_up.snapshots[0].id}


def test_no_snapshot_is_left_to_start_from(backed_up: Lab) -> None:
    damage(backed_up, "SHA256SUMS")
    assert backed_up.now().full
    with pytest.raises(IbackupError, match="SHA256SUMS"):
        backed_up.snapshots[0].verify_seal_file()


def test_a_file_that_vanishes_while_the_phone_is_asked_is_sent_again(
    backed_up: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when the run looked, and listed to the phone, which would take it for sent."""
    (snapshot,) = backed_up.snapshots
    file, _ = blob(Path(snapshot.path), backed_up.phone, "CameraRollDomain")
    carry = Clone.carry

    def late(clone: Clone) -> None:
        file.unlink(missing_ok=True)
        carry(clone)

    monkeypatch.setattr(Clone, "carry", late)
    backed_up.now()
    assert any("changed while this backup started from it" in caution for caution in backed_up.told.cautions)
    second = backed_up.snapshots[-1]
    assert second.id != snapshot.id
    assert_sealed(second.path)
    assert_is_the_phone(second.path, backed_up.phone)
    assert backed_up.left == []
