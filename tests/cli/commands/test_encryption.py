"""``ibackup encryption`` and ``ibackup icloud``: what is asked, told, kept, and with which code it ends."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, PASSWORD, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.device.backup2.settings_session import SettingsSession
from ibackup.simulator.cloudspec import ICloudSpec
from ibackup.simulator.faults import ErrorCodeAt, SilentAfterBytes
from ibackup.simulator.spec import Passcode, Trust
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.store import Store
from support.keyrings import FileKeyring

Plug = Callable[..., list[VirtualPhone]]
NEW = "Hafenmole Distel 31"


@pytest.fixture
def new_file(tmp_path: Path) -> Path:
    """A file with a new password."""
    path = tmp_path / "new"
    path.write_text(NEW + "\n")
    path.chmod(0o600)
    return path


def test_a_phone_that_waits_for_someone_is_not_said_to_be_away(
    ibackup: Cli, anns: Path, plugged: Plug, tmp_path: Path
) -> None:
    plugged(replace(ANN, trust=Trust(kind="pending")))
    known = ibackup("encryption", "status", "--patience", "0")
    assert known.code == 0
    assert "The phone could not be read." in known.flat_err
    assert "not connected" not in known.flat
    unknown = ibackup("encryption", "status", "--patience", "0", "--store", tmp_path / "none")
    assert unknown.code == ExitCode.PERSON_NEEDED
    assert "Tap Trust" in unknown.flat_err


def test_a_store_of_a_newer_version_is_not_taken_for_none(
    ibackup: Cli, anns: Path, plugged: Plug, new_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (phone,) = plugged(ANN)
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "other"))  # nobody has used it here
    (anns / "store.json").write_text('{"schema": 99, "id": "x"}')
    for line in (("status",), ("on", "--new-password-file", new_file)):
        assert ibackup("encryption", *line).code == ExitCode.STORE_MISSING
    assert "ChangePassword" not in phone.journal.details("request")


def test_status_of_one_that_is_not_encrypted(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    plugged(ANN)
    done = ibackup("encryption", "status")
    assert done.code == 0
    assert "its backups are not encrypted" in done.flat
    assert "`ibackup encryption on`" in done.flat
    result = ibackup("encryption", "status", "--json").result
    assert (result["encrypted"], result["snapshot_encrypted"], result["password_opens"]) == (
        False,
        False,
        None,
    )


def test_status_with_the_right_and_a_wrong_password(
    ibackup: Cli, bobs: Path, plugged: Plug, password_file: Path, new_file: Path
) -> None:
    plugged(BOB)
    done = ibackup("encryption", "status", "--password-file", password_file)
    assert done.code == 0
    assert "the password you gave opens it" in done.flat
    assert "Reset All Settings" not in done.flat
    done = ibackup("encryption", "status", "--password-file", new_file)
    assert done.code == ExitCode.PASSWORD
    assert "DOES NOT OPEN IT" in done.flat
    for said in ("Transfer or Reset iPad", "Reset All Settings", "not Apple either", "Wi-Fi"):
        assert said in done.flat
    assert (
        ibackup("encryption", "status", "--password-file", new_file, "--json").result["password_opens"]
        is False
    )


def test_status_without_the_phone(ibackup: Cli, bobs: Path, password_file: Path) -> None:
    result = ibackup("encryption", "status", "--password-file", password_file, "--json").result
    assert (result["connected"], result["encrypted"], result["password_opens"]) == (False, None, True)


def test_status_of_nothing(ibackup: Cli, tmp_path: Path) -> None:
    assert ibackup("encryption", "status", "--store", tmp_path / "none").code == ExitCode.NO_PHONE
    assert not (tmp_path / "none").exists()


def test_on_says_first_what_it_means(ibackup: Cli, anns: Path, plugged: Plug, new_file: Path) -> None:
    (phone,) = plugged(replace(ANN, passcode=Passcode(kind="answered", delay_s=0.05)))
    done = ibackup("encryption", "on", "--new-password-file", new_file)
    assert done.code == 0
    assert phone.backup_password == NEW
    first = done.flat_err.index("nobody can open the backups made from now on")
    assert first < done.flat_err.index("Asking the iPhone.") < done.flat_err.index("own passcode")
    assert "2 older snapshots are not encrypted" in done.flat
    assert "sent in full" in done.flat
    assert "recovery-sheet" in done.flat
    assert NEW not in done.out + done.err


def test_on_a_second_time_gives_the_way_out(ibackup: Cli, bobs: Path, plugged: Plug, new_file: Path) -> None:
    (phone,) = plugged(BOB)
    done = ibackup("encryption", "on", "--new-password-file", new_file, "--json")
    assert done.code == ExitCode.USAGE
    assert "encrypted already" in str(done.result["message"])
    assert "Reset All Settings" in str(done.result["hint"])
    assert phone.backup_password == PASSWORD
    assert "ChangePassword" not in phone.journal.details("request")


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("123456", "only digits"),
        ("kurz", "shorter than 10"),
        ("aaaaaaaaaaaa", "few different characters"),
        ("my iphone password", "try first"),
        ("Sieben Raben fliegen ", "invisible on paper"),
        ("Grüße an Zoë 99", "accented"),
    ],
)
def test_a_weak_one_is_pointed_out(
    ibackup: Cli, plugged: Plug, tmp_path: Path, password: str, said: str
) -> None:
    (phone,) = plugged(ANN)
    path = tmp_path / "weak"
    path.write_text(password + "\n", "utf-8")
    path.chmod(0o600)
    done = ibackup("encryption", "on", "--new-password-file", path)
    assert done.code == 0
    assert "This is a weak password." in done.flat_err
    assert said in done.flat_err
    assert password.strip() not in done.out + done.err
    assert phone.backup_password == password


def test_an_empty_one_is_refused(ibackup: Cli, plugged: Plug, tmp_path: Path) -> None:
    (phone,) = plugged(ANN)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)
    assert ibackup("encryption", "on", "--new-password-file", tmp_path / "empty").code == ExitCode.PASSWORD
    assert phone.backup_password is None


def test_nobody_is_asked(ibackup: Cli, bobs: Path, plugged: Plug, password_file: Path) -> None:
    ann, bob = plugged(ANN, BOB)
    for line, option in (
        (("encryption", "on", "--phone", ANN.udid), "--new-password-file"),
        (("encryption", "off", "--phone", BOB.udid), "--yes"),
        (
            ("encryption", "change", "--phone", BOB.udid, "--password-file", password_file),
            "--new-password-file",
        ),
        (("icloud", "on", "--phone", ANN.udid), "--yes"),
        (("icloud", "off", "--phone", ANN.udid), "--yes"),
    ):
        for more in ((), ("--json",)):
            done = ibackup(*line, *more)
            assert done.code == ExitCode.USAGE
            assert option in done.out + done.err
    assert ibackup("encryption", "change", "--phone", BOB.udid, "--json").code == ExitCode.PASSWORD
    assert (ann.backup_password, bob.backup_password) == (None, PASSWORD)
    assert ibackup("encryption", "on", "--phone", ANN.udid, "--keychain").code == ExitCode.USAGE


def test_off(ibackup: Cli, bobs: Path, plugged: Plug, password_file: Path, new_file: Path) -> None:
    (phone,) = plugged(BOB)
    assert ibackup("encryption", "off", "--yes", "--password-file", new_file).code == ExitCode.PASSWORD
    assert phone.backup_password == PASSWORD
    done = ibackup("encryption", "off", "--yes", "--password-file", password_file)
    assert done.code == 0
    assert phone.backup_password is None
    assert "1 older snapshot keeps the password" in done.flat
    done = ibackup("encryption", "off", "--yes", "--password-file", password_file)
    assert done.code == 0
    assert "nothing was changed" in done.flat
    result = ibackup("encryption", "off", "--yes", "--json").result
    assert (result["changed"], result["encrypted"]) == (False, False)


def test_a_profile_that_demands_it(ibackup: Cli, plugged: Plug, password_file: Path) -> None:
    (phone,) = plugged(replace(BOB, requires_encryption=True))
    done = ibackup("encryption", "off", "--yes", "--password-file", password_file)
    assert done.code == ExitCode.PHONE_REFUSED
    assert "A profile on the iPad" in done.flat_err
    assert "ChangePassword" not in phone.journal.details("request")
    assert ibackup("encryption", "status", "--json").result["required_by_profile"] is True


def test_change(ibackup: Cli, bobs: Path, plugged: Plug, password_file: Path, new_file: Path) -> None:
    (phone,) = plugged(BOB)
    done = ibackup(
        "encryption", "change", "--password-file", password_file, "--new-password-file", new_file, "--json"
    )
    result = done.result
    assert result["exit_code"] == 0
    assert phone.backup_password == NEW
    old, new = snapshots(bobs, BOB)
    assert (result["snapshot"], result["rewraps"], result["older"]) == (new.name, old.name, [old.name])
    assert f"password changed; the files are those of {old.name}" in ibackup("show", new.name).flat
    assert ibackup("show", new.name, "--json").result["rewraps"] == old.name
    assert f"{old.name} under a new password" in ibackup("list").flat
    first, second = (
        ibackup("verify", new.name, "--level", "deep", "--password-file", file)
        for file in (new_file, password_file)
    )
    assert (first.code, second.code) == (0, ExitCode.PASSWORD)


def test_a_phone_that_stays_silent(ibackup: Cli, plugged: Plug, new_file: Path, tmp_path: Path) -> None:
    """The error tells what the phone says of itself afterwards."""
    (phone,) = plugged(ANN)
    phone.set_faults(ErrorCodeAt(where="end", code=100))
    done = ibackup("encryption", "on", "--new-password-file", new_file)
    assert done.code == ExitCode.PHONE_REFUSED
    assert "its backups are now encrypted" in done.flat_err
    assert "keep it" in done.flat_err
    phone.set_backup_password(None)
    phone.set_faults(ErrorCodeAt(where="start", code=100))
    done = ibackup("encryption", "on", "--new-password-file", new_file)
    assert done.code == ExitCode.PHONE_REFUSED
    assert "It has not changed its setting" in done.flat_err

    phone.set_faults(SilentAfterBytes(count=1, seconds=3))
    hasty = tmp_path / "hasty.toml"
    hasty.write_text('[limits]\nanswer = "1s"\nscan = "1s"\nwithin_file = "1s"\n')
    done = ibackup("--config", hasty, "encryption", "on", "--new-password-file", new_file)
    assert done.code == ExitCode.CONNECTION_LOST
    assert "It has not changed its setting" in done.flat_err


def test_the_keychain(
    ibackup: Cli, bobs: Path, plugged: Plug, ring: FileKeyring, password_file: Path, new_file: Path
) -> None:
    (phone,) = plugged(BOB)
    done = ibackup("encryption", "keychain", "--password-file", new_file)
    assert done.code == ExitCode.PASSWORD
    assert "Nothing was kept" in done.flat_err
    assert ring.entries() == {}
    assert ibackup("encryption", "keychain", "--password-file", password_file).code == 0
    assert ring.entries() == {BOB.udid: PASSWORD}
    result = ibackup("encryption", "status", "--json").result
    assert (result["password_opens"], result["in_keychain"]) == (True, True)
    # What stands there follows a change without being told to, and older snapshots still open.
    assert (
        ibackup("encryption", "change", "--new-password-file", new_file, "--json").result["in_keychain"]
        is True
    )
    assert ring.entries() == {BOB.udid: NEW, f"{BOB.udid} earlier": PASSWORD}
    for each in snapshots(bobs, BOB):
        assert ibackup("verify", each.name, "--level", "deep").code == 0
        assert ibackup("files", each.name).code == 0
        assert ibackup("rehearse", each.name).code == 0
        assert ibackup("restore", each.name, "--yes").code == 0
    # And every backup looks whether it still does.
    assert "Warning" not in ibackup("now").flat_err
    phone.set_backup_password("set in Finder")
    done = ibackup("now")
    assert done.code == 0
    assert "does not open this backup" in done.flat_err
    (bobs / "pw").write_text("set in Finder")
    (bobs / "pw").chmod(0o600)
    done = ibackup("now", "--password-file", bobs / "pw")
    assert "The password in the keychain does not open this backup." in done.flat_err
    assert ibackup("encryption", "keychain", "--password-file", bobs / "pw").code == 0
    assert "Warning" not in ibackup("now").flat_err
    phone.set_backup_password(None)
    assert "not encrypted, although a password for it is in the keychain" in ibackup("now").flat_err
    assert ibackup("encryption", "keychain", "--remove", "--json").result["removed"] is True
    assert ring.entries() == {}


def test_a_change_that_was_cut_off_is_settled_by_the_next_backup(
    ibackup: Cli, bobs: Path, plugged: Plug, ring: FileKeyring
) -> None:
    (phone,) = plugged(BOB)
    ring.set_password("ibackup", BOB.udid, PASSWORD)
    ring.set_password("ibackup", f"{BOB.udid} new", NEW)
    phone.set_backup_password(NEW)
    result = ibackup("now", "--json").result
    assert result["checked"] == "manifest"
    assert ring.entries() == {BOB.udid: NEW, f"{BOB.udid} earlier": PASSWORD}


def test_the_derived_key(
    ibackup: Cli, bobs: Path, plugged: Plug, ring: FileKeyring, password_file: Path, new_file: Path
) -> None:
    """It opens the backup without the password, and nothing once that has another one."""
    plugged(BOB)
    assert ibackup("encryption", "keychain", "--key", "--password-file", password_file).code == 0
    entries = ring.entries()
    assert set(entries) == {BOB.udid, f"{BOB.udid} key"}
    assert PASSWORD not in entries[f"{BOB.udid} key"]
    ring.delete_password("ibackup", BOB.udid)
    assert ibackup("files", "latest").code == 0
    assert ibackup("verify", "--level", "deep").code == 0
    # One that is named counts for itself.
    assert ibackup("files", "latest", "--password-file", new_file).code == ExitCode.PASSWORD
    # A new password makes another keybag, which the key is not for, even where it was left behind.
    ring.set_password("ibackup", BOB.udid, PASSWORD)
    assert ibackup("encryption", "change", "--new-password-file", new_file).code == 0
    assert f"{BOB.udid} key" not in ring.entries()
    ring.set_password("ibackup", f"{BOB.udid} key", entries[f"{BOB.udid} key"])
    ring.delete_password("ibackup", BOB.udid)
    ring.delete_password("ibackup", f"{BOB.udid} earlier")
    old, new = snapshots(bobs, BOB)
    assert ibackup("files", old.name).code == 0
    assert ibackup("files", new.name).code == ExitCode.PASSWORD


@pytest.mark.parametrize("kept", ["", "x", "00 00", f"{'0' * 64} zz", f"{'0' * 64} {'0' * 64}"])
def test_a_key_that_is_none_is_no_key(ibackup: Cli, bobs: Path, ring: FileKeyring, kept: str) -> None:
    ring.set_password("ibackup", f"{BOB.udid} key", kept)
    assert ibackup("files", "latest").code == ExitCode.PASSWORD


def test_a_recovery_sheet(ibackup: Cli, bobs: Path, password_file: Path, new_file: Path) -> None:
    done = ibackup(
        "encryption", "recovery-sheet", "--hint", "the first dog", "--password-file", password_file
    )
    assert done.code == 0
    assert PASSWORD not in done.out + done.err
    (snapshot,) = snapshots(bobs, BOB)
    for said in (
        BOB.name,
        BOB.udid,
        snapshot.name,
        str(bobs),
        "the first dog",
        "ibackup restore",
        "idevicebackup2",
    ):
        assert said in done.out, said
    assert "the password below opens it" in done.out
    assert "made without the password" not in done.out
    blind = ibackup("encryption", "recovery-sheet")
    assert "made without the password. If it was ever changed, older snapshots need" in blind.flat
    assert max(len(line) for line in done.out.splitlines() if str(bobs) not in line) <= 80
    with_it = ibackup("encryption", "recovery-sheet", "--with-password", "--password-file", password_file)
    assert PASSWORD in with_it.out
    assert PASSWORD not in with_it.err
    wrong = ibackup("encryption", "recovery-sheet", "--with-password", "--password-file", new_file)
    assert wrong.code == ExitCode.PASSWORD
    assert NEW not in wrong.out
    assert ibackup("encryption", "recovery-sheet", "--with-password").code == ExitCode.USAGE
    result = ibackup("encryption", "recovery-sheet", "--password-file", password_file, "--json").result
    assert "password" not in result
    assert result["snapshots"] == [
        {
            "snapshot": snapshot.name,
            "data_from": result["snapshots"][0]["data_from"],  # type: ignore[index]
            "opens": "this password",
        }
    ]


def test_a_sheet_for_what_is_not_encrypted(ibackup: Cli, anns: Path, store: Path) -> None:
    done = ibackup("encryption", "recovery-sheet")
    assert done.code == 0
    assert "PASSWORD" not in done.out
    assert done.out.count("not encrypted") == 2


def test_icloud(ibackup: Cli, plugged: Plug) -> None:
    (phone,) = plugged(ANN)
    assert "iCloud Backup of Ann" in ibackup("icloud", "status").flat
    done = ibackup("icloud", "on", "--yes", "--json")
    assert (done.code, done.result["icloud_backup"]) == (0, True)
    assert phone.domain("com.apple.mobile.backup")["CloudBackupEnabled"] is True
    requests = phone.journal.details("request").count("EnableCloudBackup")
    assert ibackup("icloud", "on", "--yes").code == 0
    assert phone.journal.details("request").count("EnableCloudBackup") == requests
    assert ibackup("icloud", "off", "--yes").code == 0
    assert phone.domain("com.apple.mobile.backup")["CloudBackupEnabled"] is False


def test_status_knows_what_the_phone_said_last(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    def known() -> tuple[object, object]:
        phones = ibackup("status", "--json").result["phones"]
        assert isinstance(phones, list)
        return phones[0]["icloud_backup"], phones[0]["last_icloud_backup"]

    plugged(ANN)
    ibackup("icloud", "on", "--yes")
    assert known() == (True, None)
    plugged(replace(ANN, cloud_backup=False))
    assert known() == (True, None)
    ibackup("icloud", "status")
    assert known() == (False, None)
    plugged(replace(ANN, cloud_backup=True, icloud=ICloudSpec(last_backup_days=2)))
    ibackup("doctor", "--offline")
    switched_on, last = known()
    assert switched_on is True
    assert last
    ibackup("icloud", "off", "--yes")
    assert known() == (False, last)
    assert re.search(r" off, \d\d-\d\d$", ibackup("status").out, re.MULTILINE)


def test_ctrl_c_after_the_phone_did_it_does_not_claim_that_nothing_was_changed(
    ibackup: Cli, plugged: Plug, monkeypatch: pytest.MonkeyPatch
) -> None:
    (phone,) = plugged(ANN)
    really = SettingsSession.enable_cloud_backup

    def and_then_ctrl_c(session: SettingsSession, *, on: bool) -> None:
        really(session, on=on)
        raise KeyboardInterrupt

    monkeypatch.setattr(SettingsSession, "enable_cloud_backup", and_then_ctrl_c)
    done = ibackup("icloud", "on", "--yes", "--json")
    assert done.code == ExitCode.INTERRUPTED
    assert phone.domain("com.apple.mobile.backup")["CloudBackupEnabled"] is True
    assert "check with `ibackup icloud status`" in str(done.result["hint"])


def test_a_phone_without_a_backup_gets_no_folder_for_what_it_says(
    ibackup: Cli, anns: Path, plugged: Plug
) -> None:
    plugged(BOB)
    assert ibackup("icloud", "status").code == 0
    assert ibackup("doctor", "--offline").code == 0
    assert not (anns / BOB.udid).exists()


@pytest.mark.parametrize("harm", ["gone", "damaged", "in use"])
def test_icloud_needs_no_store(ibackup: Cli, anns: Path, plugged: Plug, harm: str) -> None:
    plugged(ANN)
    if harm == "gone":
        anns.rename(anns.with_name("away"))
    elif harm == "damaged":
        (anns / "store.json").write_text("{")
    with Store.open(anns).phone(ANN.udid).lock() if harm == "in use" else nullcontext():
        done = ibackup("icloud", "status")
    assert (done.code, done.err) == (0, "Looking for the phone.\n")


def test_icloud_without_an_account(ibackup: Cli, plugged: Plug) -> None:
    plugged(replace(ANN, apple_account=False))
    done = ibackup("icloud", "on", "--yes", "--json")
    assert done.code == ExitCode.PHONE_REFUSED
    assert done.result["error_code"] == 210


def test_now_names_the_command(ibackup: Cli, anns: Path, plugged: Plug) -> None:
    plugged(ANN)
    done = ibackup("now")
    assert "Encryption can wait until tomorrow: `ibackup encryption on`" in done.flat
    assert Store.open(anns).phones()
