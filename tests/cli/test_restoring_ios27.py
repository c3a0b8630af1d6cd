"""``ibackup restore`` on iOS 27, where restores are reported to erase phones: nobody may lose one by ours."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli, Ran, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.freshness import Known
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof
from ibackup.store.store import Store

Plug = Callable[..., list[VirtualPhone]]
NEW = replace(ANN, ios_version="27.0")
UNTOLD = replace(ANN, lockdown={("", "ProductVersion"): None})
APP = ["--app", "org.example.notes"]
ERASING = pytest.mark.parametrize(
    "spec", [NEW, replace(ANN, ios_version="28.1.2"), UNTOLD], ids=["27", "28", "untold"]
)
BEFORE = pytest.mark.parametrize("version", ["18.6.2", "26.6", "26.10.1"])


def folder_of(store: Path, spec: PhoneSpec = ANN) -> PhoneFolder:
    return Store.open(str(store)).phone(spec.udid)


def pinned(store: Path) -> dict[str, str]:
    folder = folder_of(store)
    return {
        each.id: folder.proofs(each.id).pin_note
        for each in folder.snapshots()
        if folder.proofs(each.id).pinned
    }


def assert_untouched(phone: VirtualPhone) -> None:
    assert phone.restored is None
    assert "com.apple.mobilebackup2" not in phone.journal.details("start_service")


def assert_refused(done: Ran) -> None:
    assert done.code == ExitCode.PHONE_REFUSED, done
    assert "may ERASE what is on it" in done.flat_err
    assert "--may-erase" in done.flat_err


@ERASING
def test_single_apps_are_refused(ibackup: Cli, anns: Path, plugged: Plug, spec: PhoneSpec) -> None:
    (phone,) = plugged(spec)
    done = ibackup("restore", "--yes", *APP)
    assert_refused(done)
    assert "ibackup extract" in done.flat_err
    assert_untouched(phone)


@ERASING
def test_single_apps_where_someone_insists(ibackup: Cli, anns: Path, plugged: Plug, spec: PhoneSpec) -> None:
    (phone,) = plugged(spec)
    done = ibackup("restore", "--yes", "--may-erase", *APP)
    assert done.code == ExitCode.OK, done
    assert "may ERASE" in done.flat_err
    assert "unproven" in done.flat_err
    assert phone.restored is not None
    assert phone.restored.only == ("org.example.notes",)


@BEFORE
def test_single_apps_elsewhere_are_marked_as_unproven(
    ibackup: Cli, anns: Path, plugged: Plug, version: str
) -> None:
    (phone,) = plugged(replace(ANN, ios_version=version))
    done = ibackup("restore", "--yes", *APP)
    assert done.code == ExitCode.OK, done
    assert "unproven" in done.flat_err
    assert "ERASE" not in done.flat_err
    assert phone.restored is not None
    assert not pinned(anns)


@BEFORE
def test_before_ios_27_nothing_more_is_wanted(
    ibackup: Cli, anns: Path, plugged: Plug, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(monkeypatch, timedelta(days=40))
    (phone,) = plugged(replace(ANN, ios_version=version))
    done = ibackup("restore", "--yes")
    assert done.code == ExitCode.OK, done
    assert "ERASE" not in done.flat_err
    assert phone.restored is not None
    assert not pinned(anns)


def age(monkeypatch: pytest.MonkeyPatch, age: timedelta) -> None:
    """Every snapshot is so old."""
    monkeypatch.setattr(Known, "made", property(lambda _: datetime.now(UTC) - age))


@ERASING
def test_with_a_fresh_backup_it_warns_and_pins(
    ibackup: Cli, anns: Path, plugged: Plug, spec: PhoneSpec
) -> None:
    (phone,) = plugged(spec)
    oldest, newest = snapshots(anns, ANN)
    done = ibackup("restore", oldest.name, "--yes")
    assert done.code == ExitCode.OK, done
    assert "may ERASE what is on it" in done.flat_err
    assert phone.restored is not None
    assert list(pinned(anns)) == [oldest.name]
    assert f"ibackup pin {oldest.name} --remove" in done.flat_err
    # What the backup before the next restore would have pruned is still there.
    done = ibackup("prune", "--keep-last", "1", "--yes")
    assert done.code == ExitCode.OK
    assert {each.name for each in snapshots(anns, ANN)} == {oldest.name, newest.name}


@pytest.mark.parametrize(("old", "refused"), [(timedelta(hours=23), False), (timedelta(hours=25), True)])
def test_a_backup_that_is_younger_than_a_day(
    ibackup: Cli, anns: Path, plugged: Plug, monkeypatch: pytest.MonkeyPatch, old: timedelta, refused: bool
) -> None:
    age(monkeypatch, old)
    (phone,) = plugged(NEW)
    oldest, _ = snapshots(anns, ANN)
    done = ibackup("restore", oldest.name, "--yes")
    # It is pinned first: the backup that is wanted now must not have it pruned.
    assert list(pinned(anns)) == [oldest.name]
    assert pinned(anns)[oldest.name].startswith("chosen for a restore on ")
    if not refused:
        assert done.code == ExitCode.OK, done
        return
    assert_refused(done)
    assert "ibackup now" in done.flat_err
    assert_untouched(phone)
    assert ibackup("restore", oldest.name, "--yes", "--may-erase").code == ExitCode.OK
    assert phone.restored is not None


def test_a_backup_that_is_damaged_does_not_count(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    (phone,) = plugged(NEW)
    folder = folder_of(anns)
    oldest, newest = folder.snapshots()
    for each in (oldest, newest):
        folder.add_proof(each.id, Proof("full", datetime.now(UTC), "damaged"))
    assert_refused(ibackup("restore", oldest.id, "--yes", "--skip-verify"))
    assert_untouched(phone)


def test_another_phones_backup_does_not_count(
    ibackup: Cli, store: Path, plugged: Plug, password_file: Path
) -> None:
    """The snapshot is fresh, and of the phone that it comes from; what is on the other one is nowhere."""
    (phone,) = plugged(replace(NEW, seed=77, udid="", name="New"))
    arguments = ["restore", "--from", BOB.udid, "--yes", "--password-file", password_file]
    done = ibackup(*arguments)
    assert_refused(done)
    assert "There is no backup of it here" in done.flat_err
    assert_untouched(phone)
    assert ibackup(*arguments, "--may-erase").code == ExitCode.OK
    assert phone.restored is not None


def test_a_dry_run_pins_nothing(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    plugged(NEW)
    done = ibackup("restore", "--dry-run", "--json")
    assert done.code == ExitCode.OK
    (check,) = (each for each in done.result["checks"] if each["name"] == "erasing")  # type: ignore[attr-defined]
    assert check["outcome"] == "warning"
    assert not pinned(anns)


def test_a_note_of_ones_own_stays(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    plugged(NEW)
    _, newest = snapshots(anns, ANN)
    assert ibackup("pin", newest.name, "--note", "before the move").code == ExitCode.OK
    assert ibackup("restore", "--yes").code == ExitCode.OK
    assert pinned(anns) == {newest.name: "before the move"}


def test_a_folder_of_another_program(ibackup: Cli, anns: Path, plugged: Plug, tmp_path: Path) -> None:
    """What the store has of the phone counts there, too; a store that is not there has nothing."""
    (phone,) = plugged(NEW)
    assert ibackup("to-finder", "latest", "--to", tmp_path / "finder").code == ExitCode.OK
    (folder,) = (tmp_path / "finder").iterdir()
    assert_refused(ibackup("restore", folder, "--yes", "--store", tmp_path / "nowhere"))
    assert_untouched(phone)
    assert ibackup("restore", folder, "--yes").code == ExitCode.OK
    assert phone.restored is not None
