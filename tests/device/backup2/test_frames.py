"""The frame parser: any split of the bytes gives the same files, and nothing outside the rules is taken."""

import plistlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.base.errors import ProtocolBroken
from ibackup.device.devicelink.frames_and_chunks import (
    MAX_FRAME,
    FileParser,
    LinkStatus,
    encode,
    encode_status,
    multi_status,
)
from support.scripted import chunk, file, name

Seen = tuple[str, str, bytes, int, str]


class Keep:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.files: list[Seen] = []
        self._names = ("", "")
        self._data = bytearray()

    def begin(self, device_path: str, path: str) -> None:
        self._names = (device_path, path)
        self._data = bytearray()

    def data(self, buffer: memoryview, start: int, stop: int) -> None:
        self._data += buffer[start:stop]

    def end(self, code: int, text: str) -> None:
        self.files.append((*self._names, bytes(self._data), code, text))


def parse(stream: bytes, cuts: list[int]) -> tuple[list[Seen], FileParser, int]:
    """Feed a stream cut at these places, as a receive buffer would: what was not taken comes again."""
    keep = Keep()
    parser = FileParser(keep)
    view = memoryview(bytearray(stream))
    at = 0
    for cut in [*sorted(cuts), len(stream)]:
        at = parser.parse(view, at, cut) if cut > at else at
        if parser.done:
            break
        # What it waits for never goes beyond the end of the list: nothing more would come.
        assert at + parser.need <= len(stream)
        assert parser.need > cut - at
    return keep.files, parser, at


PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)
FILES = st.lists(
    st.tuples(
        PATHS,
        PATHS,
        st.lists(st.binary(max_size=300), max_size=5),
        st.tuples(st.integers(0, 255).filter(lambda code: code != 0x0C), st.text(max_size=40)),
    ),
    max_size=6,
)


@given(files=FILES, data=st.data())
def test_any_split_gives_the_same_files(
    files: list[tuple[str, str, list[bytes], tuple[int, str]]], data: st.DataObject
) -> None:
    stream = bytearray()
    expected: list[Seen] = []
    for source, path, parts, (code, text) in files:
        said = text.encode("utf-8", "surrogatepass")
        stream += name(source) + name(path) + b"".join(map(chunk, parts)) + chunk(said, code)
        expected.append((source, path, b"".join(parts), code, text))
    stream += bytes(4) + b"the next message"
    end = len(stream) - len(b"the next message")
    cuts = data.draw(st.lists(st.integers(0, end), max_size=20))
    seen, parser, at = parse(bytes(stream), cuts)
    assert seen == expected
    assert parser.done
    assert at == end
    assert parser.received == sum(len(part) for _, _, parts, _ in files for part in parts)


def test_byte_by_byte() -> None:
    stream = file("U/a", b"x" * 70, b"", b"yz") + file("U/b", end=(11, b"broken")) + bytes(4)
    seen, parser, _ = parse(stream, list(range(len(stream))))
    assert seen == [
        ("/var/mobile/x", "U/a", b"x" * 70 + b"yz", 0, ""),
        ("/var/mobile/x", "U/b", b"", 11, "broken"),
    ]
    assert parser.done


@given(junk=st.binary(max_size=400))
def test_junk_is_refused_or_waited_for(junk: bytes) -> None:
    parser = FileParser(Keep())
    try:
        at = parser.parse(memoryview(bytearray(junk)), 0, len(junk))
    except ProtocolBroken:
        return
    assert 0 <= at <= len(junk)
    assert parser.done or parser.need > len(junk) - at


@pytest.mark.parametrize("length", [4097, 1 << 20, 0xFFFF_FFFF])
@pytest.mark.parametrize("first", [b"", name("/var/x")])
def test_a_path_that_is_too_long(length: int, first: bytes) -> None:
    stream = first + struct.pack(">I", length)
    with pytest.raises(ProtocolBroken, match="path of"):
        parse(stream, [])


def test_a_path_of_nothing() -> None:
    with pytest.raises(ProtocolBroken, match="path of 0"):
        parse(name("/var/x") + bytes(4), [])


def test_a_path_that_is_no_text() -> None:
    with pytest.raises(ProtocolBroken, match="not text"):
        parse(name("/var/x") + name(b"U/\xff\xfe"), [])


def test_where_a_file_came_from_may_be_anything() -> None:
    keep = Keep()
    stream = struct.pack(">I", 2) + b"\xff\xfe" + name("U/a") + chunk(b"", 0) + bytes(4)
    FileParser(keep).parse(memoryview(bytearray(stream)), 0, len(stream))
    assert keep.files[0][1:] == ("U/a", b"", 0, "")


@pytest.mark.parametrize(
    ("code", "length"),
    [
        (0x0B, MAX_FRAME + 1),
        (0, MAX_FRAME + 1),
        (0x0C, 0x8000_0000),
        *((code, 0xFFFF_FFFF) for code in (0, 0x0B, 0x0C)),
    ],
)
def test_a_frame_that_is_too_long(code: int, length: int) -> None:
    with pytest.raises(ProtocolBroken, match="in one piece"):
        parse(name("a") + name("b") + struct.pack(">IB", length, code), [])


@pytest.mark.parametrize("length", [MAX_FRAME, MAX_FRAME + 1, 0x7FFF_FFFF])
def test_data_is_handed_on_as_it_comes_however_long_a_chunk_is(length: int) -> None:
    keep = Keep()
    parser = FileParser(keep)
    head = name("a") + name("b") + struct.pack(">IB", length, 0x0C)
    assert parser.parse(memoryview(bytearray(head)), 0, len(head)) == len(head)
    block = memoryview(bytearray(1 << 20))
    for _ in range(63):
        assert parser.parse(block, 0, len(block)) == len(block)
    assert parser.received == 63 << 20
    assert parser.need == length - 1 - (63 << 20) + 4


def test_a_chunk_of_length_zero_ends_the_file_as_failed() -> None:
    for cuts in ([], list(range(200))):
        stream = name("a") + name("b") + chunk(b"xy") + bytes(4) + file("c", b"z") + bytes(4)
        seen, parser, _ = parse(stream, [cut for cut in cuts if cut < len(stream)])
        assert [entry[1:4] for entry in seen] == [("b", b"xy", 1), ("c", b"z", 0)]
        assert parser.done


def test_a_long_error_text_is_read_to_its_end_and_cut() -> None:
    stream = name("a") + name("b") + chunk(b"e" * 100_000, 0x0B) + file("c", b"z") + bytes(4)
    seen, _, _ = parse(stream, list(range(0, len(stream), 999)))
    assert seen[0][3:] == (0x0B, "e" * 1024)
    assert seen[1][2] == b"z"


@pytest.mark.parametrize("code", list(LinkStatus))
def test_a_status_has_four_elements_and_a_signed_code(code: LinkStatus) -> None:
    message = encode_status(code, "text", {})
    assert struct.unpack(">I", message[:4])[0] == len(message) - 4
    assert plistlib.loads(message[4:]) == ["DLMessageStatusResponse", int(code), "text", {}]
    assert message[4:].startswith(b"bplist00")
    if code < 0:
        # Eight bytes, two's complement: what every reader, the phone's too, takes for a negative number.
        assert b"\x13" + struct.pack(">q", code) in message


def test_nothing_is_spelled_as_the_marker() -> None:
    assert plistlib.loads(encode_status(0)[4:])[2:] == ["___EmptyParameterString___"] * 2


def test_multi_status() -> None:
    value = multi_status({"U/x": (LinkStatus.NOT_FOUND, "No such file")})
    assert value == {"U/x": {"DLFileErrorString": "No such file", "DLFileErrorCode": -6}}
    assert plistlib.loads(encode(["a", value])[4:])[1]["U/x"]["DLFileErrorCode"] == -6
