"""What a file shows of itself, whatever its name says and whatever it pretends to be."""

import io
import plistlib
from datetime import datetime

import pytest

from ibackup.contents.previews.file_preview import BytesPreview, file_preview, is_database
from ibackup.contents.previews.plist_preview import PlistNode
from ibackup.contents.previews.text_preview import MOST_TEXT, TextPreview
from support import hostile_names


def shown(data: bytes) -> TextPreview | PlistNode | BytesPreview:
    return file_preview(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "encoding", "guessed"),
    [
        ("Grüße, 你好".encode(), "UTF-8", False),
        ("Grüße, 你好".encode("utf-8-sig"), "UTF-8", False),
        ("Grüße, 你好".encode("utf-16"), "UTF-16", False),
        (b"\xfe\xff" + "Grüße, 你好".encode("utf-16-be"), "UTF-16", False),
        ("Grüße, 你好".encode("utf-32"), "UTF-32", False),
        ("Grüße, €".encode("cp1252"), "Windows-1252", True),
    ],
)
def test_a_text_is_read_in_its_encoding(data: bytes, encoding: str, guessed: bool) -> None:
    found = shown(data)
    assert isinstance(found, TextPreview)
    assert (found.encoding, found.guessed, found.is_cut) == (encoding, guessed, False)
    assert found.text.startswith("Grüße, ")


def test_of_a_long_text_the_beginning_is_shown_without_half_a_character() -> None:
    found = shown("你".encode() * MOST_TEXT)
    assert isinstance(found, TextPreview)
    assert found.is_cut
    assert set(found.text) == {"你"}


@pytest.mark.parametrize("data", [b"", b"\0\1\2\xff" * 200, b"MZ\x90\0\3" + bytes(5000), b"\xff\xfe\0\xd8"])
def test_what_is_no_text_is_shown_as_bytes(data: bytes) -> None:
    found = shown(data)
    if not data:
        assert found == TextPreview("", "UTF-8", guessed=False, is_cut=False)
        return
    assert isinstance(found, BytesPreview)
    assert bytes.fromhex(" ".join(line.hex for line in found.lines)) == data[:1024]
    assert found.is_cut == (len(data) > 1024)


@pytest.mark.parametrize("form", [plistlib.FMT_BINARY, plistlib.FMT_XML])
def test_a_property_list_is_a_tree(form: plistlib.PlistFormat) -> None:
    value = {
        "name": "Ann",
        "list": [1, 2.5, True],
        "when": datetime(2026, 11, 28, 22, 14),  # noqa: DTZ001 - as plistlib has them
        "data": bytes(range(40)),
        "none": {},
    }
    found = shown(plistlib.dumps(value, fmt=form))
    assert isinstance(found, PlistNode)
    inside = {each.key: each for each in found.inside}
    assert (found.kind, found.text, set(inside)) == ("dictionary", "5 values", set(value))
    assert [(each.key, each.kind, each.text) for each in inside["list"].inside] == [
        ("0", "number", "1"),
        ("1", "number", "2.5"),
        ("2", "yes or no", "yes"),
    ]
    assert inside["when"].text == "2026-11-28 22:14:00 UTC"
    assert inside["data"].text.startswith("40 bytes: 00 01")
    assert inside["none"].text == "empty"


def count(node: PlistNode) -> int:
    return 1 + sum(map(count, node.inside))


def test_a_large_property_list_is_cut_and_says_how_much_is_left_out() -> None:
    found = shown(plistlib.dumps({"a": list(range(5000)), "b": "x" * 100_000}, fmt=plistlib.FMT_BINARY))
    assert isinstance(found, PlistNode)
    assert count(found) < 3000
    a, b = found.inside
    assert len(a.inside) + a.left_out == 5000
    assert len(b.text) < 1000


def test_a_deep_property_list_is_cut_and_a_damaged_one_is_bytes() -> None:
    deep: dict[str, object] = {}
    for _ in range(40):
        deep = {"in": deep}
    found = shown(plistlib.dumps(deep, fmt=plistlib.FMT_BINARY))
    assert isinstance(found, PlistNode)
    assert count(found) < 40
    assert isinstance(shown(b"bplist00" + bytes(200)), BytesPreview)


def test_xml_that_is_no_property_list_is_a_text() -> None:
    page = b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>]><svg onload='alert(1)'>&a;</svg>"
    found = shown(page)
    assert isinstance(found, TextPreview)
    assert found.text == page.decode()


@pytest.mark.parametrize("name", hostile_names.NAMES)
def test_a_hostile_text_stays_what_it_is(name: str) -> None:
    data = name.encode("utf-8", "replace")
    found = shown(data)
    if isinstance(found, TextPreview):
        assert found.text == data.decode()


def test_a_database_is_known_by_its_first_bytes() -> None:
    assert is_database(b"SQLite format 3\0" + bytes(84))
    assert not is_database(b"SQLite format 2\0")
