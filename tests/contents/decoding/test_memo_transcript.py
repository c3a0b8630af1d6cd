"""Transcripts in recordings: where they are found, and that no file makes the reader fail or run away."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.contents.decoding.memo_transcript import transcript
from ibackup.simulator.life.memos_db import sound


def atom(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def test_a_transcript_behind_the_sound() -> None:
    assert transcript(io.BytesIO(sound("One two three"))) == "One two three"
    assert transcript(io.BytesIO(sound())) == ""


def test_a_layered_recording_keeps_it_in_a_list() -> None:
    words = {"attributedString": ["One", {"timeRange": [0, 1]}, " two", {"timeRange": [1, 2]}]}
    data = atom(b"data", b"\0\0\0\1\0\0\0\0" + json.dumps(words).encode())
    listed = atom(b"ilst", atom(b"\0\0\0\1", data))
    movie = atom(b"moov", atom(b"trak", atom(b"meta", atom(b"hdlr", bytes(24)) + listed)))
    assert transcript(io.BytesIO(atom(b"ftyp", b"qt  ") + movie)) == "One two"


def test_sizes_of_64_bits() -> None:
    movie = sound("here")
    start = movie.index(b"moov") - 4
    head = b"\0\0\0\1mdat" + (16 + 5000).to_bytes(8, "big") + bytes(5000)
    assert transcript(io.BytesIO(head + movie[start:])) == "here"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\0moov" + b"x" * 100,
        b"\0\0\0\1moov" + b"\xff" * 8,
        b"\xff\xff\xff\xffmoov",
        atom(b"moov", atom(b"trak", atom(b"udta", atom(b"tsrp", b"{" * 100_000)))),
        atom(b"moov", b"\0\0\0\x08trak" * 100_000),
    ],
)
def test_odd_files_have_no_transcript(data: bytes) -> None:
    assert transcript(io.BytesIO(data)) == ""


@given(st.binary(max_size=300), st.integers(0, 900), st.integers(0, 255))
def test_no_file_makes_it_fail(tail: bytes, at: int, byte: int) -> None:
    data = bytearray(sound("One two three") + tail)
    data[at % len(data)] = byte
    transcript(io.BytesIO(bytes(data)))
