"""Restores: every file is checked, and every refusal has its code."""

import plistlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ibackup.simulator.virtual_phone import VirtualPhone

if TYPE_CHECKING:
    from .conftest import Host

Make = Callable[..., "Host"]
OK = {"MessageName": "Response", "ErrorCode": 0}
QUICK = {"RestoreDontCopyBackup": True}


def backed_up(make: Make, **spec: object) -> "Host":
    host = make(**spec)
    assert host.backup() == OK
    return host


def a_file(host: "Host", domain: str) -> str:
    entry = next(each for each in host.phone.files.files() if each.domain == domain and each.size > 50)
    return f"{host.phone.udid}/{entry.file_id[:2]}/{entry.file_id}"


def test_restore(make: Make, password: str | None) -> None:
    host = backed_up(make, backup_password=password)
    options = {"RestoreSystemFiles": True, "Password": password or "", "RestoreDontCopyBackup": True}
    assert host.restore(**options) == OK
    restored = host.phone.restored
    assert restored is not None
    assert restored.options == options
    assert restored.source == host.phone.udid
    assert restored.compared == len(restored.files)
    assert 0 < restored.digests < len(restored.files)
    assert restored.folders > 5
    assert restored.links > 1
    assert [name for name, _ in host.messages].count("upload") == 0


def test_on_another_phone(make: Make) -> None:
    host = backed_up(make, backup_password="x")
    other = VirtualPhone(make(seed=9).phone.spec)
    source = host.phone.udid
    made, host.phone = host.phone, other
    assert host.restore(source, Password="x") == OK
    restored = other.restored
    assert restored is not None
    assert restored.source == source
    assert len(restored.files) == sum(1 for _ in made.files.files())
    assert restored.compared == 0
    assert made.restored is None


def test_the_copy_is_asked_for(make: Make) -> None:
    host = backed_up(make)
    before = dict(host.files)
    assert host.restore() == OK
    copy = next(message for name, message in host.messages if name == "copy")
    assert copy[1] == host.phone.udid
    assert re.fullmatch(re.escape(host.phone.udid) + r"-\d{8}-\d{6}", str(copy[2]))
    copied = {path for path in host.files if path.startswith(f"{copy[2]}/")}
    assert len(copied) == len(before)
    host.room = 10
    assert host.restore()["ErrorCode"] == 105


def test_damage_is_found_by_digest_and_by_comparison(make: Make, password: str | None) -> None:
    for domain in ("HomeDomain", "CameraRollDomain"):
        host = backed_up(make, backup_password=password)
        path = a_file(host, domain)
        data = host.files[path]
        host.files[path] = data[:20] + bytes([data[20] ^ 1]) + data[21:]
        response = host.restore(Password=password or "", **QUICK)
        assert response["ErrorCode"] == 205
        assert ("Digest" in str(response["ErrorDescription"])) is (domain == "HomeDomain")
        assert host.phone.restored is None
        host.files[path] = data[:-16]
        assert host.restore(Password=password or "", **QUICK)["ErrorCode"] == 205
        del host.files[path]
        response = host.restore(Password=password or "", **QUICK)
        assert response["ErrorCode"] == 205
        assert "Multiple errors" in str(response["ErrorDescription"])


@pytest.mark.parametrize(("state", "code"), [("empty", 204), ("old", 203)])
def test_incomplete_backups_are_refused(make: Make, state: str, code: int) -> None:
    host = backed_up(make)
    path = f"{host.phone.udid}/Status.plist"
    status = plistlib.loads(host.files[path])
    host.files[path] = plistlib.dumps(status | {"BackupState": state}, fmt=plistlib.FMT_BINARY)
    assert host.restore(**QUICK)["ErrorCode"] == code


def test_a_second_one_before_a_restart_fails_when_everything_was_sent(make: Make) -> None:
    host = backed_up(make)
    assert host.restore(RestoreShouldReboot=False, **QUICK)["ErrorCode"] == 0
    first = [name for name, _ in host.messages]
    assert host.restore(**QUICK)["ErrorCode"] == 102
    assert [name for name, _ in host.messages] == first


def test_refusals(make: Make) -> None:
    host = backed_up(make, backup_password="x")
    assert host.restore(**QUICK)["ErrorCode"] == 207
    assert host.restore(Password="y", **QUICK)["ErrorCode"] == 207
    newer = plistlib.dumps({"Product Version": "99.0"})
    host.files[f"{host.phone.udid}/Info.plist"] = newer
    assert host.restore(Password="x", **QUICK)["ErrorCode"] == 203
    host = backed_up(make, find_my=True)
    assert host.restore(**QUICK)["ErrorCode"] == 211
    host = backed_up(make)
    host.phone.free = 1000
    assert host.restore(**QUICK)["ErrorCode"] == 106
    for name in ("Status.plist", "Manifest.plist", "Manifest.db"):
        host = backed_up(make)
        host.files[f"{host.phone.udid}/{name}"] = b"junk"
        assert host.restore(**QUICK)["ErrorCode"] == 205


def test_batches_are_those_of_the_phone(make: Make) -> None:
    host = backed_up(make)
    host.restore(**QUICK)
    sizes = [len(message[1]) for name, message in host.messages if name == "download"]  # type: ignore[arg-type]
    assert max(sizes) == 4
