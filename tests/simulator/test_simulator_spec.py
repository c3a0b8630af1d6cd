"""The description of a virtual iPhone, and spec files."""

import dataclasses
from pathlib import Path

import pytest

from ibackup.base.errors import UsageError
from ibackup.simulator.faults import FAULTS, DropAfterBytes, Fault, LyingFile, SyncLockHeld
from ibackup.simulator.spec import AppSpec, DomainSpec, Passcode, PhoneSpec, Trust, demo_spec
from ibackup.simulator.specfile import load_spec
from ibackup.simulator.virtual_phone import VirtualPhone


def luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


def test_identifiers_follow_from_the_seed() -> None:
    one, again, other = PhoneSpec(seed=7), PhoneSpec(seed=7), PhoneSpec(seed=8)
    assert one == again
    for name in ("udid", "serial", "imei", "iccid", "phone_number", "wifi_address"):
        assert getattr(one, name) != getattr(other, name)
    assert luhn(one.imei)
    assert len(one.imei) == 15
    assert luhn(one.iccid)
    assert len(one.udid) == 25
    assert one.udid[8] == "-"


def test_one_identifier_given_leaves_the_others() -> None:
    assert dataclasses.replace(PhoneSpec(), serial="X").imei == PhoneSpec().imei


def test_the_mux_spelling_may_lack_the_dash() -> None:
    spec = PhoneSpec(mux_serial_dashless=True)
    assert spec.mux_serial == spec.udid.replace("-", "")
    assert PhoneSpec().mux_serial == PhoneSpec().udid


def test_the_password_is_not_in_the_repr() -> None:
    assert "geheim" not in repr(PhoneSpec(backup_password="geheim"))


def test_every_fault_is_known_to_spec_files() -> None:
    assert set(FAULTS) == set(Fault.__subclasses__())


def test_the_demo_phone_is_someones() -> None:
    spec = demo_spec()
    assert spec.apps
    assert spec.domains
    assert spec.passcode.kind == "answered"


FULL = """
name = "Büro"
seed = 9
latency_s = 1
connection_types = ["USB", "Network"]
backup_password = "pw"

[passcode]
kind = "late"
delay_s = 2.5

[trust]
kind = "dialog"

[[domains]]
name = "HomeDomain"
count = 3

[[apps]]
bundle_id = "org.example.a"
name = "A"
groups = ["group.a"]

[lockdown.""]
DeviceColor = "black"

[lockdown."com.apple.mobile.backup"]
CloudBackupEnabled = true

[[faults]]
fault = "DropAfterBytes"
count = 100
times = 1

[[faults]]
fault = "LyingFile"
domain = "HomeDomain"
path = "x"
how = "short"

[[faults]]
fault = "SyncLockHeld"
"""


def test_a_spec_file_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(FULL, "utf-8")
    assert load_spec(path) == PhoneSpec(
        name="Büro",
        seed=9,
        latency_s=1.0,
        connection_types=("USB", "Network"),
        backup_password="pw",
        passcode=Passcode(kind="late", delay_s=2.5),
        trust=Trust(kind="dialog"),
        domains=(DomainSpec(name="HomeDomain", count=3),),
        apps=(AppSpec(bundle_id="org.example.a", name="A", groups=("group.a",)),),
        lockdown={("", "DeviceColor"): "black", ("com.apple.mobile.backup", "CloudBackupEnabled"): True},
        faults=(
            DropAfterBytes(count=100, times=1),
            LyingFile(domain="HomeDomain", path="x", how="short"),
            SyncLockHeld(),
        ),
    )


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("nmae = 'x'", "no key 'nmae'", "'name'"),
        ("name = 3", "name must be a text", ""),
        ("seed = true", "seed must be a whole number", ""),
        ("zzzzzzzz = 3", "no key 'zzzzzzzz'", "Choose one of: "),
        ("[passcode]\nkind = 'anwsered'", "passcode: kind is 'anwsered'", "'answered'"),
        ("[[faults]]\nfault = 'DropAfterByte'", "fault is 'DropAfterByte'", "'DropAfterBytes'"),
        ("[[faults]]\nfault = 'DropAfterBytes'", "'count'", ""),
        ("[[faults]]\ncount = 1", "fault is None", "Choose one of: "),
        ("domains = 3", "domains must be a list", ""),
        ("domains = [3]", "domains[0] must be a table", ""),
        ("lockdown = 3", "lockdown must be a table", ""),
        ("name =", "is not TOML", ""),
    ],
)
def test_a_bad_key_is_reported_with_the_nearest_right_one(
    tmp_path: Path, text: str, what: str, hint: str
) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        load_spec(path)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_a_missing_spec_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_spec(tmp_path / "none.toml")


CLOUDY = """
cloud_backup = true

[icloud]
last_backup_days = 9
retry_hours = -6
notes_in = "RootDomain"
[[icloud.attempts]]
code = 303
days = 0.5
[[icloud.windows]]
days = 1
hours = 5
ended_by = "power"
[[icloud.sizes]]
domain = "AppDomain-org.example.a"
bytes = 7_000_000_000

[signals]
wifi = "off"
clock_offset_s = 90
supervised_by = "Example"
[[signals.profiles]]
name = "VPN"
[[signals.log]]
text = "auto backup is not enabled"
[[signals.packets]]
count = 3
"""


def test_what_the_phone_remembers_of_icloud_in_a_spec_file(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(CLOUDY)
    spec = load_spec(path)
    assert spec.icloud is not None
    assert spec.icloud.attempts[0].code == 303
    assert spec.icloud.windows[0].ended_by == "power"
    assert spec.icloud.sizes[0].bytes == 7_000_000_000
    assert spec.icloud.now > 0
    assert (spec.signals.wifi, spec.signals.packets[0].count) == ("off", 3)
    path.write_text(CLOUDY.replace('"power"', '"pwer"'))
    with pytest.raises(UsageError, match="ended_by") as caught:
        load_spec(path)
    assert "power" in caught.value.hint


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("days = 0.5", "days = nan", "days must be"),
        ("last_backup_days = 9", "last_backup_days = 1e9", "days must be"),
        ("bytes = 7_000_000_000", "bytes = 99999999999999999999", "bytes is larger"),
        ('name = "VPN"', 'name = "V\\u0001"', "control characters"),
    ],
)
def test_a_cloud_that_cannot_be(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    path = tmp_path / "spec.toml"
    assert right in CLOUDY
    path.write_text(CLOUDY.replace(right, wrong))
    with pytest.raises(UsageError, match=says):
        load_spec(path)


def test_two_phones_of_one_cloudy_spec_are_equal(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(CLOUDY)
    spec = load_spec(path)
    one, other = VirtualPhone(spec).files, VirtualPhone(spec).files
    assert [one.read(each) for each in one.files()] == [other.read(each) for each in other.files()]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("batch_size = 0", "batch_size"),
        ("chunk_size = -5", "chunk_size"),
        ("keybag_rounds = 0", "keybag_rounds"),
        ("big_file_size = -4", "big_file_size"),
        ('udid = "../../x"', "udid"),
        ('name = "a\\u001bb"', "control characters"),
        ('[[domains]]\nname = "HomeDomain"\ncount = -3', "HomeDomain"),
        ('[[apps]]\nbundle_id = "a.b"\nname = "A"\nmin_size = 9\nmax_size = 5', "a.b"),
    ],
)
def test_what_no_phone_can_be_is_a_usage_error(tmp_path: Path, text: str, says: str) -> None:
    """Not an odd end in the middle of some client's backup."""
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        load_spec(path)


def test_names_that_phones_do_have(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text('name = "📱\\nJürgen\u202e"\n', encoding="utf-8")
    assert load_spec(path).name == "📱\nJürgen\u202e"
