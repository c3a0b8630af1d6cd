"""gzip, protocol buffers and keyed archives: what is right, and what would take forever or all memory."""

import gzip
import plistlib
import struct
import uuid
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.contents.decoding import archived_objects, gunzip, protobuf
from ibackup.contents.decoding.archived_objects import ArchivedObject, plain_plist, unarchive
from ibackup.contents.decoding.protobuf import ProtoMessage
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.simulator.life.made_archive import OfClass, Url, keyed_archive
from ibackup.simulator.life.made_protobuf import block, nested, number, varint
from support.appdata import fixture

# -- gzip -----------------------------------------------------------------------------------------------------------


def test_gzip_and_zlib_are_inflated() -> None:
    assert gunzip.gunzip(gzip.compress(b"note")) == b"note"
    assert gunzip.gunzip(zlib.compress(b"note")) == b"note"
    assert gunzip.gunzip(gzip.compress(b"note") + b"\0\0") == b"note"


def test_a_gzip_bomb_ends_at_the_limit() -> None:
    bomb = gzip.compress(bytes(2 << 20))
    assert len(gunzip.gunzip(bomb, limit=2 << 20)) == 2 << 20
    with pytest.raises(Undecodable, match="more than 2,097,151 bytes"):
        gunzip.gunzip(bomb, limit=(2 << 20) - 1)


@pytest.mark.parametrize("cut", [0, 1, 10, 20, -1, -8])
def test_a_truncated_gzip_is_incomplete(cut: int) -> None:
    with pytest.raises(Undecodable, match="incomplete"):
        gunzip.gunzip(gzip.compress(b"a note " * 100)[:cut])


def test_what_is_not_gzip() -> None:
    with pytest.raises(Undecodable, match="not compressed"):
        gunzip.gunzip(b"bplist00")


# -- protocol buffers -----------------------------------------------------------------------------------------------


def test_fields_of_a_message() -> None:
    inner = number(1, 7) + block(2, "tief")
    message = ProtoMessage(
        number(1, 300)
        + number(1, 301)
        + number(2, -2)
        + block(3, "Grüße")
        + block(4, inner)
        + block(4, number(1, 8))
        + varint(5 << 3 | 1) + struct.pack("<d", 1.5)
        + varint(6 << 3 | 5) + struct.pack("<f", -0.5)
        + block(7, varint(1), varint(300))
        + number(7, 5)
        + block(8, b"\xff\xfe")
    )  # fmt: skip
    assert message.integer(1) == 301
    assert message.integers(1) == [300, 301]
    assert (message.integer(2), message.signed(2), message.signed(1)) == ((1 << 64) - 2, -2, 301)
    assert (message.text(3), message.data(3)) == ("Grüße", "Grüße".encode())
    assert [each.integer(1) for each in message.messages(4)] == [7, 8]
    last = message.message(4)
    assert last is not None
    assert (last.integer(1), last.text(2), last.message(9)) == (8, None, None)
    assert (message.real(5), message.real(6), message.real(1)) == (1.5, -0.5, None)
    assert message.integers(7) == [1, 300, 5]
    assert message.text(8) == "��"
    assert message.numbers() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert 3 in message
    assert 9 not in message


def test_another_type_than_expected_counts_as_missing() -> None:
    message = ProtoMessage(number(1, 5) + block(2, "x"))
    assert (message.text(1), message.message(1), message.real(2)) == (None, None, None)
    assert message.integers(2) == [ord("x")]  # it could be a packed field


def test_ten_thousand_levels_cost_nothing_and_end_at_the_limit() -> None:
    message = ProtoMessage(nested(1, 10_000))
    for _ in range(protobuf.MAX_DEPTH):
        inner = message.message(1)
        assert inner is not None
        message = inner
    with pytest.raises(Undecodable, match="64 levels"):
        message.message(1)


FLAWS = {
    "ends within a number": (b"\x08\x80", "within a number"),
    "ends after a tag": (b"\x08", "within a number"),
    "a number without an end": (b"\x08" + b"\xff" * 20, "too long"),
    "longer than the data": (b"\x0a\xff\xff\xff\xff\x0f", "longer than the data"),
    "a short double": (b"\x09\0\0\0", "longer than the data"),
    "field 0": (b"\0\0", "number 0"),
    "a group": (b"\x0b\x0c", "unknown type 3"),
    "too many fields": (b"\x08\x01" * (protobuf.MAX_FIELDS + 1), "more than 250,000 fields"),
}


@pytest.mark.parametrize("name", FLAWS)
def test_flaws_of_messages(name: str) -> None:
    data, flaw = FLAWS[name]
    with pytest.raises(Undecodable, match=flaw):
        ProtoMessage(data)


def test_a_packed_field_has_a_limit_too() -> None:
    message = ProtoMessage(block(1, b"\x01" * (protobuf.MAX_FIELDS + 1)))
    with pytest.raises(Undecodable, match="numbers in one field"):
        message.integers(1)


def test_a_message_has_a_largest_size() -> None:
    with pytest.raises(Undecodable, match="limit"):
        ProtoMessage(memoryview(bytearray(protobuf.MAX_BYTES + 1)))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_undecodable(data: bytes) -> None:
    try:
        message = ProtoMessage(data)
        for field in message.numbers():
            message.text(field)
            message.real(field)
            message.integers(field)
            list(message.messages(field))
    except Undecodable:
        pass


# -- keyed archives -------------------------------------------------------------------------------------------------


def test_foundation_objects_come_back() -> None:
    key = uuid.UUID("5E5A5125-D530-42E1-8F7F-1943614E0016")
    content = {
        "text": "Grüße", "number": 5, "real": 1.5, "yes": True, "data": b"\0", "nothing": None,
        "list": [1, "two", [3]], "link": Url("?a=1"), "id": key, "inner": {"a": {"b": 1}},
    }  # fmt: skip
    found = unarchive(keyed_archive(content))
    assert found == content | {"link": "?a=1", "id": str(key).upper()}


def test_objects_of_other_classes_keep_their_keys() -> None:
    found = unarchive(
        keyed_archive(OfClass("LPLinkMetadata", {"title": "A page", "URL": Url("https://a.example")}))
    )
    assert found == ArchivedObject("LPLinkMetadata", {"title": "A page", "URL": "https://a.example"})


def archive(*objects: object) -> bytes:
    frame = {
        "$archiver": "NSKeyedArchiver",
        "$top": {"root": plistlib.UID(1)},
        "$objects": ["$null", *objects],
    }
    return plistlib.dumps(frame, fmt=plistlib.FMT_BINARY)


LIST = {"$classname": "NSArray", "$classes": ["NSArray", "NSObject"]}
LINK = {"$classname": "NSURL", "$classes": ["NSURL", "NSObject"]}
DATE = {"$classname": "NSDate", "$classes": ["NSDate", "NSObject"]}


def uid(place: int) -> plistlib.UID:
    return plistlib.UID(place)


def test_dates() -> None:
    seconds = [0, 1.5, float("nan"), 1e300, "x"]
    dates = [{"NS.time": each, "$class": uid(2)} for each in seconds]
    places = [uid(4 + place) for place in range(len(seconds))]
    found = unarchive(archive({"NS.objects": places, "$class": uid(3)}, DATE, LIST, *dates))
    assert found == [
        datetime(2001, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC), None, None, None,
    ]  # fmt: skip


def test_a_cycle_ends_where_it_closes() -> None:
    found = unarchive(archive({"NS.objects": [uid(1), uid(3)], "$class": uid(2)}, LIST, "x"))
    assert found == [None, "x"]


def test_lists_that_share_each_other_do_not_unfold() -> None:
    """30 lists, each of which has the next one 20 times: as a tree, 20^30 objects."""
    lists = [{"NS.objects": [uid(place + 2)] * 20, "$class": uid(32)} for place in range(30)]
    with pytest.raises(Undecodable, match="unfolds to more than"):
        unarchive(archive(*lists, "leaf", LIST))


def test_links_that_are_each_others_base_do_not_grow() -> None:
    links = [
        {"NS.base": uid(place + 2), "NS.relative": uid(place + 2), "$class": uid(62)} for place in range(60)
    ]
    with pytest.raises(Undecodable, match="too long"):
        unarchive(archive(*links, "aa", LINK))


def test_deep_lists_end_at_the_limit() -> None:
    lists = [{"NS.objects": [uid(place + 3)], "$class": uid(2)} for place in range(1, 101)]
    with pytest.raises(Undecodable, match="64 levels"):
        unarchive(archive({"NS.objects": [uid(3)], "$class": uid(2)}, LIST, *lists, "x"))


def test_a_class_with_very_many_names_is_looked_at_once() -> None:
    many = {"$classname": "A", "$classes": [f"C{place}" for place in range(20_000)]}
    objects = [{"$class": uid(2)} for _ in range(20_000)]
    places = [uid(4 + place) for place in range(20_000)]
    found = unarchive(archive({"NS.objects": places, "$class": uid(3)}, many, LIST, *objects))
    assert isinstance(found, list)
    assert len(found) == 20_000


BROKEN = {
    "not a plist": b"hello",
    "no archive": plistlib.dumps({"a": 1}, fmt=plistlib.FMT_BINARY),
    "a list": plistlib.dumps([1], fmt=plistlib.FMT_BINARY),
    "a reference into nowhere": archive({"NS.objects": [uid(99)], "$class": uid(2)}, LIST),
    "more keys than values": archive(
        {"NS.keys": [uid(3)], "NS.objects": [], "$class": uid(2)}, {"$classname": "NSDictionary"}, "a"
    ),
    "no elements": archive({"$class": uid(2)}, LIST),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_archive(name: str) -> None:
    with pytest.raises(Undecodable):
        unarchive(BROKEN[name])


def test_an_archive_in_xml() -> None:
    frame = {
        "$archiver": "NSKeyedArchiver", "$top": {"root": {"CF$UID": 1}},
        "$objects": ["$null", {"NS.objects": [{"CF$UID": 3}], "$class": {"CF$UID": 2}}, LIST, "x"],
    }  # fmt: skip
    assert unarchive(plistlib.dumps(frame)) == ["x"]


def test_archives_of_real_apps() -> None:
    folder = fixture("imessage-exporter", "app_message")
    found = {path.stem: unarchive(path.read_bytes()) for path in folder.iterdir()}
    poll, checkin = found["PollVote"], found["CheckinTimer"]
    assert isinstance(poll, dict)
    assert poll["an"] == "Polls"
    assert str(poll["URL"]).startswith("data:,eyJ")
    assert isinstance(checkin, dict)
    assert checkin["userInfo"]["caption"] == "Check\xa0In: Timer Started"
    for path in folder.iterdir():
        for size in range(0, path.stat().st_size, 7):
            with pytest.raises(Undecodable):
                unarchive(path.read_bytes()[:size])


def test_a_plain_plist() -> None:
    assert plain_plist(plistlib.dumps({"ec": {"0": []}}, fmt=plistlib.FMT_BINARY)) == {"ec": {"0": []}}
    with pytest.raises(Undecodable):
        plain_plist(b"")
    assert archived_objects.MAX_BYTES <= 16 << 20
