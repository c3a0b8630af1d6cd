"""Attributed texts: what phones wrote, what nobody should have written, and what another program makes of it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import typedstream as judge  # pytypedstream
from hypothesis import given
from hypothesis import strategies as st

from ibackup.contents.decoding import typedstream
from ibackup.contents.decoding.typedstream import AttributedText, TextRun, attributed_text
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.simulator.life.made_typedstream import MESSAGE_PART, attributed, integer, message_body
from support.appdata import fixture

BOLD = "__kIMTextBoldAttributeName"


def real_blobs() -> Iterator[tuple[str, bytes]]:
    for path in sorted(fixture("imessage-exporter", "typedstream").iterdir()):
        yield path.name, path.read_bytes()
    database = fixture("imessage-exporter", "db", "test.db")
    yield from ((f"message {number}", blob) for number, blob in bodies(database).items())


def bodies(path: Path) -> dict[int, bytes]:
    database = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    with contextlib.closing(database):
        return dict(
            database.execute("SELECT ROWID, attributedBody FROM message WHERE attributedBody IS NOT NULL")
        )


def by_the_judge(blob: bytes) -> AttributedText:
    """What pytypedstream reads in it."""
    text, *rest = judge.unarchive_from_data(blob).contents
    known: dict[int, dict[str, object]] = {}
    runs, start = [], 0
    pairs: list[tuple[int, int]] = []
    for each in rest:
        if len(each.values) == 2:
            pairs.append((each.values[0], each.values[1]))
        else:
            contents = each.value.contents
            known[pairs[-1][0]] = {key.value: plain(value) for key, value in contents.items()}
    for number, length in pairs:
        runs.append(TextRun(start, length, known[number]))  # type: ignore[arg-type]
        start += length
    return AttributedText(text.values[0].value, tuple(runs))


def plain(value: object) -> object:
    for name in ("value", "data"):
        if hasattr(value, name):
            return getattr(value, name)
    contents = getattr(value, "contents", {})
    return {key.value: plain(each) for key, each in contents.items()}


def test_texts_of_real_phones_are_read_as_another_program_reads_them() -> None:
    count = 0
    for name, blob in real_blobs():
        assert attributed_text(blob) == by_the_judge(blob), name
        count += 1
    assert count >= 25


def test_the_quick_way_reads_what_the_whole_way_reads() -> None:
    quick = 0
    for name, blob in real_blobs():
        found = typedstream._plain_text(blob)
        quick += found is not None
        assert found is None or found == typedstream._read(blob), name
    assert quick >= 6


@given(st.text(max_size=300), st.integers(0, 300), st.booleans())
def test_any_text_comes_back(text: str, part: int, mutable: bool) -> None:
    text = text.encode("utf-8", "replace").decode()
    blob = attributed([(text, {MESSAGE_PART: part})], mutable=mutable)
    found = attributed_text(blob)
    assert found.text == text
    assert found == typedstream._read(blob)
    assert [dict(run.attributes) for run in found.runs] == [{MESSAGE_PART: part}]


def test_a_text_is_found_in_a_stream_that_cannot_be_read() -> None:
    """Another project's made-up bodies refer to the wrong objects; pytypedstream cannot read them, either."""
    found = bodies(fixture("novkostya-messages", "messages.1.sms.db"))
    assert attributed_text(found[4]) == AttributedText("Hi 👋 group 🌍", flaw="its classes are damaged")
    with pytest.raises(IndexError):
        judge.unarchive_from_data(found[4])


def test_our_writer_writes_what_phones_write() -> None:
    part = {MESSAGE_PART: 0}
    wanted = {
        "AttributedBodyTextOnly": attributed([("Noter test", part)], mutable=True),
        "EditedWithFormatting": attributed([("Test", {"__kIMTextStrikethroughAttributeName": 1, **part})]),
        "Mention": attributed(
            [
                ("Test ", part),
                ("Dad", {"__kIMMentionConfirmedMention": "+15558675309", **part}),
                (" ", part),
            ],
            mutable=True,
        ),
    }
    folder = fixture("imessage-exporter", "typedstream")
    assert {name: (folder / name).read_bytes() for name in wanted} == wanted


def test_ranges_count_utf16_units() -> None:
    blob = attributed([("a😀", {MESSAGE_PART: 0}), ("🄱b", {BOLD: 1}), ("ü", {MESSAGE_PART: 0})])
    found = attributed_text(blob)
    assert [(run.start, run.length) for run in found.runs] == [(0, 3), (3, 3), (6, 1)]
    assert [(text, BOLD in attributes) for text, attributes in found.pieces()] == [
        ("a😀", False), ("🄱b", True), ("ü", False),
    ]  # fmt: skip


@given(st.text(max_size=20), st.lists(st.integers(-3, 9), max_size=6))
def test_pieces_are_the_text_whatever_the_ranges_say(text: str, lengths: list[int]) -> None:
    runs, start = [], 0
    for length in lengths:
        runs.append(TextRun(start, length, {}))
        start += length
    assert "".join(piece for piece, _ in AttributedText(text, tuple(runs)).pieces()) == text


def test_values_of_attributes() -> None:
    inner = {"code": "000123", "deep": {"deeper": {"deepest": {"gone": 1}}}}
    blob = attributed([("x", {"a": b"\0\1", "b": 1.5, "c": inner, "d": -1, "e": 70_000})])
    attributes = attributed_text(blob).runs[0].attributes
    assert attributes["a"] == b"\0\1"
    assert (attributes["b"], attributes["d"], attributes["e"]) == (1.5, -1, 70_000)
    assert attributes["c"] == {"code": "000123", "deep": {"deeper": {}}}


def test_every_truncation_gives_a_text_with_a_flaw_or_an_error() -> None:
    blob = attributed([("Grüße ☀️", {MESSAGE_PART: 0}), (" und 😀", {BOLD: 1})], mutable=True)
    whole = attributed_text(blob)
    begun = 0
    for size in range(len(blob)):
        try:
            found = attributed_text(blob[:size])
        except Undecodable:
            continue
        begun += 1
        assert found.flaw
        assert whole.text.startswith(found.text)
        assert whole.runs[: len(found.runs)] == found.runs
    assert begun > len(whole.text.encode())


HEAD = message_body("")[:16]


def bomb(attributes: bytes, text: bytes = b"\x01x") -> bytes:
    """A text whose attributes are these bytes. In them 0x92 is the type "@" and 0x94 the class NSObject."""
    start = message_body("x")
    at = start.index(b"+\x01x") + 1
    return start[:at] + text + b"\x86" + attributes


LIST = b"\x84\x02iI\x01\x01\x92" + b"\x84\x84\x84\x07NSArray\0\x94\x84\x01i"
"""One run, whose attributes are a list; its number and its values come next."""
ANOTHER = b"\x92\x84\x98\x99"
"""A list in a list; its number and its values come next."""
DATA = b"\x84\x02iI\x01\x01\x92\x84\x84\x84\x06NSData\0\x94\x84"


def shared_lists(depth: int, width: int) -> bytes:
    """Lists in lists, each `width` times: as a tree, `width` to the power of `depth` values."""
    out = LIST + bytes([width])
    for _ in range(depth):
        out += ANOTHER + bytes([width])
    out += b"\x92\x85" * width + b"\x86"
    for level in reversed(range(depth)):
        out += (b"\x92" + integer(7 + level - 110)) * (width - 1) + b"\x86"
    return out + b"\x86"


BOMBS = {
    "nothing": b"",
    "another kind of stream": b"\x04\x0btypedstream\x81\x03\xe8" + bytes(50),
    "a plist": b"bplist00" + bytes(40),
    "a number for a text": HEAD + b"\x84\x01i\x05",
    "a chain of classes": HEAD + b"\x84\x01@\x84" + b"\x84\x84\x01A\0" * 3000 + b"\x85",
    "a class that is an object": HEAD + b"\x84\x01@\x84\x92",
    "a reference into nowhere": HEAD + b"\x84\x01@\x84\x84\xf0",
    "a negative length": HEAD + b"\x84\x82\xff\xff\xff\xff",
    "no text": HEAD + b"\x84\x01@\x84\x84\x84\x12NSAttributedString\0\x85\x86",
}  # fmt: skip
FLAWED = {
    "a giant array": (DATA + b"\x0c[999999999c]\0", "it is incomplete"),
    "nested lists": (LIST + b"\x01" + (ANOTHER + b"\x01") * 500, "it nests more than 32 levels deep"),
    "an unknown type": (DATA + b"\x01^\x01", "it has values of an unknown type"),
    "an array of nothing": (DATA + b"\x0c[999999{a=}]", "it has values of an unknown type"),
    "too many pieces": (LIST + b"\0\x86" + b"\x97\x01\x00" * 30_000, "it has more than 20,000 pieces"),
    "too many objects": (LIST + b"\0" + b"\x92\x84\x98\x86" * 300_000, "it has more than 200,000 objects"),
    "too many values": (LIST + b"\0" + b"\x92\x85" * 300_000, "it has more than 200,000 values"),
    "no attributes": (b"\x84\x02iI\x01\x01\x92", "it is incomplete"),
    "a piece of another type": (b"\x84\x01i\x01", "its attributes are damaged"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_no_text_is_undecodable(name: str) -> None:
    with pytest.raises(Undecodable):
        attributed_text(BOMBS[name])


@pytest.mark.parametrize("name", FLAWED)
def test_damaged_attributes_leave_the_text(name: str) -> None:
    attributes, flaw = FLAWED[name]
    found = attributed_text(bomb(attributes))
    assert (found.text, found.flaw) == ("x", flaw)


def test_a_length_of_gigabytes_costs_no_memory() -> None:
    found = attributed_text(bomb(b"", text=b"\x82\xff\xff\xff\x7fabc"))
    assert found.text.startswith("abc")
    assert found.flaw == "it ends within its text"


def test_lists_that_share_each_other_do_not_unfold() -> None:
    found = attributed_text(bomb(shared_lists(30, 20)))
    assert (found.text, found.flaw, len(found.runs)) == ("x", "", 1)


def test_more_bytes_than_any_message_has() -> None:
    with pytest.raises(Undecodable, match="limit"):
        attributed_text(message_body("x" * (typedstream.MAX_BYTES + 1)))
