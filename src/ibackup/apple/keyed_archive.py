"""Reads some keys of a keyed archive, and nothing else.

``plistlib`` builds everything in an archive, even class descriptions, and its input must be checked first
(``bplist.check``). This code looks only at the archived object's own keys and at what they refer to. Its
depth is fixed and it follows nothing twice, so nothing can nest, loop or unfold, and it compares every length
with the bytes that are there.
"""

import functools
import plistlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, overload

from ibackup.apple.bplist import HEAD

_TRAILER: Final = struct.Struct(">6xBBQQQ")
_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}  # codes of struct
_FRAME_TOP: Final = b"\x54$top"
_FRAME_OBJECTS: Final = b"\x58$objects"
_ROOT: Final = b"\x54root"


class UnreadableArchive(Exception):
    """It is damaged or not laid out as archives are; plistlib may be able to read it."""


def marked(*names: str) -> Mapping[bytes, str]:
    """Keys as they appear in an archive, with their marker before them."""
    found = {}
    for name in names:
        size = len(name)
        head = bytes([0x50 | size]) if size < 15 else bytes([0x5F, 0x10, size])
        found[head + name.encode("ascii")] = name
    return found


_INNER: Final = marked("NS.data", "NS.string")


def read(
    blob: bytes, keys: Mapping[bytes, str], *, max_objects: int
) -> tuple[Mapping[object, object], Sequence[object]]:
    """The archived object, and the list of objects that its UIDs refer to, which are read when needed.

    Args:
        blob: the archive, a binary plist.
        keys: the wanted keys of the object, made by ``marked``.
        max_objects: objects allowed.

    Raises:
        Unreadable: also by the list, for an object that is neither a number, text, data nor a dictionary of
            these.
    """
    try:
        archive = _Archive(blob, max_objects)
        frame = archive.entries(archive.top)
        top = archive.entries(frame[_FRAME_TOP])
        objects = archive.objects(frame[_FRAME_OBJECTS])
        root = archive.value(top[_ROOT])
        if not isinstance(root, plistlib.UID):
            raise UnreadableArchive
        found = archive.entries(objects.numbers[root.data])
        value = archive.value
        fields: dict[object, object] = {
            key: value(number) for name, number in found.items() if (key := keys.get(name)) is not None
        }
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise UnreadableArchive from error
    return fields, objects


@functools.lru_cache(maxsize=64)
def _uid(number: int) -> plistlib.UID:
    """They are equal in nearly all archives, and slow to make."""
    return plistlib.UID(number)


class _Archive:
    """The objects of a binary plist by their numbers."""

    def __init__(self, blob: bytes, max_objects: int) -> None:
        if not blob.startswith(HEAD):
            raise UnreadableArchive
        offset_size, ref_size, count, self.top, table = _TRAILER.unpack_from(blob, len(blob) - 32)
        if not 0 < count <= max_objects or table + count * offset_size > len(blob) - 32:
            raise UnreadableArchive
        self._blob = blob
        self._end = table
        self._ref_code = _CODES[ref_size]
        self._ref_size = ref_size
        self._offsets: Sequence[int] = (
            blob[table : table + count]
            if offset_size == 1
            else struct.unpack_from(f">{count}{_CODES[offset_size]}", blob, table)
        )

    def value(self, number: int) -> object:
        """A number, boolean, text, data, UID or nothing."""
        blob, at = self._blob, self._offsets[number]
        marker = blob[at]
        if marker == 0x10 and at + 2 <= self._end:
            return blob[at + 1]
        kind, low = marker & 0xF0, marker & 0x0F
        if kind == 0x10 and low <= 4:
            end = at + 1 + (1 << low)
            if end > self._end:
                raise UnreadableArchive
            return int.from_bytes(blob[at + 1 : end], "big", signed=low >= 3)
        if kind == 0x80:
            return _uid(int.from_bytes(self._bytes(at + 1, low + 1), "big"))
        if kind in (0x40, 0x50, 0x60):
            count, start = self._length(at)
            data = self._bytes(start, 2 * count if kind == 0x60 else count)
            return data if kind == 0x40 else data.decode("ascii" if kind == 0x50 else "utf-16-be")
        if kind == 0x20 and low in (2, 3):
            code = ">f" if low == 2 else ">d"
            result: float = struct.unpack(code, self._bytes(at + 1, 1 << low))[0]
            return result
        if marker in (0x00, 0x08, 0x09):
            return {0x00: None, 0x08: False, 0x09: True}[marker]
        raise UnreadableArchive

    def entries(self, number: int) -> dict[bytes, int]:
        """A dictionary's keys, each with its marker, and the numbers of their values."""
        blob, at = self._blob, self._offsets[number]
        if blob[at] & 0xF0 != 0xD0:
            raise UnreadableArchive
        refs = self._refs(at, 2)
        half = len(refs) // 2
        offsets = self._offsets
        found = {}
        for place in range(half):
            start, value = offsets[refs[place]], refs[half + place]
            low = blob[start] - 0x50
            if 0 <= low < 0x0F:
                found[blob[start : start + 1 + low]] = value
            elif low == 0x0F:
                count, content = self._length(start)
                found[blob[start : content + count]] = value
            else:
                raise UnreadableArchive
        return found

    def objects(self, number: int) -> "_Objects":
        """The list of archived objects."""
        at = self._offsets[number]
        if self._blob[at] & 0xF0 != 0xA0:
            raise UnreadableArchive
        return _Objects(self, self._refs(at, 1))

    def archived(self, number: int) -> object:
        """Like ``value``; also a dictionary, from which only what NSData and NSString keep is read."""
        if self._blob[self._offsets[number]] & 0xF0 != 0xD0:
            return self.value(number)
        entries = self.entries(number)
        return {_INNER[name]: self.value(value) for name, value in entries.items() if name in _INNER}

    def _refs(self, at: int, each: int) -> Sequence[int]:
        count, start = self._length(at)
        refs = self._bytes(start, each * count * self._ref_size)
        return refs if self._ref_size == 1 else struct.unpack(f">{each * count}{self._ref_code}", refs)

    def _length(self, at: int) -> tuple[int, int]:
        """The length of an object, and the position of its contents."""
        low = self._blob[at] & 0x0F
        if low != 0x0F:
            return low, at + 1
        marker = self._blob[at + 1]
        if marker & 0xF0 != 0x10 or marker & 0x0F > 3:
            raise UnreadableArchive
        size = 1 << (marker & 0x0F)
        return int.from_bytes(self._bytes(at + 2, size), "big"), at + 2 + size

    def _bytes(self, start: int, size: int) -> bytes:
        if start + size > self._end:
            raise UnreadableArchive
        return self._blob[start : start + size]


class _Objects(Sequence[object]):
    """The archived objects, each read when needed."""

    def __init__(self, archive: _Archive, numbers: Sequence[int]) -> None:
        self._archive = archive
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> object: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[object]: ...
    def __getitem__(self, index: int | slice) -> object:
        if isinstance(index, slice):
            return [self._read(number) for number in self.numbers[index]]
        return self._read(self.numbers[index])

    def __iter__(self) -> Iterator[object]:
        return (self._read(number) for number in self.numbers)

    def _read(self, number: int) -> object:
        try:
            return self._archive.archived(number)
        except (IndexError, ValueError, struct.error) as error:
            raise UnreadableArchive from error
