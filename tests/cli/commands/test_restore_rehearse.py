"""``ibackup restore`` and ``ibackup rehearse``: what they say, and with which code they end."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, PASSWORD, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.base.identities import is_name_typed
from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, UnreadableFile
from ibackup.simulator.virtual_phone import VirtualPhone
from support.runs import flip

Plug = Callable[..., list[VirtualPhone]]


def names(result: dict[str, object]) -> dict[str, str]:
    """The outcome of each check, by its name."""
    checks = result["checks"]
    assert isinstance(checks, list)
    return {check["name"]: check["outcome"] for check in checks}


def test_without_a_terminal_it_must_be_told(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    (phone,) = plugged(ANN)
    for more in ((), ("--json",)):
        done = ibackup("restore", *more)
        assert done.code == ExitCode.USAGE
        assert "--yes" in done.flat_err + done.flat
    assert not phone.journal.events("connect")


@pytest.mark.parametrize(
    ("name", "typed", "same"),
    [
        ("Ann’s phone", "ann's PHONE", True),  # noqa: RUF001
        ("Ann’s phone", "Ann", False),  # noqa: RUF001
        ("iPhone 15", "iphone15", True),
        ("\N{MOBILE PHONE}", "\N{MOBILE PHONE}", True),
        ("\N{MOBILE PHONE}", "\N{BELL}", False),
        ("Ångström", "ångström", True),
    ],
)
def test_a_name_as_anybody_can_type_it(name: str, typed: str, same: bool) -> None:
    assert is_name_typed(typed, name) is same
    assert is_name_typed(name, name)


def test_a_dry_run_looks_and_sends_nothing(ibackup: Cli, store: Path, plugged: Plug) -> None:
    (phone,) = plugged(ANN)
    done = ibackup("restore", "--dry-run")
    assert done.code == 0
    assert "The restore would work. Nothing was sent." in done.flat
    assert done.flat.count(" ok ") == 9
    assert "NOTE" in done.flat
    assert max(map(len, done.out.splitlines())) <= 80
    done = ibackup("restore", "--dry-run", "--json")
    assert done.result["dry_run"] is True
    assert set(names(done.result)) == {
        "phone", "supervised", "ios", "room", "setup", "find-my", "battery", "password", "replaced", "backup",
    }  # fmt: skip
    assert [event["name"] for event in done.events if event["event"] == "preflight"] == list(
        names(done.result)
    )
    assert "com.apple.mobilebackup2" not in phone.journal.details("start_service")


def test_a_dry_run_that_fails_says_why(ibackup: Cli, store: Path, plugged: Plug) -> None:
    plugged(replace(ANN, find_my=True))
    done = ibackup("restore", "--dry-run")
    assert done.code == ExitCode.PHONE_REFUSED
    assert "NO " in done.out
    assert "Find My" in done.flat
    assert "Switch it off" in done.flat_err
    done = ibackup("restore", "--dry-run", "--json")
    assert done.result["error_code"] == 211


def test_it_restores(ibackup: Cli, store: Path, plugged: Plug) -> None:
    (phone,) = plugged(ANN)
    done = ibackup("restore", "--yes")
    assert (done.code, done.out.split(":")[0]) == (0, "Restored Ann’s phone")  # noqa: RUF001
    assert "It now restarts" in done.flat
    assert phone.restored is not None
    oldest = snapshots(store, ANN)[0].name
    result = ibackup("restore", oldest, "--yes", "--json", "--no-reboot", "--skip-apps", "--remove").result
    assert result["snapshot"] == oldest
    assert result["source_udid"] == result["udid"] == phone.udid
    assert result["restarts"] is False
    restored = phone.restored
    assert restored.options["RemoveItemsNotRestored"] is True
    assert restored.options["RestoreShouldReboot"] is False
    assert restored.apps == ()


def test_the_options_as_they_are_given(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    (phone,) = plugged(ANN)
    assert ibackup("restore", "--yes", "--no-settings", "--no-system").code == 0
    restored = phone.restored
    assert restored is not None
    assert restored.options == {
        "RestoreSystemFiles": False,
        "RestoreShouldReboot": True,
        "RestoreDontCopyBackup": True,
        "RestorePreserveSettings": True,
        "RemoveItemsNotRestored": False,
    }


def test_an_encrypted_one(ibackup: Cli, bobs: Path, plugged: Plug, password_file: Path) -> None:
    (phone,) = plugged(BOB)
    done = ibackup("restore", "--yes")
    assert done.code == ExitCode.PASSWORD
    assert "--password-file" in done.flat_err
    assert phone.restored is None
    assert ibackup("restore", "--yes", "--password-file", password_file).code == 0
    restored = phone.restored
    assert restored is not None
    assert restored.options["Password"] == PASSWORD


def test_another_phones_is_never_taken_by_chance(
    ibackup: Cli, store: Path, plugged: Plug, password_file: Path
) -> None:
    new = replace(ANN, seed=5, udid="", name="New phone", ios_version="26.1")
    (phone,) = plugged(new)
    done = ibackup("restore", "--yes")
    assert done.code == ExitCode.USAGE
    assert f"--from {ANN.udid}" in done.flat_err or f"--from {BOB.udid}" in done.flat_err
    assert phone.restored is None
    done = ibackup("restore", "--yes", "--from", ANN.udid)
    assert done.code == 0
    assert "ANOTHER phone" in done.flat_err
    restored = phone.restored
    assert restored is not None
    assert restored.source == ANN.udid
    (ann,) = plugged(ANN)
    bobs = snapshots(store, BOB)[0].name
    done = ibackup("restore", bobs, "--yes")
    assert done.code == ExitCode.USAGE
    assert f"--from {BOB.udid}" in done.flat_err
    assert ann.restored is None


def test_phone_names_the_target(ibackup: Cli, store: Path, plugged: Plug) -> None:
    ann, bob = plugged(ANN, replace(BOB, backup_password=None))
    assert ibackup("restore", "--yes").code == ExitCode.USAGE
    assert ibackup("restore", "--yes", "--from", ANN.udid, "--phone", BOB.udid).code == 0
    assert (ann.restored, bob.restored is not None) == (None, True)


def test_a_folder(ibackup: Cli, anns: Path, plugged: Plug, tmp_path: Path) -> None:
    (phone,) = plugged(ANN)
    shutil.copytree(snapshots(anns, ANN)[0] / ANN.udid, tmp_path / "theirs")
    shutil.rmtree(anns)
    done = ibackup("restore", tmp_path / "theirs", "--yes", "--json")
    assert done.code == 0
    assert done.result["snapshot"] is None
    assert phone.restored is not None


@pytest.mark.parametrize("argument", ["19990101T000000Z", "nothing-there", "/nonexistent/backup"])
def test_what_is_not_there(ibackup: Cli, anns: Path, plugged: Plug, argument: str) -> None:
    plugged(ANN)
    done = ibackup("restore", argument, "--yes", "--json")
    assert done.code == ExitCode.USAGE
    assert done.result["hint"]


def test_no_phone(ibackup: Cli, anns: Path) -> None:
    assert ibackup("restore", "--yes").code == ExitCode.NO_PHONE


def test_a_damaged_one(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    (phone,) = plugged(ANN)
    flip(next(path for path in snapshots(anns, ANN)[-1].glob("*/??/*") if path.stat().st_size > 3000))
    done = ibackup("restore", "--yes")
    assert done.code == ExitCode.DAMAGE
    assert "--skip-verify" in done.flat_err
    assert phone.restored is None
    done = ibackup("restore", "--yes", "--skip-verify")
    assert done.code == ExitCode.DAMAGE, "never a silent success"


def test_it_breaks_off(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    (phone,) = plugged(replace(ANN, batch_size=4))
    phone.set_faults(DropInPhase(phase="restoring", after=1))
    done = ibackup("restore", "--yes")
    assert done.code == ExitCode.CONNECTION_LOST
    assert "half restored" in done.flat_err
    assert "kept" not in done.flat_err
    phone.set_faults(ErrorCodeAt(where="start", code=205))
    result = ibackup("restore", "--yes", "--json").result
    assert (result["exit_code"], result["error_code"]) == (12, 205)


# -- rehearsals -----------------------------------------------------------------------------------------------


def test_a_rehearsal(ibackup: Cli, anns: Path) -> None:
    done = ibackup("rehearse")
    assert done.code == 0
    assert done.out.startswith("Restorable, proven 2")
    assert "sealed" in done.flat
    assert max(map(len, done.out.splitlines())) <= 80
    assert "restorable, tested" in ibackup("list").flat
    assert "rehearsed" in ibackup("show").flat
    result = ibackup("rehearse", "--json").result
    assert (result["status"], result["sealed"]) == ("restorable", True)
    assert ibackup("show", "--json").result["proofs"]


def test_a_rehearsal_that_fails(ibackup: Cli, anns: Path) -> None:
    flip(next(path for path in snapshots(anns, ANN)[-1].glob("*/??/*") if path.stat().st_size > 3000))
    done = ibackup("rehearse")
    assert done.code == ExitCode.DAMAGE
    assert done.out.startswith("NOT RESTORABLE:")
    assert "NOT RESTORABLE" in ibackup("show").flat
    assert "DAMAGED" in ibackup("list").flat
    result = ibackup("rehearse", "--json").result
    assert result["status"] == "damaged"
    assert result["message"]


def test_a_rehearsal_of_an_encrypted_one(ibackup: Cli, bobs: Path, password_file: Path) -> None:
    assert ibackup("rehearse").code == ExitCode.PASSWORD
    assert ibackup("rehearse", "--password-file", password_file).code == 0


def test_a_rehearsal_of_what_the_phone_could_not_read(ibackup: Cli, plugged: Plug, tmp_path: Path) -> None:
    """Another backup alone would carry the same file forward: the phone sends it again only with --full."""
    victim = next(
        each for each in VirtualPhone(ANN).files.files() if each.domain == "CameraRollDomain" and each.size
    )
    plugged(replace(ANN, faults=(UnreadableFile(domain=victim.domain, path=victim.path),)))
    assert ibackup("now", "--store", tmp_path / "new").code == ExitCode.FLAWED
    done = ibackup("rehearse", "--store", tmp_path / "new")
    assert done.code == ExitCode.FLAWED
    assert "run `ibackup now --full`" in done.flat
