"""Facts about a phone out of lockdown's values, whatever their types."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple import plist_values
from ibackup.base.errors import ProtocolBroken
from ibackup.device.lockdown import phone_facts

UDID = "00008101-000A0B0C0D0E0F01"

BASICS = {
    "DeviceName": "Anna's iPad",
    "DeviceClass": "iPad",
    "ProductType": "iPad13,1",
    "ProductVersion": "18.6.2",
    "BuildVersion": "22G100",
    "SerialNumber": "F2LX",
    "InternationalMobileEquipmentIdentity": "350000000000001",
    "PhoneNumber": "+1 555 0100",
    "PasswordProtected": True,
}
BACKUP = {
    "WillEncrypt": True,
    "RequiresEncryption": 1,
    "CloudBackupEnabled": False,
    "LastiTunesBackupDate": 817_000_000,
    "LastCloudBackupDate": 0,
}
BATTERY = {"BatteryCurrentCapacity": 80, "BatteryIsCharging": False, "ExternalConnected": True}
DISK = {"TotalDiskCapacity": 128_000_000_000, "TotalDataAvailable": 60_000_000_000}

VALUES = st.dictionaries(
    st.sampled_from([*BASICS, *BACKUP, *BATTERY, *DISK, "UniqueDeviceID"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.datetimes(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.text()),
    ),
)


def test_everything_a_phone_tells() -> None:
    found = phone_facts.read(UDID, BASICS, backup=BACKUP, battery=BATTERY, disk=DISK, product_name="iPad Air")
    assert found.udid == UDID
    assert found.name == "Anna's iPad"
    assert found.noun == "iPad"
    assert found.product_name == "iPad Air"
    assert found.capacity_bytes == 128_000_000_000
    assert found.used_bytes == 68_000_000_000
    assert found.battery_percent == 80
    assert found.charging is False
    assert found.external_power is True
    assert found.will_encrypt is True
    assert found.requires_encryption is True
    assert found.locked is True
    assert found.cloud_backup_enabled is False
    # 817,000,000 seconds after 2001-01-01, as `date -u -d '2001-01-01 UTC + 817000000 sec'` has it
    assert found.last_local_backup == datetime(2026, 11, 22, 0, 26, 40, tzinfo=UTC)
    assert found.last_cloud_backup is None


@pytest.mark.parametrize("key", ["WillEncrypt", "RequiresEncryption"])
def test_a_missing_key_is_no_domain_that_was_not_reported(key: str) -> None:
    """A phone that never encrypted says nothing of it; one that is locked tells the whole domain to nobody."""
    name = {"WillEncrypt": "will_encrypt", "RequiresEncryption": "requires_encryption"}[key]
    told = {each: value for each, value in BACKUP.items() if each != key}
    assert getattr(phone_facts.read(UDID, BASICS, backup=told), name) is False
    assert getattr(phone_facts.read(UDID, BASICS, backup=None), name) is None
    assert getattr(phone_facts.read(UDID, BASICS, backup={**told, key: "maybe"}), name) is None


def test_a_missing_switch_of_icloud_is_not_off() -> None:
    assert phone_facts.read(UDID, BASICS, backup={"WillEncrypt": False}).cloud_backup_enabled is None


def test_a_phone_that_reports_nothing() -> None:
    found = phone_facts.read(UDID, {})
    assert found == phone_facts.PhoneFacts(udid=UDID)
    assert found.noun == "iPhone"


@given(VALUES, VALUES, VALUES, VALUES)
def test_no_value_of_any_type_is_an_error(
    basics: plist_values.Values,
    backup: plist_values.Values,
    battery: plist_values.Values,
    disk: plist_values.Values,
) -> None:
    found = phone_facts.read(UDID, basics, backup=backup, battery=battery, disk=disk)
    for text in (found.name, found.device_class, found.serial):
        assert text is None or text.isprintable()
    for number in (found.capacity_bytes, found.used_bytes, found.battery_percent):
        assert number is None or (type(number) is int and number >= 0)
    for flag in (found.will_encrypt, found.charging, found.locked):
        assert flag in (None, True, False)
    for moment in (found.last_local_backup, found.last_cloud_backup):
        assert moment is None or moment.tzinfo is UTC


def test_a_name_cannot_drive_the_terminal() -> None:
    name = phone_facts.read(UDID, {"DeviceName": "\x1b]0;pwned\x07" + "x" * 5000}).name
    assert name is not None
    assert "\x1b" not in name
    assert "\x07" not in name
    assert len(name) <= 256


@pytest.mark.parametrize("seconds", [-5, 0, 1e300, float("nan"), float("inf"), 10**30, True, "817000000"])
def test_times_out_of_range_are_no_times(seconds: object) -> None:
    assert phone_facts.read(UDID, {}, backup={"LastiTunesBackupDate": seconds}).last_local_backup is None


def test_a_time_may_count_from_1970() -> None:
    """Phones take such a number for Unix time, unless that is more than ten years ago."""
    now = int(datetime.now(UTC).timestamp())
    wanted = datetime.fromtimestamp(now - 86_400, UTC)
    for told in (now - 86_400, now - 86_400 - 978_307_200):
        assert phone_facts.read(UDID, {}, backup={"LastCloudBackupDate": told}).last_cloud_backup == wanted


@pytest.mark.parametrize(
    ("device_class", "noun"),
    [("iPhone", "iPhone"), ("iPad", "iPad"), ("iPod", "iPod"), ("Toaster", "iPhone"), (None, "iPhone")],
)
def test_what_messages_call_it(device_class: str | None, noun: str) -> None:
    assert phone_facts.noun_of(device_class) == noun


def test_more_free_than_there_is_gives_no_used_bytes() -> None:
    found = phone_facts.read(UDID, {}, disk={"TotalDiskCapacity": 5, "TotalDataAvailable": 6})
    assert found.used_bytes is None


@pytest.mark.parametrize("data", [b"", b"nonsense", b"bplist00", b"<plist><array/></plist>"])
def test_messages_that_are_no_dictionary(data: bytes) -> None:
    with pytest.raises(ProtocolBroken, match="somebody"):
        plist_values.load_dict(data, "somebody")
