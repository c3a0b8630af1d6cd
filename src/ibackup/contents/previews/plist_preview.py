"""A property list as a tree that a page can show: bounded in depth, in the number of values and in their length."""

import plistlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ibackup.apple.bplist import HEAD
from ibackup.apple.format_errors import FormatError
from ibackup.apple.plists import load

MOST_PLIST: Final = 16 * 1024 * 1024  # bytes that are read
_MOST_OBJECTS: Final = 300_000
_MOST_SHOWN: Final = 2000
_MOST_OF_ONE: Final = 500
_DEEPEST: Final = 24
_MOST_TEXT: Final = 400
_MOST_DATA: Final = 24
_BEGINNINGS: Final = (HEAD, b"<?xml", b"<!DOCTYPE plist", b"<plist")


@dataclass(frozen=True, slots=True)
class PlistNode:
    """A value.

    Attributes:
        key: in its dictionary, or its number in an array; empty for the whole.
        kind: of which type it is, in a word for people.
        text: the value itself, or how many values it has.
        inside: the values in it.
        left_out: how many of these are not shown.
    """

    key: str
    kind: str
    text: str
    inside: tuple["PlistNode", ...] = ()
    left_out: int = 0


def may_be_plist(head: bytes) -> bool:
    """Whether a file that begins like that may be a property list."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_BEGINNINGS)


def plist_preview(data: bytes) -> PlistNode | None:
    """The tree of a property list, binary or XML; None if it is none, or damaged."""
    try:
        value = load(data, limit=MOST_PLIST, max_objects=_MOST_OBJECTS, part="The property list")
    except FormatError:
        return None
    return _Tree().node("", value, 0)


class _Tree:
    def __init__(self) -> None:
        self._left = _MOST_SHOWN

    def node(self, key: str, value: object, depth: int) -> PlistNode:
        self._left -= 1
        if isinstance(value, dict):
            return self._holder(key, "dictionary", value.items(), len(value), depth)
        if isinstance(value, list):
            numbered = ((str(place), each) for place, each in enumerate(value))
            return self._holder(key, "array", numbered, len(value), depth)
        return PlistNode(key, *_shown(value))

    def _holder(
        self, key: str, kind: str, items: Iterable[tuple[object, object]], count: int, depth: int
    ) -> PlistNode:
        inside: list[PlistNode] = []
        for name, value in items:
            if depth >= _DEEPEST or self._left <= 0 or len(inside) >= _MOST_OF_ONE:
                break
            inside.append(self.node(_cut(str(name)), value, depth + 1))
        said = "1 value" if count == 1 else f"{count:,} values"
        return PlistNode(key, kind, said if count else "empty", tuple(inside), count - len(inside))


def _shown(value: object) -> tuple[str, str]:
    """The type and the text of a value that holds no others."""
    if isinstance(value, bool):
        return "yes or no", "yes" if value else "no"
    if isinstance(value, int | float):
        return "number", _cut(str(value))
    if isinstance(value, str):
        return "text", _cut(value)
    if isinstance(value, datetime):
        return "time", f"{value.replace(tzinfo=UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, bytes):
        more = " …" if len(value) > _MOST_DATA else ""
        return "data", f"{len(value):,} bytes: {value[:_MOST_DATA].hex(' ')}{more}" if value else "empty"
    if isinstance(value, plistlib.UID):
        return "reference", f"to object {value.data:,}"
    return "value", _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} …"
