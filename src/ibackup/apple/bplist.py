"""The structure of a binary property list, checked before anything is built from it.

A few hundred bytes can claim four billion objects, nest a thousand lists, contain themselves, or refer to one
list of lists so often that walking the result takes forever. ``check`` finds all of that in one pass.
"""

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta

HEAD = b"bplist00"
TRAILER_BYTES = 32
_EPOCH = datetime(2001, 1, 1)  # noqa: DTZ001 - plist dates are UTC without saying so, as plistlib gives them
_ARRAY, _SET, _DICT = 0xA0, 0xC0, 0xD0
_CONTAINERS = (_ARRAY, _SET, _DICT)
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}  # codes of struct
_WIDTH = {0x40: 1, 0x50: 1, 0x60: 2}  # bytes per unit of data, ASCII and UTF-16


class Malformed(ValueError):
    """What is wrong with a binary plist."""


@dataclass(frozen=True, slots=True)
class Trailer:
    """The last 32 bytes: how objects are found."""

    offset_size: int
    ref_size: int
    objects: int
    top: int
    table: int

    @classmethod
    def parse(cls, data: bytes) -> "Trailer":
        """Read it and check that it matches the data. Raises Malformed."""
        if not data.startswith(HEAD) or len(data) < len(HEAD) + 1 + TRAILER_BYTES:
            raise Malformed("it is incomplete, or not a binary property list")
        tail = data[-TRAILER_BYTES:]
        trailer = cls(
            offset_size=tail[6],
            ref_size=tail[7],
            objects=int.from_bytes(tail[8:16], "big"),
            top=int.from_bytes(tail[16:24], "big"),
            table=int.from_bytes(tail[24:32], "big"),
        )
        if not (1 <= trailer.offset_size <= 8 and 1 <= trailer.ref_size <= 8):
            raise Malformed("its trailer is damaged")
        end = trailer.table + trailer.objects * trailer.offset_size
        if trailer.table < len(HEAD) + 1 or end > len(data) - TRAILER_BYTES or trailer.top >= trailer.objects:
            raise Malformed("its trailer does not fit its length")
        return trailer

    def offsets(self, data: bytes) -> list[int]:
        """The position of each object."""
        size = self.offset_size
        end = self.table + self.objects * size
        if size in _CODES:
            return list(struct.unpack_from(f">{self.objects}{_CODES[size]}", data, self.table))
        return [int.from_bytes(data[at : at + size], "big") for at in range(self.table, end, size)]


def check(data: bytes, *, max_objects: int, max_depth: int) -> str:
    """What is wrong with a binary plist, or an empty string if it may be parsed.

    Args:
        data: the whole plist.
        max_objects: objects allowed, as a tree: a shared object counts once for each reference.
        max_depth: containers within containers allowed.
    """
    try:
        trailer, offsets = _offsets(data, max_objects)
        containers: dict[int, list[int]] = {}
        for number, offset in enumerate(offsets):
            refs = _refs(data, offset, trailer)
            if refs:
                containers[number] = refs
        return _walk(containers, trailer.top, max_objects, max_depth)
    except Malformed as flaw:
        return str(flaw)


def simple(data: bytes, *, max_objects: int, max_depth: int) -> object | None:
    """The value of a binary plist, if it contains only data, dates and what JSON has.

    Several times as fast as a check followed by plistlib. Nearly everything that a phone sends is of this
    kind, and with a hundred thousand files that matters.

    Args:
        data: the whole plist.
        max_objects: objects allowed, as for ``check``.
        max_depth: containers within containers allowed.

    Returns:
        The same as plistlib; None if it contains something else or something is wrong with it.
    """
    try:
        trailer, offsets = _offsets(data, max_objects)
        containers: dict[int, list[int]] = {}
        values: list[object] = []
        for offset in offsets:
            kind = data[offset] & 0xF0
            if kind in (_ARRAY, _DICT):
                containers[len(values)] = _refs(data, offset, trailer)
                values.append([] if kind == _ARRAY else {})
            else:
                values.append(_scalar(data, offset, trailer.table))
    except (Malformed, IndexError, UnicodeDecodeError, OverflowError, ValueError):
        return None
    if _walk(
        {number: refs for number, refs in containers.items() if refs}, trailer.top, max_objects, max_depth
    ):
        return None
    return values[trailer.top] if _fill(values, containers) else None


def _date(seconds: float) -> datetime | None:
    """A date; None if no calendar has it. The rest of the plist stays usable."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def _scalar(data: bytes, offset: int, end: int) -> object:
    """A text, data, number, truth value or date. Raises Malformed for anything else."""
    marker = data[offset]
    kind, count = marker & 0xF0, marker & 0x0F
    if kind in _WIDTH:
        start = offset + 1
        if count == 0x0F:
            count, start = length(data, offset)
        stop = start + count * _WIDTH[kind]
        if stop <= end:
            content = data[start:stop]
            return content if kind == 0x40 else content.decode("ascii" if kind == 0x50 else "utf-16-be")
    elif marker in (0x08, 0x09):
        return marker == 0x09
    elif offset + 1 + (1 << count) <= end:
        content = data[offset + 1 : offset + 1 + (1 << count)]
        if kind == 0x10 and count <= 3:
            return int.from_bytes(content, "big", signed=count == 3)
        if marker in (0x22, 0x23):
            number: float = struct.unpack(">f" if marker == 0x22 else ">d", content)[0]
            return number
        if marker == 0x33:
            return _date(struct.unpack(">d", content)[0])
    raise Malformed("it contains something else")


def _fill(values: list[object], containers: dict[int, list[int]]) -> bool:
    """Fill the lists and dictionaries with what they refer to; False if a key is not a text."""
    for number, refs in containers.items():
        container = values[number]
        if isinstance(container, list):
            container += [values[ref] for ref in refs]
        elif isinstance(container, dict):
            half = len(refs) // 2
            keys = [values[ref] for ref in refs[:half]]
            if not all(type(key) is str for key in keys):
                return False
            container.update(zip(keys, [values[ref] for ref in refs[half:]], strict=True))
    return True


def _offsets(data: bytes, max_objects: int) -> tuple[Trailer, list[int]]:
    """The position of each object, all of them within the data. Raises Malformed."""
    trailer = Trailer.parse(data)
    if trailer.objects > max_objects:
        raise Malformed(f"it says it has {trailer.objects:,} objects; the limit is {max_objects:,}")
    offsets = trailer.offsets(data)
    if not (len(HEAD) <= min(offsets) and max(offsets) < trailer.table):
        raise Malformed("an object lies outside of it")
    return trailer, offsets


def _refs(data: bytes, offset: int, trailer: Trailer) -> list[int]:
    """The objects that the object at an offset contains; empty if it is not a container."""
    marker = data[offset]
    kind = marker & 0xF0
    if kind not in _CONTAINERS and kind not in _WIDTH:
        return []
    count, start = length(data, offset)
    size = trailer.ref_size
    width = _WIDTH.get(kind, 2 * size if kind == _DICT else size)
    end = start + count * width
    if end > trailer.table:
        raise Malformed("an object is longer than the data")
    if kind in _WIDTH:
        return []
    if size == 1:
        refs = list(data[start:end])
    elif size in _CODES:
        refs = list(struct.unpack_from(f">{(end - start) // size}{_CODES[size]}", data, start))
    else:
        refs = [int.from_bytes(data[at : at + size], "big") for at in range(start, end, size)]
    if refs and max(refs) >= trailer.objects:
        raise Malformed("it refers to an object that is not there")
    return refs


def length(data: bytes, offset: int) -> tuple[int, int]:
    """The count of a container, string or data object, and the position of its contents. Raises Malformed."""
    count = data[offset] & 0x0F
    if count != 0x0F:
        return count, offset + 1
    marker = data[offset + 1]
    size = 1 << (marker & 0x0F)
    if marker & 0xF0 != 0x10 or size > 8:
        raise Malformed("an object has a length that is not a number")
    return int.from_bytes(data[offset + 2 : offset + 2 + size], "big"), offset + 2 + size


def _walk(containers: dict[int, list[int]], top: int, max_objects: int, max_depth: int) -> str:
    """Walk depth first without recursion; count the objects of the tree that the references unfold to."""
    sizes: dict[int, int] = {}
    depths: dict[int, int] = {}
    open_now: set[int] = set()
    stack = [top]
    while stack:
        number = stack[-1]
        refs = containers.get(number)
        if refs is None or number in sizes:
            stack.pop()
        elif containers.keys().isdisjoint(refs) and len(refs) < max_objects and len(open_now) < max_depth:
            sizes[number], depths[number] = (
                1 + len(refs),
                1,
            )  # the common case: it contains no other container
            stack.pop()
        elif number not in open_now:
            open_now.add(number)
            if len(open_now) > max_depth:
                return f"it nests more than {max_depth} levels deep"
            for ref in refs:
                if ref in open_now:
                    return "a container contains itself"
                if ref in containers and ref not in sizes:
                    stack.append(ref)
        else:
            size = 1 + sum(sizes.get(ref, 1) for ref in refs)
            depth = 1 + max(depths.get(ref, 0) for ref in refs)
            if size > max_objects:
                return f"it unfolds to more than {max_objects:,} objects"
            if depth > max_depth:
                return f"it nests more than {max_depth} levels deep"
            sizes[number], depths[number] = size, depth
            open_now.discard(number)
            stack.pop()
    return ""
