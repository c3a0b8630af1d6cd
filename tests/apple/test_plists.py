"""Plists: plistlib as the reference, and bombs that must not go off."""

import contextlib
import plistlib
import struct
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple import bplist as bplist_module
from ibackup.apple import plists
from ibackup.base.errors import NotABackup

FIXTURE = Path(__file__).parents[3] / "shared" / "fixtures" / "real-ios-14.3"

values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
    | st.binary()
    | st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001
        lambda when: when.replace(microsecond=0)
    ),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])), inner)
    ),
    max_leaves=30,
)


@given(values, st.sampled_from([plistlib.FMT_XML, plistlib.FMT_BINARY]))
def test_reads_what_plistlib_writes(value: Any, fmt: plistlib.PlistFormat) -> None:
    assert plists.load(plistlib.dumps(value, fmt=fmt)) == plistlib.loads(plistlib.dumps(value, fmt=fmt))


@given(values, st.data())
def test_damaged_binary_is_refused_or_read_but_never_crashes(value: object, data: st.DataObject) -> None:
    raw = bytearray(plistlib.dumps([value, {"a": value}], fmt=plistlib.FMT_BINARY))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(8, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotABackup):
        plists.load(bytes(raw), max_objects=10_000)


plain = st.recursive(
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=30,
)


@given(plain, st.data())
def test_the_short_way_reads_as_plistlib_does_or_leaves_it(value: object, data: st.DataObject) -> None:
    raw = bytearray(plistlib.dumps([value, {"a": value}], fmt=plistlib.FMT_BINARY))
    assert bplist_module.simple(bytes(raw), max_objects=10_000, max_depth=64) == [value, {"a": value}]
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(8, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = bplist_module.simple(bytes(raw), max_objects=10_000, max_depth=64)
    if found is not None:
        assert bplist_module.check(bytes(raw), max_objects=10_000, max_depth=64) == ""
        try:
            wanted = plistlib.loads(bytes(raw), fmt=plistlib.FMT_BINARY)
        except (OverflowError, ValueError):
            assert "None" in repr(found)  # a date that no calendar has
        else:
            assert repr(found) == repr(wanted)


def bplist(objects: list[bytes], top: int = 0, ref_size: int = 1, count: int | None = None) -> bytes:
    body, offsets = b"bplist00", []
    for entry in objects:
        offsets.append(len(body))
        body += entry
    table = b"".join(struct.pack(">I", offset) for offset in offsets)
    trailer = struct.pack(">6xBBQQQ", 4, ref_size, len(objects) if count is None else count, top, len(body))
    return body + table + trailer


def deep(levels: int) -> bytes:
    return bplist([b"\xa1" + bytes([n + 1]) for n in range(levels)] + [b"\x09"])


BOMBS = {
    "four billion objects": bplist([b"\x09"], count=4_000_000_000),
    "two lists that hold each other": bplist([b"\xa1\x01", b"\xa1\x00"]),
    "a list of itself": bplist([b"\xa1\x00"]),
    "two to the forty": bplist([b"\xa2" + bytes([n + 1, n + 1]) for n in range(40)] + [b"\x09"]),
    "two hundred levels": deep(200),
    "a string longer than the data": bplist([b"\x5f\x13" + struct.pack(">Q", 2**62)]),
    "a list longer than the data": bplist([b"\xaf\x13" + struct.pack(">Q", 2**62)]),
    "a length that is text": bplist([b"\x5f\x51a"]),
    "a reference to nothing": bplist([b"\xa1\x07"]),
    "a top object that is not there": bplist([b"\x09"], top=3),
    "references of 200 bytes": bplist([b"\xa1\x00"], ref_size=200),
    "a list as a key": bplist([b"\xd1\x01\x01", b"\xa0"]),
    "a trailer only": bytes(32),
    "its head only": b"bplist00",
    "nothing": b"",
    "ten thousand levels of XML": b"<plist>" + b"<array>" * 10_000 + b"</array>" * 10_000 + b"</plist>",
    "a billion laughs": b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    b"<plist><string>&b;</string></plist>",
    "an end without a start": b"<plist></dict></plist>",
    "two keys in a row": b"<plist><dict><key>a</key><key>b</key></dict></plist>",
    "no XML at all": b"\x00\x01\x02 hello",
    "a number of 10,000 digits": b"<plist><integer>" + b"9" * 10_000 + b"</integer></plist>",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_do_not_go_off(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(NotABackup) as caught:
            plists.load(BOMBS[name], part="Manifest.plist")
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.what == "Manifest.plist cannot be read."
    assert caught.value.hint


def test_limits_are_where_they_say() -> None:
    assert plists.load(deep(64)) is not None
    with pytest.raises(NotABackup):
        plists.load(deep(65))
    with pytest.raises(NotABackup, match="limit"):
        plists.load(plistlib.dumps(["x" * 100]), limit=100)


def test_info_plist_of_a_real_phone() -> None:
    if not FIXTURE.is_dir():
        pytest.skip("no fixtures here")
    info = plists.InfoPlist.parse((FIXTURE / "Info.plist").read_bytes())
    raw = plistlib.loads((FIXTURE / "Info.plist").read_bytes())
    assert info.product_version == raw["Product Version"]
    assert info.device_name == raw["Device Name"]
    assert info.last_backup_date == raw["Last Backup Date"].replace(tzinfo=UTC)
    assert list(info.installed_applications) == raw["Installed Applications"]


@pytest.mark.parametrize(
    ("key", "value", "name", "read"),
    [
        ("Phone Number", 4930123456, "phone_number", "4930123456"),
        ("Product Version", 18.6, "product_version", "18.6"),
        ("Device Name", b"x", "device_name", ""),
        ("Last Backup Date", "today", "last_backup_date", None),
        ("Installed Applications", {"com.example.app": 1}, "installed_applications", ()),
    ],
)
def test_an_info_plist_with_values_of_odd_types(key: str, value: object, name: str, read: object) -> None:
    """Each program writes its own, and nothing is restored by them: no reason to call a backup damaged."""
    assert getattr(plists.InfoPlist.parse(plistlib.dumps({key: value})), name) == read


STATUS = {
    "UUID": "ABC",
    "Date": datetime(2026, 11, 22),  # noqa: DTZ001
    "Version": "3.3",
    "BackupState": "new",
    "SnapshotState": "finished",
    "IsFullBackup": True,
}


def test_status_plist() -> None:
    status = plists.StatusPlist.parse(plistlib.dumps(STATUS, fmt=plistlib.FMT_BINARY))
    assert status.is_finished
    assert status.is_full_backup
    assert status.date == datetime(2026, 11, 22, tzinfo=UTC)
    for odd in ({"SnapshotState": "uploading"}, {"BackupState": "empty"}):
        assert not plists.StatusPlist.parse(plistlib.dumps(STATUS | odd)).is_finished


MANIFEST = {
    "IsEncrypted": False,
    "Version": "10.0",
    "Lockdown": {"ProductVersion": "17.1", "UniqueDeviceID": "X", "com.apple.mobile.data_sync": {}},
    "Applications": {"com.example.app": {"CFBundleVersion": "1"}},
}


def test_manifest_plist() -> None:
    manifest = plists.ManifestPlist.parse(plistlib.dumps(MANIFEST))
    assert manifest.lockdown.product_version == "17.1"
    assert manifest.applications == ("com.example.app",)
    assert manifest.keybag is None


def test_what_a_phone_says_of_itself_may_be_of_an_odd_type() -> None:
    """Hours of a backup are not refused because of a name."""
    lockdown = {"DeviceName": 5, "ProductVersion": 18.6, "SerialNumber": b"x", "UniqueDeviceID": "X"}
    parsed = plists.ManifestPlist.parse(plistlib.dumps(MANIFEST | {"Lockdown": lockdown})).lockdown
    assert (parsed.device_name, parsed.product_version, parsed.serial_number) == ("5", "18.6", "")
    assert parsed.unique_device_id == "X"


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"IsEncrypted": "yes"}, "its IsEncrypted is text, not true or false"),
        ({"IsEncrypted": True}, "it has no BackupKeyBag"),
        ({"Lockdown": []}, "has a list where a dictionary belongs"),
        ({"Date": "today"}, "its Date is text, not a date"),
        ({"ManifestKey": 5}, "its ManifestKey is a number, not data"),
        ({"Version": b"10"}, "its Version is data, not text"),
    ],
)
def test_odd_keys_are_named(odd: dict[str, object], says: str) -> None:
    with pytest.raises(NotABackup) as caught:
        plists.ManifestPlist.parse(plistlib.dumps(MANIFEST | odd))
    assert says.casefold() in str(caught.value).casefold()


def test_missing_keys_are_named() -> None:
    with pytest.raises(NotABackup, match="no IsEncrypted"):
        plists.ManifestPlist.parse(plistlib.dumps({}))
    with pytest.raises(NotABackup, match="no SnapshotState"):
        plists.StatusPlist.parse(plistlib.dumps({"Version": "3.3"}))
    with pytest.raises(NotABackup, match="list where a dictionary"):
        plists.InfoPlist.parse(plistlib.dumps([]))


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        (b"<string>Ann\x01a\x1b[31m</string>", "Ann?a?[31m"),
        (b"<string>Ann&#1;a&#x1B;&#65;&#x42;</string>", "Ann?a?AB"),
        (b"<string>\xef\xbf\xbe\xff</string>", "?\N{REPLACEMENT CHARACTER}"),
        (b"<date>0000-00-00T00:00:00Z</date>", "?"),
        (b"<date>99999-01-01T00:00:00Z</date>", "?"),
        (b"<date>yesterday</date>", "?"),
    ],
)
def test_xml_that_other_programs_wrote_with_what_xml_forbids(inside: bytes, wanted: str) -> None:
    """A control character in a phone's name is no reason not to read the rest."""
    date = b"<key>d</key><date>2026-11-30T10:00:00Z</date>"
    data = (
        b"<plist><dict><key>Device Name</key>"
        + inside
        + date
        + b"<key>n</key><integer>7</integer></dict></plist>"
    )
    assert plists.load(data) == {"Device Name": wanted, "d": datetime(2026, 11, 30, 10), "n": 7}  # noqa: DTZ001


def test_a_binary_one_with_a_date_that_no_calendar_has() -> None:
    date = b"\x33" + struct.pack(">d", 1e300)
    data = bplist([b"\xd2\x01\x02\x03\x04", b"\x51a", b"\x51b", date, b"\x41x"])
    assert plists.load(data) == {"a": None, "b": b"x"}


def test_a_date_of_another_type_is_none() -> None:
    """Nothing is restored by it."""
    raw = plistlib.dumps({"Date": "yesterday", "Last Backup Date": 7, "SnapshotState": "finished"})
    assert plists.StatusPlist.parse(raw).date is None
    assert plists.InfoPlist.parse(raw).last_backup_date is None
