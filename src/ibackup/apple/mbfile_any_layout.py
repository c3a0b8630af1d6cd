"""Reads a file's record in one pass, whatever the order and the number of its keys.

For records with a beginning that no earlier one had; ``mbfile_shapes`` reads the others. It looks at the archive's
frame, at the names in the record and at the wanted values. It builds nothing else, follows nothing twice and does not
recurse. What is written in an unusual way is left to ``keyed_archive`` and ``plistlib``.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ibackup.apple.bplist import HEAD
from ibackup.apple.keyed_archive import marked
from ibackup.apple.mbfile_keys import BYTES, NUMBERS, TEXTS

_unpack_trailer = struct.Struct(">6xBBQQQ").unpack_from
_unpack_number = struct.Struct(">I").unpack_from
_TABLES = tuple(struct.Struct(f">{count}H").unpack_from for count in range(256))
_WANTED = tuple(marked(*NUMBERS, *TEXTS, *BYTES))  # in the order of MBFile's fields
_COUNT = len(NUMBERS)
_KNOWN = frozenset(_WANTED)
_CLASS, _TOP, _OBJECTS, _ROOT, _NS_DATA = marked("$class", "$top", "$objects", "root", "NS.data")


class UnusualRecord(Exception):
    """It is damaged, or not written as phones write records; read it another way."""


class _Frame(NamedTuple):
    """What comes before the list of archived objects; it is the same in all records of a phone.

    Attributes:
        beginning: the bytes before that list.
        head: the offset table's entries for everything in it, and for the list.
        sizes: the size of the offset table's entries, and the number of the outermost object.
        listed: where the list is.
        root: the place in the list of the archived object.
    """

    beginning: bytes
    head: bytes
    sizes: tuple[int, int]
    listed: int
    root: int


class _Newest:
    """The frame of the last record; replaced as a whole, so threads may share it."""

    frame = _Frame(b"none", b"", (0, 0), 0, 0)


_newest = _Newest()


def read(blob: bytes) -> list[object]:
    """The values of a record, in the order of MBFile's fields.

    Raises:
        UnusualRecord, IndexError, UnicodeDecodeError, struct.error: another way may read it.
    """
    offset_size, ref_size, count, top, table = _unpack_trailer(blob, len(blob) - 32)
    if ref_size != 1 or not 0 < count < 256 or table + count * offset_size > len(blob) - 32:
        raise UnusualRecord
    if not blob.startswith(HEAD):
        raise UnusualRecord
    offsets: Sequence[int]
    if offset_size == 2:
        offsets = _TABLES[count](blob, table)
    elif offset_size == 1:
        offsets = blob[table : table + count]
    else:
        raise UnusualRecord
    frame = _newest.frame
    known = blob.startswith(frame.beginning) and blob.startswith(frame.head, table)
    if not known or frame.sizes != (offset_size, top):
        frame = _frame_of(blob, offsets, offset_size, top, table)
    first, many = _counted(blob, frame.listed, 0xA0, table)
    objects = blob[first : first + many]
    wanted = _wanted(blob, offsets, offsets[objects[frame.root]], table)
    values = _numbers(blob, offsets, wanted[:_COUNT], table)
    path, target, *datas = wanted[_COUNT:]
    values.append("" if path is None else _text(blob, _referred(blob, offsets, objects, path), table))
    values.append(None if target is None else _text(blob, _referred(blob, offsets, objects, target), table))
    for number in datas:
        values.append(
            None if number is None else _data(blob, offsets, _referred(blob, offsets, objects, number), table)
        )
    values.append(False)  # the mode is a plain number
    return values


def _frame_of(blob: bytes, offsets: Sequence[int], offset_size: int, top: int, table: int) -> _Frame:
    """The frame of a record; it is remembered, since most likely it is that of the next one."""
    names, many = _counted(blob, offsets[top], 0xD0, table)
    found = {
        name: blob[key + many]
        for key in range(names, names + many)
        for name in (_TOP, _OBJECTS)
        if blob.startswith(name, offsets[blob[key]])
    }
    if len(found) != 2:
        raise UnusualRecord
    roots, listed = offsets[found[_TOP]], offsets[found[_OBJECTS]]
    if blob[roots] != 0xD1 or not blob.startswith(_ROOT, offsets[blob[roots + 1]]):
        raise UnusualRecord
    reference = offsets[blob[roots + 2]]
    if blob[reference] != 0x80:
        raise UnusualRecord
    keys, root = blob[names : names + many], blob[roots + 1]
    ends = [names + 2 * many, roots + 3, reference + 2, offsets[root] + len(_ROOT)]
    ends += [offsets[key] + len(_OBJECTS) for key in keys]
    size = max(top, found[_OBJECTS], found[_TOP], root, blob[roots + 2], *keys) + 1
    head = blob[table : table + size * offset_size]
    frame = _Frame(blob[:listed], head, (offset_size, top), listed, blob[reference + 1])
    # Another record may only be read by it if all that was looked at is in what the two have in common.
    if max(ends) <= listed:
        _newest.frame = frame
    return frame


def _counted(blob: bytes, at: int, kind: int, table: int) -> tuple[int, int]:
    """Where the references of a list or dictionary are, and how many entries it has."""
    many = blob[at] - kind
    first = at + 1
    if many == 0x0F and blob[first] == 0x10:
        many, first = blob[at + 2], at + 3
    elif not 0 <= many < 0x0F:
        raise UnusualRecord
    if first + (many if kind == 0xA0 else 2 * many) > table:
        raise UnusualRecord
    return first, many


def _wanted(blob: bytes, offsets: Sequence[int], at: int, table: int) -> list[int | None]:
    """The numbers of the archived object's wanted values; None for those that it does not have."""
    keys, many = _counted(blob, at, 0xD0, table)
    found = {
        blob[
            (at := offsets[key]) : at + kind - 0x4F if (kind := blob[at]) < 0x5F else at + 3 + blob[at + 2]
        ]: value
        for key, value in zip(blob[keys : keys + many], blob[keys + many : keys + 2 * many], strict=True)
    }
    numbers = list(map(found.get, _WANTED))
    others = many - len(numbers) + numbers.count(None)
    if (others != 1 or _CLASS not in found) and not all(map(_is_plain, found.keys() - _KNOWN)):
        raise UnusualRecord
    if numbers[0] is None or numbers[1] is None:  # Size and Mode
        raise UnusualRecord
    return numbers


def _is_plain(name: bytes) -> bool:
    """Whether a key is a text as every archiver writes it, so that it cannot be a wanted one in another form."""
    return 0x50 < name[0] < 0x5F or (name[:2] == b"\x5f\x10" and name[2] > 14)


def _numbers(blob: bytes, offsets: Sequence[int], numbers: Iterable[int | None], table: int) -> list[object]:
    got: list[object] = []
    for number in numbers:
        if number is None:
            got.append(0)
            continue
        at = offsets[number]
        if at >= table:  # 9 bytes at most and a trailer of 32: so none ends beyond the record
            raise UnusualRecord
        kind = blob[at]
        if kind == 0x12:
            got.append(_unpack_number(blob, at + 1)[0])
        elif kind == 0x10:
            got.append(blob[at + 1])
        elif kind == 0x11:
            got.append(blob[at + 1] << 8 | blob[at + 2])
        elif kind == 0x13:
            got.append(int.from_bytes(blob[at + 1 : at + 9], "big", signed=True))
        else:
            raise UnusualRecord
    return got


def _referred(blob: bytes, offsets: Sequence[int], objects: bytes, number: int) -> int:
    """Where the archived object is that a UID of one byte refers to; number 0 of the list would be nothing."""
    at = offsets[number]
    index = blob[at + 1]
    if blob[at] != 0x80 or not index:
        raise UnusualRecord
    return offsets[objects[index]]


def _text(blob: bytes, at: int, table: int) -> str:
    kind = blob[at] & 0xF0
    if kind == 0x50:
        return _content(blob, at, 1, table).decode("ascii")
    if kind == 0x60:
        return _content(blob, at, 2, table).decode("utf-16-be")
    raise UnusualRecord


def _data(blob: bytes, offsets: Sequence[int], at: int, table: int) -> bytes:
    if blob[at] == 0xD2:  # an NSMutableData: two keys, NS.data and $class
        key = at + 2 if blob.startswith(_NS_DATA, offsets[blob[at + 2]]) else at + 1
        if not blob.startswith(_NS_DATA, offsets[blob[key]]):
            raise UnusualRecord
        at = offsets[blob[key + 2]]
    if blob[at] & 0xF0 != 0x40:
        raise UnusualRecord
    return _content(blob, at, 1, table)


def _content(blob: bytes, at: int, width: int, table: int) -> bytes:
    """The bytes of a text or of data; ``width`` is bytes per unit."""
    size = blob[at] & 0x0F
    at += 1
    if size == 0x0F:
        if blob[at] == 0x10:
            size, at = blob[at + 1], at + 2
        elif blob[at] == 0x11:
            size, at = blob[at + 1] << 8 | blob[at + 2], at + 3
        else:
            raise UnusualRecord
    end = at + size * width
    if end > table:
        raise UnusualRecord
    return blob[at:end]
