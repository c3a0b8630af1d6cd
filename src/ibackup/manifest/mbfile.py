"""MBFile records: what ``Manifest.db`` says of one file, in its ``file`` column.

A record is a binary plist that NSKeyedArchiver wrote. ``plistlib`` takes about 50 microseconds for one, a large
phone has a million. All records of a phone begin alike: the archive's frame, the list of keys, the numbers of the
values. ``decode`` learns such a beginning once, by reading it in full, and then goes straight to the values of
every record that begins so; whatever it does not know goes through ``plistlib``. No class is ever made: known keys
are read as the types they must have.

Facts about the format: docs/format.md, "File records".
"""

import math
import plistlib
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ibackup.manifest import bplist
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.plists import load

MAX_BYTES = 256 * 1024
PART = "A file's record"


class MBFile(NamedTuple):
    """One record; a named tuple because a million are made.

    Attributes:
        size: bytes of the plaintext; 0 for folders and links.
        mode: ``st_mode`` with the file type.
        inode: on the phone.
        user_id: on the phone; may be negative.
        group_id: on the phone; may be negative.
        modified: seconds since 1970, as are ``status_changed`` and ``born``.
        protection_class: 1 to 4 for files, mostly 0 for folders and links.
        flags: BSD ``st_flags``.
        relative_path: below the domain; the row's own column says the same.
        target: of a symbolic link.
        digest: SHA-1 (20 bytes) of the file as stored, so of the ciphertext in an encrypted backup; most
            domains have none.
        encryption_key: 44 bytes, the wrapped file key; None in an unencrypted backup.
        xattrs: a binary plist of extended attributes; see ``extended_attributes``.
    """

    size: int
    mode: int
    inode: int = 0
    user_id: int = 0
    group_id: int = 0
    modified: int = 0
    status_changed: int = 0
    born: int = 0
    protection_class: int = 0
    flags: int = 0
    relative_path: str = ""
    target: str | None = None
    digest: bytes | None = None
    encryption_key: bytes | None = None
    xattrs: bytes | None = None

    @property
    def is_file(self) -> bool:
        """Whether the mode says: a regular file."""
        return stat.S_ISREG(self.mode & 0xFFFF)

    def extended_attributes(self) -> dict[str, bytes]:
        """The extended attributes by name. Raises FormatError when they are damaged."""
        if self.xattrs is None:
            return {}
        value = load(self.xattrs, limit=MAX_BYTES, part="A file's extended attributes")
        if not isinstance(value, dict):
            return {}
        return {
            name: data for name, data in value.items() if isinstance(name, str) and isinstance(data, bytes)
        }


# The keys whose values are numbers, in the order of MBFile's fields, then those that refer to another object.
_NUMBERS = (
    *("Size", "Mode", "InodeNumber", "UserID", "GroupID", "LastModified", "LastStatusChange", "Birth"),
    *("ProtectionClass", "Flags"),
)
_TEXTS = ("RelativePath", "Target")
_BYTES = ("Digest", "EncryptionKey", "ExtendedAttributes")
_REQUIRED = ("Size", "Mode")

_TRAILER = struct.Struct(">6xBBQQQ")
_TABLES = tuple(struct.Struct(f">{count}H") for count in range(160))
_ENDING = struct.Struct(">18sQ")  # all of the trailer that says something; the offset table's place
_NS_DATA = b"\x57NS.data"
_MAX_SHAPES = 1024


class _Unknown(Exception):
    """This record is not what its beginning promised; read it the slow way."""


def decode(blob: bytes) -> MBFile:
    """Read one record.

    Raises:
        FormatError: it is damaged, or is not a record of a file.
    """
    shape = _known.find(blob)
    if shape is not None:
        try:
            return shape.read(blob)
        except (_Unknown, IndexError, UnicodeDecodeError, struct.error):
            pass  # read in full below
    return _decode_slowly(blob)


def glance(blob: bytes) -> tuple[int, bool]:
    """A record's size and whether it has a file key, for those who need no more: a fraction of ``decode``'s work.

    Raises:
        FormatError: as ``decode``.
    """
    shape: _Shape | None = _known.last
    if not blob.startswith(_known.last.beginning):
        shape = _known.find(blob)
    if shape is not None:
        try:
            return shape.glance(blob)
        except (_Unknown, IndexError, struct.error):
            pass  # read in full below
    record = _decode_slowly(blob)
    return record.size, record.encryption_key is not None


def decode_reference(blob: bytes) -> MBFile:
    """Read one record through ``plistlib`` alone. Raises FormatError."""
    archive = load(blob, limit=MAX_BYTES, max_objects=20_000, max_depth=16, part=PART)
    objects = archive.get("$objects") if isinstance(archive, dict) else None
    top = archive.get("$top") if isinstance(archive, dict) else None
    root = top.get("root") if isinstance(top, dict) else None
    if not isinstance(objects, list) or not isinstance(root, plistlib.UID) or root.data >= len(objects):
        raise FormatError(PART, "it is not an archived object")
    fields = objects[root.data]
    if not isinstance(fields, dict):
        raise FormatError(PART, "it is not a record of a file")
    for key in _REQUIRED:
        if key not in fields:
            raise FormatError(PART, f"it has no {key}")
    numbers = [_number(fields, key, objects) for key in _NUMBERS]
    path, target = (_text(fields, key, objects) for key in _TEXTS)
    digest, wrapped, xattrs = (_bytes(fields, key, objects) for key in _BYTES)
    return MBFile._make([*numbers, path or "", target, digest, wrapped, xattrs])


def _number(fields: Mapping[object, object], key: str, objects: list[object]) -> int:
    """A number, as a number object or a boolean too; a time may have a fraction, which is left out."""
    value = _resolved(fields, key, objects) if key in fields else 0
    if isinstance(value, float) and (value.is_integer() or (key != "Size" and math.isfinite(value))):
        return math.floor(value)
    if not isinstance(value, int):
        raise FormatError(PART, f"its {key} is not a number")
    return int(value)


def _resolved(fields: Mapping[object, object], key: str, objects: list[object]) -> object:
    value = fields.get(key)
    if isinstance(value, plistlib.UID):
        if value.data >= len(objects):
            raise FormatError(PART, f"its {key} refers to nothing")
        return objects[value.data] if value.data else None  # object 0 is "$null"
    return value


def _text(fields: Mapping[object, object], key: str, objects: list[object]) -> str | None:
    value = _resolved(fields, key, objects)
    if isinstance(value, dict) and "NS.string" in value:
        value = value["NS.string"]  # as texts are archived that may be changed
    if value is not None and not isinstance(value, str):
        raise FormatError(PART, f"its {key} is not text")
    return value


def _bytes(fields: Mapping[object, object], key: str, objects: list[object]) -> bytes | None:
    value = _resolved(fields, key, objects)
    if isinstance(value, dict):
        value = value.get("NS.data")
    if value is not None and not isinstance(value, bytes):
        raise FormatError(PART, f"its {key} is not data")
    return value


# -- the fast way -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the records with one beginning are read; all numbers are object numbers, -1 for a key they lack."""

    beginning: bytes
    trailer: tuple[int, int, int]  # offset size, reference size, top object
    ending: bytes  # these and the number of objects, as the first record had them
    head: bytes  # the offset table's entries for the objects of the beginning
    objects: tuple[int, ...]  # what $objects refers to
    numbers: tuple[int, ...]
    texts: tuple[int, ...]
    datas: tuple[int, ...]

    def read(self, blob: bytes) -> MBFile:
        """Read a record that begins as this shape does. Raises _Unknown when the rest is not as expected."""
        count, table = self._table(blob)
        offset_size = self.trailer[0]
        offsets = _TABLES[count].unpack_from(blob, table) if offset_size == 2 else blob[table : table + count]
        numbers = []
        for number in self.numbers:
            if number < 0:
                numbers.append(0)
                continue
            at = offsets[number]
            marker = blob[at]
            if marker == 0x12:
                numbers.append(int.from_bytes(blob[at + 1 : at + 5], "big"))
            elif marker == 0x10:
                numbers.append(blob[at + 1])
            elif marker == 0x11:
                numbers.append(blob[at + 1] << 8 | blob[at + 2])
            elif marker == 0x13:
                numbers.append(int.from_bytes(blob[at + 1 : at + 9], "big", signed=True))
            else:
                raise _Unknown
        path, target = [None if n < 0 else self._read_text(blob, offsets, n) for n in self.texts]
        digest, wrapped, xattrs = [None if n < 0 else self._read_bytes(blob, offsets, n) for n in self.datas]
        return MBFile._make([*numbers, path or "", target, digest, wrapped, xattrs])

    def glance(self, blob: bytes) -> tuple[int, bool]:
        """Size and whether there is a key. Raises _Unknown when the rest is not as expected."""
        ending, table = _ENDING.unpack_from(blob, len(blob) - 26)
        if ending != self.ending or not blob.startswith(self.head, table):
            raise _Unknown
        if self.trailer[0] == 2:
            place = table + 2 * self.numbers[0]
            at = blob[place] << 8 | blob[place + 1]
        else:
            at = blob[table + self.numbers[0]]
        marker = blob[at]
        if marker == 0x11:
            size = blob[at + 1] << 8 | blob[at + 2]
        elif marker == 0x12:
            size = int.from_bytes(blob[at + 1 : at + 5], "big")
        elif marker == 0x10:
            size = blob[at + 1]
        elif marker == 0x13:
            size = int.from_bytes(blob[at + 1 : at + 9], "big", signed=True)
        else:
            raise _Unknown
        return size, self.datas[1] >= 0

    def _table(self, blob: bytes) -> tuple[int, int]:
        """How many objects there are, and where their offsets stand."""
        offset_size, ref_size, count, top, table = _TRAILER.unpack_from(blob, len(blob) - 32)
        if (offset_size, ref_size, top) != self.trailer or not blob.startswith(self.head, table):
            raise _Unknown
        return count, table

    def _place(self, blob: bytes, offsets: tuple[int, ...] | bytes, number: int) -> int:
        """The offset of the object that a reference (a UID of one byte) leads to."""
        at = offsets[number]
        index = blob[at + 1]
        if blob[at] != 0x80 or not index:
            raise _Unknown
        return offsets[self.objects[index]]

    def _read_text(self, blob: bytes, offsets: tuple[int, ...] | bytes, number: int) -> str:
        at = self._place(blob, offsets, number)
        kind = blob[at] & 0xF0
        if kind == 0x50:
            return _data(blob, at, 1).decode("ascii")
        if kind == 0x60:
            return _data(blob, at, 2).decode("utf-16-be")
        raise _Unknown

    def _read_bytes(self, blob: bytes, offsets: tuple[int, ...] | bytes, number: int) -> bytes:
        at = self._place(blob, offsets, number)
        if blob[at] == 0xD2:  # an NSMutableData: two keys, NS.data and $class
            for key in (at + 1, at + 2):
                if blob.startswith(_NS_DATA, offsets[blob[key]]):
                    at = offsets[blob[key + 2]]
                    break
        if blob[at] & 0xF0 != 0x40:
            raise _Unknown
        return _data(blob, at, 1)


def _data(blob: bytes, at: int, width: int) -> bytes:
    """The contents of a data object or string; ``width`` is bytes a unit."""
    count = blob[at] & 0x0F
    start = at + 1
    if count == 0x0F:
        size = blob[start]
        if size == 0x10:
            count, start = blob[start + 1], start + 2
        elif size == 0x11:
            count, start = blob[start + 1] << 8 | blob[start + 2], start + 3
        else:
            raise _Unknown
    end = start + count * width
    if end > len(blob):
        raise _Unknown
    return blob[start:end]


_NO_SHAPE = _Shape(b"not a record", (0, 0, 0), b"", b"", (), (), (), ())


class _Known:
    """The beginnings met so far, bounded; shared by all threads, as losing one only costs time."""

    def __init__(self) -> None:
        self.cuts: tuple[int, ...] = ()
        self.shapes: dict[bytes, _Shape] = {}
        self.last = _NO_SHAPE

    def find(self, blob: bytes) -> _Shape | None:
        """The shape of a record; most often it is the one before it once more."""
        if blob.startswith(self.last.beginning):
            return self.last
        for cut in self.cuts:
            shape = self.shapes.get(blob[:cut])
            if shape is not None:
                self.last = shape
                return shape
        return None

    def learn(self, shape: _Shape) -> None:
        """Remember one more."""
        if len(self.shapes) >= _MAX_SHAPES:
            self.shapes, self.cuts = {}, ()
        self.shapes[shape.beginning] = shape
        if len(shape.beginning) not in self.cuts:
            self.cuts = (*self.cuts, len(shape.beginning))


_known = _Known()


def _decode_slowly(blob: bytes) -> MBFile:
    record = decode_reference(blob)
    try:
        shape = _shape(blob)
        if shape.read(blob) == record:
            _known.learn(shape)
    except (_Unknown, bplist.Malformed, IndexError, KeyError, ValueError, struct.error):
        pass  # a shape of its own: it stays readable, only slowly
    return record


def _shape(blob: bytes) -> _Shape:
    """How records are read that begin as this one does.

    Raises _Unknown when something that decides how values are found comes after them, so that an equal beginning
    would promise nothing.
    """
    trailer = bplist.Trailer.parse(blob)
    if trailer.offset_size > 2 or trailer.ref_size != 1 or trailer.objects >= len(_TABLES):
        raise _Unknown
    offsets = trailer.offsets(blob)
    frame = _dict(blob, offsets, trailer.top)
    top = _dict(blob, offsets, frame["$top"])
    start = offsets[frame["$objects"]]
    count, first = bplist.length(blob, start)
    if blob[start] & 0xF0 != 0xA0:
        raise _Unknown
    objects = tuple(blob[first : first + count])
    root = offsets[top["root"]]
    if blob[root : root + 2] != b"\x80\x01":
        raise _Unknown
    fields = _dict(blob, offsets, objects[1])
    deciding = [trailer.top, *frame.values(), *top.values(), objects[1]]
    for number in (trailer.top, frame["$top"], objects[1]):
        deciding += _keys(blob, offsets, number)
    size = max(deciding) + 1
    end = offsets[size] if size < trailer.objects else trailer.table
    if offsets[:size] != sorted(offsets[:size]) or offsets[size - 1] >= end:
        raise _Unknown
    return _Shape(
        beginning=blob[:end],
        trailer=(trailer.offset_size, trailer.ref_size, trailer.top),
        ending=blob[-26:-8],
        head=blob[trailer.table : trailer.table + size * trailer.offset_size],
        objects=objects,
        numbers=tuple(fields.get(key, -1) for key in _NUMBERS),
        texts=tuple(fields.get(key, -1) for key in _TEXTS),
        datas=tuple(fields.get(key, -1) for key in _BYTES),
    )


def _keys(blob: bytes, offsets: list[int], number: int) -> bytes:
    at = offsets[number]
    if blob[at] & 0xF0 != 0xD0:
        raise _Unknown
    count, start = bplist.length(blob, at)
    return blob[start : start + count]


def _dict(blob: bytes, offsets: list[int], number: int) -> dict[str, int]:
    """A dictionary's keys with the object numbers of their values."""
    keys = _keys(blob, offsets, number)
    _, start = bplist.length(blob, offsets[number])
    values = blob[start + len(keys) : start + 2 * len(keys)]
    names = [_data(blob, offsets[key], 1).decode("ascii") for key in keys]
    return dict(zip(names, values, strict=True))
