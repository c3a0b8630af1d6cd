"""ChangePassword: the phone's setting, and the keybag that the computer shows."""

import plistlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ibackup.simulator.spec import Passcode
from support.readers import by_iphone_backup_decrypt

from .conftest import Cut

if TYPE_CHECKING:
    from .conftest import Host

Make = Callable[..., "Host"]
OK = {"MessageName": "Response", "ErrorCode": 0}
CHANGED = "com.apple.mobile.backup.domain_changed"


def test_on_change_off(make: Make) -> None:
    host = make()
    phone = host.phone
    assert host.change_password(None, "one") == OK
    assert phone.will_encrypt
    assert [message[1] for _, message in host.messages] == [
        [f"{phone.udid}/Snapshot/Manifest.plist"],
        [f"{phone.udid}/Manifest.plist"],
    ]
    assert host.change_password("wrong", "two")["ErrorCode"] == 207
    assert host.change_password(None, "two")["ErrorCode"] == 207
    assert phone.backup_password == "one"
    assert host.change_password("one", "two") == OK
    assert phone.backup_password == "two"
    assert host.change_password("two", None) == OK
    assert not phone.will_encrypt
    assert host.change_password(None, None) == OK
    # Every change, and every refusal, after which the phone says once more that it encrypts.
    assert phone.journal.details("notified").count(CHANGED) == 6


def test_the_phone_has_the_new_password_before_it_looks_for_a_backup(make: Make) -> None:
    """So a connection that is lost from there on leaves the new one in force, and the backup under the old one."""
    host = make(backup_password="one")
    host.backup()
    before = dict(host.files)
    host.cut = lambda number, name: name == "download"
    with pytest.raises(Cut):
        host.change_password("one", "two")
    assert host.phone.backup_password == "two"
    assert host.files == before


def test_one_that_broke_off_is_wrapped_again_in_its_snapshot_folder(make: Make) -> None:
    host = make(backup_password="one")
    host.backup()
    udid = host.phone.udid
    host.files[f"{udid}/Snapshot/Manifest.plist"] = host.files[f"{udid}/Manifest.plist"]
    before = dict(host.files)
    assert host.change_password("one", "two") == OK
    assert [name for name in host.files if host.files[name] != before[name]] == [
        f"{udid}/Snapshot/Manifest.plist"
    ]


def test_icloud_backup_is_switched(make: Make) -> None:
    host = make(apple_account=False)
    request = {"MessageName": "EnableCloudBackup", "TargetIdentifier": host.phone.udid}
    assert host.request(request | {"CloudBackupState": True})["ErrorCode"] == 210
    assert host.request(request | {"CloudBackupState": False}) == OK
    host = make()
    assert host.request(request | {"CloudBackupState": True}) == OK
    assert host.phone.domain("com.apple.mobile.backup")["CloudBackupEnabled"] is True


def test_the_keybag_is_wrapped_again_and_nothing_else(make: Make, tmp_path: Path) -> None:
    host = make(backup_password="one")
    host.backup()
    before = dict(host.files)
    assert host.change_password("one", "two") == OK
    path = f"{host.phone.udid}/Manifest.plist"
    assert [name for name in host.files if host.files[name] != before.get(name)] == [path]
    old, new = plistlib.loads(before[path]), plistlib.loads(host.files[path])
    assert old.pop("BackupKeyBag") != new.pop("BackupKeyBag")
    assert old == new
    for name, data in host.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with by_iphone_backup_decrypt(tmp_path / host.phone.udid, "two") as theirs:
        assert theirs.test_decryption()
    # The next backup continues from it.
    assert host.backup() == OK
    assert [name for name in host.uploaded if name.count("/") == 3] == []
    assert host.restore(Password="two", RestoreDontCopyBackup=True) == OK


def test_a_backup_under_yet_another_password_is_left_alone(make: Make) -> None:
    host = make(backup_password="one")
    host.backup()
    before = dict(host.files)
    host.phone.set_backup_password("other")
    assert host.change_password("other", "two") == OK
    assert host.files == before
    assert host.phone.backup_password == "two"


def test_the_passcode_is_asked_for_since_13(make: Make) -> None:
    cancelled = Passcode(kind="cancelled")
    assert make(passcode=cancelled).change_password(None, "x")["ErrorCode"] == 208
    assert make(passcode=cancelled, ios_version="12.5").change_password(None, "x") == OK
