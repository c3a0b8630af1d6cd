"""The table of lockdown's keys holds every one that is read, so that each one's absence was thought about."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import ibackup
from ibackup.device.lockdown import restore_facts
from ibackup.device.lockdown.lockdown_keys import BACKUP_DOMAIN, KEYS, flag
from ibackup.device.phones.phone import Phone, open_phone
from ibackup.device.services import info_plist
from ibackup.doctor.gather import connected_phone
from ibackup.simulator.server import Server
from ibackup.simulator.spec import PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]
KNOWN = {(key.domain, key.name) for key in KEYS}
COPIED = {"com.apple.iTunes"}  # domains that are kept whole and not looked into


class Noted(dict[str, object]):
    """A domain's values that note which of them are looked at."""

    def __init__(self, domain: str, told: Mapping[str, object], asked: set[tuple[str, str]]) -> None:
        super().__init__(told)
        self._domain, self._asked = domain, asked

    def get(self, key: str, default: object = None) -> object:
        self._asked.add((self._domain, key))
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._asked.add((self._domain, str(key)))
        return super().__contains__(key)


def test_every_key_that_is_read_is_in_the_table(plug_in: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from ibackup.device.lockdown.lockdown import Lockdown

    asked: set[tuple[str, str]] = set()
    told, value, default = Lockdown.told, Lockdown.value, Lockdown._default_domain

    def noted(lockdown: Lockdown, domain: str) -> Noted:
        return Noted(domain, told(lockdown, domain) or {}, asked)

    def one(lockdown: Lockdown, domain: str, key: str) -> object:
        asked.add((domain, key))
        return value(lockdown, domain, key)

    monkeypatch.setattr(Lockdown, "told", noted)
    monkeypatch.setattr(Lockdown, "value", one)
    monkeypatch.setattr(
        Lockdown, "_default_domain", lambda lockdown, **how: Noted("", default(lockdown, **how), asked)
    )
    virtual = VirtualPhone(
        PhoneSpec(
            trust=Trust(kind="dialog"), lockdown={("com.apple.disk_usage", "AmountDataAvailable"): None}
        )
    )
    with open_phone(address=plug_in(virtual).address, patience=9) as phone:
        _read_all(phone)
    asked = {(domain, key) for domain, key in asked if domain not in COPIED}
    assert asked - {("", "BluetoothAddress")} == KNOWN
    assert len(KEYS) == len(KNOWN)


def _read_all(phone: Phone) -> None:
    restore_facts.read(phone)
    info_plist.collect(phone)
    connected_phone.read_phone(phone, seconds=600)  # a machine that is busy has time to ask everything


def test_only_flags_that_phones_were_seen_to_leave_out_are_off() -> None:
    assert {key.name for key in KEYS if key.off} == {"WillEncrypt", "RequiresEncryption"}
    assert all(key.absent and key.source for key in KEYS)
    assert flag({}, BACKUP_DOMAIN, "WillEncrypt") is False
    assert flag({}, BACKUP_DOMAIN, "CloudBackupEnabled") is None
    assert flag(None, BACKUP_DOMAIN, "WillEncrypt") is None
    assert flag({"WillEncrypt": 1}, BACKUP_DOMAIN, "WillEncrypt") is True


def test_nobody_reads_the_flags_of_the_backup_domain_past_the_table() -> None:
    source = Path(ibackup.__file__).parent
    reading = re.compile(r"boolean\([^)]*\"(WillEncrypt|RequiresEncryption)\"")
    files = [path for path in source.rglob("*.py") if "simulator" not in path.parts]
    assert [path.name for path in files if reading.search(path.read_text("utf-8"))] == []


def test_a_phone_that_was_never_encrypted(plug_in: Serve) -> None:
    virtual = VirtualPhone(PhoneSpec(encrypted_before=False))
    with open_phone(address=plug_in(virtual).address) as phone:
        assert phone.value(BACKUP_DOMAIN, "WillEncrypt") is None
        assert phone.facts.will_encrypt is False
        virtual.set_backup_password("secret")
        assert phone.refresh().will_encrypt is True
        virtual.set_backup_password(None)
        assert phone.refresh().will_encrypt is False
        assert phone.value(BACKUP_DOMAIN, "WillEncrypt") is False


@pytest.mark.parametrize(("error", "known"), [("GetProhibited", None), ("MissingValue", False)])
def test_a_phone_that_does_not_report_the_domain(
    plug_in: Serve, monkeypatch: pytest.MonkeyPatch, error: str, known: bool | None
) -> None:
    """That there is nothing in it is an answer, too."""
    from ibackup.simulator import lockdownd
    from ibackup.simulator.phone_trust import TrustRefusal

    answer = lockdownd._Connection._get_value

    def withhold(connection: lockdownd._Connection, request: Mapping[str, object]) -> Mapping[str, object]:
        if request.get("Domain") == BACKUP_DOMAIN:
            raise TrustRefusal(error)
        return answer(connection, request)

    monkeypatch.setattr(lockdownd._Connection, "_get_value", withhold)
    with open_phone(address=plug_in(VirtualPhone(PhoneSpec())).address) as phone:
        assert phone.facts.will_encrypt is known
