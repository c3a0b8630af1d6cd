"""The transcript that Voice Memos keeps inside a recording (iOS 18 and later).

It is JSON, in an m4a file in the atom ``moov/trak/udta/tsrp``, in a layered recording (qta) in ``moov/trak/meta/ilst``.
Places and names as read by two programs of others; the JSON's form as far as one of them describes it.
"""

import json
from collections.abc import Iterator
from typing import BinaryIO, Final

_CONTAINERS: Final = frozenset({b"moov", b"trak", b"udta", b"meta", b"ilst"})
_MOST_MOVIE: Final = 32 << 20  # bytes
_MOST_JSON: Final = 8 << 20
_MOST_ATOMS: Final = 10_000
_DEPTH: Final = 6
_HEAD: Final = 8


def transcript(source: BinaryIO) -> str:
    """What was said in a recording; empty if nothing is there that can be read. Raises OSError."""
    for text in (_words(found) for found in _candidates(_movie(source))):
        if text:
            return text
    return ""


def _movie(source: BinaryIO) -> bytes:
    """The recording's description, which may follow its sound."""
    for _ in range(_MOST_ATOMS):
        head = source.read(16)
        if len(head) < _HEAD:
            return b""
        size, kind, header = int.from_bytes(head[:4], "big"), head[4:8], _HEAD
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        if kind == b"moov":
            whole = size - header if size else _MOST_MOVIE
            source.seek(header - len(head), 1)
            return source.read(whole) if 0 < whole <= _MOST_MOVIE else b""
        if size < header:  # also 0: the last atom reaches to the end
            return b""
        source.seek(size - len(head), 1)
    return b""


def _candidates(movie: bytes) -> Iterator[bytes]:
    waiting = [(memoryview(movie), 0)]
    left = _MOST_ATOMS
    while waiting:
        data, depth = waiting.pop()
        for kind, content in _atoms(data):
            left -= 1
            if left < 0:
                return
            if kind == b"tsrp" or (kind == b"data" and b"attributedString" in bytes(content[:4096])):
                yield bytes(content[:_MOST_JSON])
            elif depth < _DEPTH and (kind in _CONTAINERS or kind[:1] == b"\0"):
                waiting.append((content[_full(kind, content) :], depth + 1))


def _full(kind: bytes, content: memoryview) -> int:
    """The bytes before the atoms in a container: "meta" has four more in an m4a file than in a QuickTime one."""
    return 4 if kind == b"meta" and bytes(content[4:8]) not in (b"hdlr", b"keys", b"ilst") else 0


def _atoms(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + _HEAD <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < _HEAD or at + size > len(data):
            return
        yield bytes(data[at + 4 : at + 8]), data[at + _HEAD : at + size]
        at += size


def _words(content: bytes) -> str:
    """The text of the JSON, which lists words and what is known of each in turn."""
    start = content.find(b"{")
    if start < 0:
        return ""
    try:
        found, _ = json.JSONDecoder().raw_decode(content[start:].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return ""
    told = found.get("attributedString") if isinstance(found, dict) else None
    runs = told.get("runs") if isinstance(told, dict) else told
    if isinstance(runs, str):
        return runs
    return "".join(each for each in runs if isinstance(each, str)).strip() if isinstance(runs, list) else ""
