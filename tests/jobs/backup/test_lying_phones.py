"""Done means proven: a phone that says that it is done and is not makes no snapshot, and the next run mends it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import ConnectionLost, DamageFound, PhoneRefused
from ibackup.jobs.backup.finishing import Incomplete
from ibackup.jobs.proving.backup_proof import prove
from ibackup.simulator.faults import (
    DropInPhase,
    ErrorCodeAt,
    Fault,
    HostileSchema,
    LyingFile,
    NoManifestDb,
    OmittedFile,
    Phase,
)
from ibackup.simulator.hostfiles import WrittenStatusPlist
from ibackup.simulator.operations import backup_and_incremental as engine
from ibackup.simulator.operations import moving
from ibackup.simulator.operations.operation_session import Session
from support.runs import PASSWORD, SMALL, Lab, assert_is_the_phone, assert_sealed, photograph

pytestmark = pytest.mark.promise('"Done" means proven')

MakeLab = Callable[..., Lab]


def a_file(lab: Lab, domain: str = "CameraRollDomain") -> tuple[str, str]:
    entry = next(each for each in lab.phone.files.files() if each.domain == domain and each.size > 1000)
    return entry.domain, entry.path


def omitted(lab: Lab) -> Fault:
    domain, path = a_file(lab)
    return OmittedFile(domain=domain, path=path)


def no_manifest(_: Lab) -> Fault:
    return NoManifestDb()


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("lie", [omitted, no_manifest])
def test_lies_make_no_snapshot(make_lab: MakeLab, lie: Callable[[Lab], Fault], encrypted: bool) -> None:
    password = PASSWORD if encrypted else None
    lab = make_lab(replace(SMALL, backup_password=password))
    fault = lie(lab)
    lab.phone.set_faults(fault)
    error = lab.fails(DamageFound, password=password)
    assert lab.snapshots == []
    assert "the backup is complete, but it is not" in error.what
    assert "Run `ibackup now` again" in error.hint
    if isinstance(fault, OmittedFile):
        assert f"{fault.domain} {fault.path}" in error.why
    else:
        assert "Manifest.db" in error.why

    # The phone tells the truth again, and needs no help to make it good; what was set aside goes.
    lab.phone.set_faults()
    result = lab.now(password)
    assert_is_the_phone(result.path, lab.phone, password)
    assert lab.left == []

    # The same in an incremental one, where the backup before has what is missing in this one.
    before = photograph(lab.folder.snapshots_path)
    if isinstance(fault, OmittedFile):
        lab.phone.files.write(fault.domain, fault.path, b"a new version " * 500)
    lab.phone.set_faults(fault)
    lab.phone.change(added=1)
    lab.fails(DamageFound, password=password)
    assert photograph(lab.folder.snapshots_path) == before
    lab.phone.set_faults()
    assert_is_the_phone(lab.now(password).path, lab.phone, password)


def test_a_file_that_is_shorter_than_the_list_says_is_named(lab: Lab) -> None:
    """It may have changed while the phone read it: what came is kept, and nobody is told that all is well."""
    domain, path = a_file(lab)
    lab.phone.set_faults(LyingFile(domain=domain, path=path, how="short"))
    for _ in range(2):  # the phone does not send it again before it changes
        result = lab.now()
        (named,) = result.flawed
        assert (named.device_path, named.reason) == (f"{domain}/{path}", "size")
        assert "bytes stored, " in named.text
        assert lab.snapshots[-1].meta.flawed == result.flawed
        assert_sealed(result.path)
        lab.phone.set_faults()
        lab.phone.change(added=1)
    lab.phone.files.write(domain, path, b"whole again " * 100)
    result = lab.now()
    assert result.flawed == ()
    assert_is_the_phone(result.path, lab.phone)


def test_a_manifest_that_does_not_come_is_missed_without_the_password_too(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, backup_password=PASSWORD))
    lab.phone.set_faults(NoManifestDb())
    assert "Manifest.db" in lab.fails(DamageFound).why
    lab.phone.set_faults()
    lab.now()
    lab.phone.change(changed=1)
    lab.phone.set_faults(NoManifestDb())
    assert "that of the previous backup" in lab.fails(DamageFound).why
    assert len(lab.snapshots) == 1


def test_a_list_that_would_take_for_ever_makes_no_snapshot_and_does_not_block_the_next_run(lab: Lab) -> None:
    lab.phone.set_faults(HostileSchema())
    assert "Manifest.db" in str(lab.fails(DamageFound))
    assert lab.snapshots == []
    lab.phone.set_faults()
    assert_is_the_phone(lab.now().path, lab.phone)


def test_a_status_that_is_not_finished(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The phone's last word is not enough, and what it sent is kept for its next attempt."""
    store_status = moving.store_status

    def forgetful(session: Session, folder: str, status: WrittenStatusPlist) -> None:
        if status.snapshot_state != "finished":
            store_status(session, folder, status)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "store_status", forgetful)
        patch.setattr(engine.BackupOperation, "_check", lambda *_: None)
        with pytest.raises(DamageFound, match="does not say that the backup is finished") as told:
            lab.now()
    assert told.value.exit_code == 4
    assert lab.snapshots == []
    assert [left.kind for left in lab.left] == ["resumable"]
    result = lab.now()
    assert result.received_bytes < result.bytes / 2
    assert_is_the_phone(result.path, lab.phone)


@pytest.mark.parametrize("code", [1, 2, 104, 205, 666])
def test_an_error_at_the_very_end(lab: Lab, code: int) -> None:
    lab.phone.set_faults(ErrorCodeAt(where="end", code=code, text="Not today"))
    error = lab.fails(PhoneRefused)
    assert error.error_code == code
    assert f"MBErrorDomain {code}" in error.what
    assert lab.snapshots == []
    lab.phone.set_faults()
    assert_is_the_phone(lab.now().path, lab.phone)


def test_bytes_that_are_not_those_of_the_list_are_found_by_verify(lab: Lab) -> None:
    """What came is sealed as it came: no damage, and not what the phone's own list says."""
    domain, path = a_file(lab, "HomeDomain")
    lab.phone.set_faults(LyingFile(domain=domain, path=path, how="flipped"))
    lab.now()
    (snapshot,) = lab.snapshots
    assert_sealed(snapshot.path)
    verdict = prove(snapshot.backup_path, Level.DEEP, snapshot=snapshot)
    assert not verdict.good
    assert [(each.domain, each.path) for each in verdict.findings if each.is_flaw] == [(domain, path)]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "locked"])
def test_a_list_of_an_earlier_attempt_does_not_prove_what_came_later(
    make_lab: MakeLab, encrypted: bool
) -> None:
    """The first attempt broke at its very end, so that its list is in place; the second one sends none."""
    lab = make_lab(replace(SMALL, backup_password=PASSWORD if encrypted else None))
    lab.phone.set_faults(ErrorCodeAt(where="end", code=1))
    lab.fails(PhoneRefused)
    lab.phone.files.write("HomeDomain", "Library/late.db", b"came later " * 100)
    lab.phone.set_faults(NoManifestDb())
    error = lab.fails(Incomplete)
    assert "Files arrived after Manifest.db" in error.why
    assert lab.snapshots == []
    assert [left.kind for left in lab.left] == ["resumable"]
    lab.phone.set_faults()
    result = lab.now(PASSWORD if encrypted else None)
    if not encrypted:  # else the old list and its new key do not fit, and the phone sends everything
        assert result.received_bytes < result.bytes / 2
    assert_is_the_phone(result.path, lab.phone, PASSWORD if encrypted else None)


def test_list_and_keys_are_of_one_attempt(lab: Lab) -> None:
    """Manifest.plist has the key of the list that came with it, so the one of another attempt may not open it."""
    lab.phone.set_faults(ErrorCodeAt(where="end", code=1))
    lab.fails(PhoneRefused)
    lab.phone.set_faults(NoManifestDb())
    assert "are from different attempts" in lab.fails(Incomplete).why
    lab.phone.set_faults()
    assert_is_the_phone(lab.now().path, lab.phone)


@pytest.mark.parametrize("phase", ["moving", "removing"])
def test_a_phone_that_only_finishes_keeps_its_list(make_lab: MakeLab, phase: Phase) -> None:
    lab = make_lab(replace(SMALL, finishes_only=True))
    lab.phone.set_faults(DropInPhase(phase=phase, after=1, times=1))
    lab.fails(ConnectionLost)
    result = lab.now()
    assert (result.flawed, result.checked) == ((), "manifest")
    assert_is_the_phone(result.path, lab.phone)
