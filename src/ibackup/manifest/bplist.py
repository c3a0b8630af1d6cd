"""The structure of a binary property list, checked before anything is built from it.

A few hundred bytes can claim four billion objects, nest a thousand lists, hold themselves, or refer to one list
of lists so often that walking the result takes for ever. ``check`` finds all of that in one pass.
"""

from dataclasses import dataclass

HEAD = b"bplist00"
TRAILER_BYTES = 32
_ARRAY, _SET, _DICT = 0xA0, 0xC0, 0xD0
_CONTAINERS = (_ARRAY, _SET, _DICT)
_WIDTH = {0x40: 1, 0x50: 1, 0x60: 2}  # bytes a unit of data, ASCII and UTF-16


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
        """Read it and check that it fits the data. Raises Malformed."""
        if not data.startswith(HEAD) or len(data) < len(HEAD) + 1 + TRAILER_BYTES:
            raise Malformed("it is cut off, or not a binary property list")
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
        """Where each object starts."""
        size = self.offset_size
        end = self.table + self.objects * size
        return [int.from_bytes(data[at : at + size], "big") for at in range(self.table, end, size)]


def check(data: bytes, *, max_objects: int, max_depth: int) -> str:
    """What is wrong with a binary plist, or an empty string when it may be parsed.

    Args:
        data: the whole plist.
        max_objects: objects allowed, as a tree: a shared object counts as often as it is referred to.
        max_depth: containers within containers allowed.
    """
    try:
        trailer = Trailer.parse(data)
        if trailer.objects > max_objects:
            return f"it says it has {trailer.objects:,} objects; the limit is {max_objects:,}"
        containers: dict[int, list[int]] = {}
        for number, offset in enumerate(trailer.offsets(data)):
            if not len(HEAD) <= offset < trailer.table:
                return "an object lies outside of it"
            refs = _refs(data, offset, trailer)
            if refs:
                containers[number] = refs
        return _walk(containers, trailer.top, max_objects, max_depth)
    except Malformed as flaw:
        return str(flaw)


def _refs(data: bytes, offset: int, trailer: Trailer) -> list[int]:
    """The objects that the object at an offset holds; empty for what is not a container."""
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
    else:
        refs = [int.from_bytes(data[at : at + size], "big") for at in range(start, end, size)]
    if refs and max(refs) >= trailer.objects:
        raise Malformed("it refers to an object that is not there")
    return refs


def length(data: bytes, offset: int) -> tuple[int, int]:
    """The count of a container, string or data object, and where its contents start. Raises Malformed."""
    count = data[offset] & 0x0F
    if count != 0x0F:
        return count, offset + 1
    marker = data[offset + 1]
    size = 1 << (marker & 0x0F)
    if marker & 0xF0 != 0x10 or size > 8:
        raise Malformed("an object has a length that is not a number")
    return int.from_bytes(data[offset + 2 : offset + 2 + size], "big"), offset + 2 + size


def _walk(containers: dict[int, list[int]], top: int, max_objects: int, max_depth: int) -> str:
    """Walk depth first without recursion; counts the objects of the tree that the references unfold to."""
    sizes: dict[int, int] = {}
    depths: dict[int, int] = {}
    open_now: set[int] = set()
    stack = [top]
    while stack:
        number = stack[-1]
        refs = containers.get(number)
        if refs is None or number in sizes:
            stack.pop()
        elif number not in open_now:
            open_now.add(number)
            if len(open_now) > max_depth:
                return f"it nests more than {max_depth} levels deep"
            for ref in refs:
                if ref in open_now:
                    return "a container holds itself"
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
