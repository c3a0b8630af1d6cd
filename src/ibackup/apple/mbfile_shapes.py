"""The fast way to read the records of files: those that begin alike are read alike.

All records of a phone begin alike: the archive's frame, the list of keys, the numbers of the values. A ``Shape`` knows
one such beginning, and goes straight to the values of every record that begins the same way.
"""

import struct
from dataclasses import dataclass

from ibackup.apple import bplist
from ibackup.apple.mbfile_keys import BYTES, DIGEST, DIGEST_BYTES, KEY, KEY_BYTES, NUMBERS, TARGET, TEXTS

_TRAILER = struct.Struct(">6xBBQQQ")
_TABLES = tuple(struct.Struct(f">{count}H") for count in range(160))
_unpack_ending = struct.Struct(
    ">18sQ"
).unpack_from  # the only informative part of the trailer: the offset table's position
_unpack_number = struct.Struct(">I").unpack_from
_DIGEST_MARK = b"\x4f\x10" + bytes([DIGEST_BYTES])  # this many bytes of data
_KEY_MARK = b"\x4f\x10" + bytes([KEY_BYTES])
_NS_DATA = b"\x57NS.data"
_MAX_SHAPES = 1024
_MAX_CUTS = 16
_CREDIT = 128
_TRY_AGAIN = 1024


class UnknownShape(Exception):
    """This record differs from what its beginning promised; read it the slow way."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How to read the records with one beginning; all numbers are object numbers, -1 for a missing key."""

    beginning: bytes
    trailer: tuple[int, int, int]  # offset size, reference size, top object
    ending: bytes  # these and the number of objects, as in the first record
    head: bytes  # the offset table's entries for the objects of the beginning
    objects: tuple[int, ...]  # what $objects refers to
    numbers: tuple[int, ...]
    texts: tuple[int, ...]
    datas: tuple[int, ...]
    parts: int  # which of KEY, DIGEST and TARGET there are
    marks: tuple[bytes, ...]  # what their values begin with
    length: int  # length of the beginning
    wide: bool  # whether the offset table's entries have two bytes
    size_at: int  # the positions of size and mode in it
    mode_at: int

    def read(self, blob: bytes) -> list[object]:
        """The values of a record that begins with this shape, in the order of MBFile's fields.

        Raises:
            UnknownShape: the rest is unexpected.
        """
        count, table = self._table(blob)
        offset_size = self.trailer[0]
        offsets = _TABLES[count].unpack_from(blob, table) if offset_size == 2 else blob[table : table + count]
        values: list[object] = []
        for number in self.numbers:
            if number < 0:
                values.append(0)
                continue
            at = offsets[number]
            marker = blob[at]
            if marker == 0x12:
                values.append(int.from_bytes(blob[at + 1 : at + 5], "big"))
            elif marker == 0x10:
                values.append(blob[at + 1])
            elif marker == 0x11:
                values.append(blob[at + 1] << 8 | blob[at + 2])
            elif marker == 0x13:
                values.append(int.from_bytes(blob[at + 1 : at + 9], "big", signed=True))
            else:
                raise UnknownShape
        path, target = [None if n < 0 else self._read_text(blob, offsets, n) for n in self.texts]
        digest, wrapped, xattrs = [None if n < 0 else self._read_bytes(blob, offsets, n) for n in self.datas]
        values += (path or "", target, digest, wrapped, xattrs, False)
        return values

    def outline(self, blob: bytes) -> tuple[int, int, int]:
        """Size, mode and parts. Raises UnknownShape if the rest is unexpected."""
        ending, table = _unpack_ending(blob, len(blob) - 26)
        if ending != self.ending or not blob.startswith(self.head, table):
            raise UnknownShape
        if self.wide:
            place = table + self.size_at
            at = blob[place] << 8 | blob[place + 1]
            place = table + self.mode_at
            mode = blob[place] << 8 | blob[place + 1]
        else:
            at, mode = blob[table + self.size_at], blob[table + self.mode_at]
        if blob[mode] != 0x11:  # the mode of every type of file takes exactly two bytes
            raise UnknownShape
        for mark in self.marks:
            if blob.find(mark, self.length) < 0:
                raise UnknownShape
        marker = blob[at]
        if marker == 0x11:
            size = blob[at + 1] << 8 | blob[at + 2]
        elif marker == 0x12:
            size = _unpack_number(blob, at + 1)[0]
        elif marker == 0x10:
            size = blob[at + 1]
        elif marker == 0x13:
            size = int.from_bytes(blob[at + 1 : at + 9], "big", signed=True)
        else:
            raise UnknownShape
        return size, blob[mode + 1] << 8 | blob[mode + 2], self.parts

    def digest(self, blob: bytes) -> bytes | None:
        """The Digest. Raises UnknownShape if the rest is unexpected."""
        number = self.datas[0]
        if number < 0:
            return None
        count, table = self._table(blob)
        offsets = (
            _TABLES[count].unpack_from(blob, table) if self.trailer[0] == 2 else blob[table : table + count]
        )
        return self._read_bytes(blob, offsets, number)

    def _table(self, blob: bytes) -> tuple[int, int]:
        """The number of objects, and the position of their offsets."""
        offset_size, ref_size, count, top, table = _TRAILER.unpack_from(blob, len(blob) - 32)
        if (offset_size, ref_size, top) != self.trailer or not blob.startswith(self.head, table):
            raise UnknownShape
        return count, table

    def _place(self, blob: bytes, offsets: tuple[int, ...] | bytes, number: int) -> int:
        """The offset of the object that a reference (a UID of one byte) leads to."""
        at = offsets[number]
        index = blob[at + 1]
        if blob[at] != 0x80 or not index:
            raise UnknownShape
        return offsets[self.objects[index]]

    def _read_text(self, blob: bytes, offsets: tuple[int, ...] | bytes, number: int) -> str:
        at = self._place(blob, offsets, number)
        kind = blob[at] & 0xF0
        if kind == 0x50:
            return _data(blob, at, 1).decode("ascii")
        if kind == 0x60:
            return _data(blob, at, 2).decode("utf-16-be")
        raise UnknownShape

    def _read_bytes(self, blob: bytes, offsets: tuple[int, ...] | bytes, number: int) -> bytes:
        at = self._place(blob, offsets, number)
        if blob[at] == 0xD2:  # an NSMutableData: two keys, NS.data and $class
            for key in (at + 1, at + 2):
                if blob.startswith(_NS_DATA, offsets[blob[key]]):
                    at = offsets[blob[key + 2]]
                    break
        if blob[at] & 0xF0 != 0x40:
            raise UnknownShape
        return _data(blob, at, 1)


def _data(blob: bytes, at: int, width: int) -> bytes:
    """The contents of a data object or string; ``width`` is bytes per unit."""
    count = blob[at] & 0x0F
    start = at + 1
    if count == 0x0F:
        size = blob[start]
        if size == 0x10:
            count, start = blob[start + 1], start + 2
        elif size == 0x11:
            count, start = blob[start + 1] << 8 | blob[start + 2], start + 3
        else:
            raise UnknownShape
    end = start + count * width
    if end > len(blob):
        raise UnknownShape
    return blob[start:end]


NO_SHAPE = Shape(b"not a record", (0, 0, 0), b"", b"", (), (), (), (), 0, (), 0, False, 0, 0)


class KnownShapes:
    """The beginnings met so far, limited in number; shared by all threads, because losing one only costs time."""

    def __init__(self) -> None:
        self.cuts: tuple[int, ...] = ()
        self.shapes: dict[bytes, Shape] = {}
        self.last = NO_SHAPE
        self._credit = _CREDIT
        self._misses = 0

    def find(self, blob: bytes) -> Shape | None:
        """The shape of a record; most often the same as that of the record before."""
        if blob.startswith(self.last.beginning):
            return self.last
        for cut in self.cuts:
            shape = self.shapes.get(blob[:cut])
            if shape is not None:
                self.last = shape
                self._credit = min(self._credit + 2, _CREDIT)
                return shape
        return None

    def is_worth_it(self) -> bool:
        """Whether to learn a beginning that was just missed; hardly ever if none occurs twice."""
        self._misses += 1
        if self._misses % _TRY_AGAIN == 0:
            self._credit = max(self._credit, 16)
        self._credit -= self._credit > 0
        if not self._credit and self.cuts:
            self.shapes, self.cuts = (
                {},
                (),
            )  # hardly any came again, and looking for them takes longer than reading
        return self._credit > 0

    def learn(self, shape: Shape) -> None:
        """Remember one more; if there are too many, start over."""
        known = len(shape.beginning) in self.cuts
        if len(self.shapes) >= _MAX_SHAPES or (not known and len(self.cuts) >= _MAX_CUTS):
            self.shapes, self.cuts, known = {}, (), False
        self.shapes[shape.beginning] = shape
        if not known:
            self.cuts = (*self.cuts, len(shape.beginning))


def shape_of(blob: bytes) -> Shape:
    """How to read records that begin like this one.

    Raises UnknownShape if something that decides how values are found comes after them, because then an equal
    beginning would promise nothing.
    """
    trailer = bplist.Trailer.parse(blob)
    if trailer.offset_size > 2 or trailer.ref_size != 1 or trailer.objects >= len(_TABLES):
        raise UnknownShape
    offsets = trailer.offsets(blob)
    frame = _dict(blob, offsets, trailer.top)
    top = _dict(blob, offsets, frame["$top"])
    start = offsets[frame["$objects"]]
    count, first = bplist.length(blob, start)
    if blob[start] & 0xF0 != 0xA0:
        raise UnknownShape
    objects = tuple(blob[first : first + count])
    root = offsets[top["root"]]
    if blob[root : root + 2] != b"\x80\x01":
        raise UnknownShape
    fields = _dict(blob, offsets, objects[1])
    deciding = [trailer.top, *frame.values(), *top.values(), objects[1]]
    for number in (trailer.top, frame["$top"], objects[1]):
        deciding += _keys(blob, offsets, number)
    size = max(deciding) + 1
    end = offsets[size] if size < trailer.objects else trailer.table
    if offsets[:size] != sorted(offsets[:size]) or offsets[size - 1] >= end:
        raise UnknownShape
    return Shape(
        beginning=blob[:end],
        trailer=(trailer.offset_size, trailer.ref_size, trailer.top),
        ending=blob[-26:-8],
        head=blob[trailer.table : trailer.table + size * trailer.offset_size],
        objects=objects,
        numbers=tuple(fields.get(key, -1) for key in NUMBERS),
        texts=tuple(fields.get(key, -1) for key in TEXTS),
        datas=tuple(fields.get(key, -1) for key in BYTES),
        parts=("EncryptionKey" in fields) * KEY
        | ("Digest" in fields) * DIGEST
        | ("Target" in fields) * TARGET,
        marks=(_DIGEST_MARK,) * ("Digest" in fields) + (_KEY_MARK,) * ("EncryptionKey" in fields),
        length=end,
        wide=trailer.offset_size == 2,
        size_at=fields.get("Size", 0) * trailer.offset_size,
        mode_at=fields.get("Mode", 0) * trailer.offset_size,
    )


def _keys(blob: bytes, offsets: list[int], number: int) -> bytes:
    at = offsets[number]
    if blob[at] & 0xF0 != 0xD0:
        raise UnknownShape
    count, start = bplist.length(blob, at)
    return blob[start : start + count]


def _dict(blob: bytes, offsets: list[int], number: int) -> dict[str, int]:
    """A dictionary's keys with the object numbers of their values."""
    keys = _keys(blob, offsets, number)
    _, start = bplist.length(blob, offsets[number])
    values = blob[start + len(keys) : start + 2 * len(keys)]
    names = [_data(blob, offsets[key], 1).decode("ascii") for key in keys]
    return dict(zip(names, values, strict=True))
