"""MBFile records: what ``Manifest.db`` says about one file, in its ``file`` column.

A record is a binary plist that NSKeyedArchiver wrote. ``plistlib`` takes about 50 microseconds for one, and a
large phone has a million. So there are faster ways. Most records begin like an earlier one and are read by that
beginning (``mbfile_shapes``). A record with another beginning is read in one pass (``mbfile_any_layout``), and
``decode`` learns the beginning. Of one that is written in an unusual way, only what is needed is read
(``keyed_archive``). The rest goes through ``plistlib``. No class is ever instantiated: known keys are read as the
types they must have.

Facts about the format: docs/format.md, "File records".
"""

import math
import plistlib
import stat
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ibackup.apple import bplist, keyed_archive, mbfile_any_layout
from ibackup.apple.format_errors import FormatError
from ibackup.apple.mbfile_keys import (
    BYTES,
    DIGEST,
    DIGEST_BYTES,
    KEY,
    KEY_BYTES,
    NUMBERS,
    ODD,
    REQUIRED,
    TARGET,
    TEXTS,
)
from ibackup.apple.mbfile_shapes import KnownShapes, UnknownShape, shape_of
from ibackup.apple.plists import load

MAX_BYTES = 256 * 1024
MAX_OBJECTS = 20_000
PART = "A file's record"


class MBFile(NamedTuple):
    """One record; a named tuple, because a million are made.

    Attributes:
        size: bytes of the plaintext; 0 for folders and links.
        mode: ``st_mode`` with the file type.
        inode: inode on the phone.
        user_id: owner on the phone; may be negative.
        group_id: group on the phone; may be negative.
        modified: seconds since 1970, as are ``status_changed`` and ``born``.
        protection_class: 1 to 4 for files, mostly 0 for folders and links.
        flags: BSD ``st_flags``.
        relative_path: path below the domain; the row's own column says the same.
        target: target of a symbolic link.
        digest: SHA-1 (20 bytes) of the file as stored, so of the ciphertext in an encrypted backup; most
            domains have none.
        encryption_key: 44 bytes, the wrapped file key; None in an unencrypted backup.
        xattrs: a binary plist of extended attributes; see ``extended_attributes``.
        odd_mode: the mode is not a plain number, although phones expect one.
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
    odd_mode: bool = False

    @property
    def is_file(self) -> bool:
        """Whether the mode is that of a regular file."""
        return stat.S_ISREG(self.mode & 0xFFFF)

    @property
    def has_key(self) -> bool:
        """Whether it has a file key; bytes of another length than keys have are a damaged record's."""
        return self.encryption_key is not None and len(self.encryption_key) == KEY_BYTES

    def extended_attributes(self) -> dict[str, bytes]:
        """The extended attributes by name. Raises FormatError if they are damaged."""
        if self.xattrs is None:
            return {}
        value = load(self.xattrs, limit=MAX_BYTES, part="A file's extended attributes")
        if not isinstance(value, dict):
            return {}
        return {
            name: data for name, data in value.items() if isinstance(name, str) and isinstance(data, bytes)
        }


_MARKED = keyed_archive.marked(*NUMBERS, *TEXTS, *BYTES)
_known = KnownShapes()


def decode(blob: bytes) -> MBFile:
    """Read one record.

    Raises:
        FormatError: it is damaged, or not a record of a file.
    """
    shape = _known.find(blob)
    if shape is not None:
        try:
            return MBFile._make(shape.read(blob))
        except (UnknownShape, IndexError, UnicodeDecodeError, struct.error):
            pass  # read in full below
    return _decode_slowly(blob)


def glance(blob: bytes) -> tuple[int, bool]:
    """A record's size and whether it has a file key, at a fraction of ``decode``'s work.

    Raises:
        FormatError: as ``decode``.
    """
    size, _, parts = outline(blob)
    return size, bool(parts & KEY)


def outline(blob: bytes) -> tuple[int, int, int]:
    """A record's size, its mode, and which of ``KEY``, ``DIGEST`` and ``TARGET`` it has.

    ``ODD`` is set if its mode is not a plain number, or if its Digest or key may have an unusual length.

    Raises:
        FormatError: as ``decode``.
    """
    last = _known.last
    shape = last if blob.startswith(last.beginning) else _known.find(blob)
    if shape is not None:
        try:
            return shape.outline(blob)
        except (UnknownShape, IndexError, struct.error):
            pass  # read in full below
    record = _decode_slowly(blob)
    digest, key = record.digest, record.encryption_key
    odd = record.odd_mode or (digest is not None and len(digest) != DIGEST_BYTES)
    odd = odd or (key is not None and len(key) != KEY_BYTES)
    parts = (key is not None) * KEY | (digest is not None) * DIGEST | (record.target is not None) * TARGET
    return record.size, record.mode, parts | odd * ODD


def digest(blob: bytes) -> bytes | None:
    """Only a record's Digest, as ``decode`` returns it. Raises FormatError."""
    shape = _known.find(blob)
    if shape is not None:
        try:
            return shape.digest(blob)
        except (UnknownShape, IndexError, struct.error):
            pass  # read in full below
    return _decode_slowly(blob).digest


def _decode_slowly(blob: bytes) -> MBFile:
    """Read a record with an unknown beginning; usually it is known after that."""
    if len(blob) > MAX_BYTES:
        return decode_reference(blob)
    try:
        record = MBFile._make(mbfile_any_layout.read(blob))
    except (mbfile_any_layout.UnusualRecord, IndexError, UnicodeDecodeError, struct.error):
        try:
            record = _record(*keyed_archive.read(blob, _MARKED, max_objects=MAX_OBJECTS))
        except keyed_archive.UnreadableArchive:
            return decode_reference(blob)
    if _known.is_worth_it():
        try:
            shape = shape_of(blob)
            if MBFile._make(shape.read(blob)) == record:
                _known.learn(shape)
        except (UnknownShape, bplist.Malformed, IndexError, KeyError, ValueError, struct.error):
            pass  # its shape is unique
    return record


def decode_reference(blob: bytes) -> MBFile:
    """Read one record with ``plistlib`` only. Raises FormatError."""
    archive = load(blob, limit=MAX_BYTES, max_objects=MAX_OBJECTS, max_depth=16, part=PART)
    objects = archive.get("$objects") if isinstance(archive, dict) else None
    top = archive.get("$top") if isinstance(archive, dict) else None
    root = top.get("root") if isinstance(top, dict) else None
    if not isinstance(objects, list) or not isinstance(root, plistlib.UID) or root.data >= len(objects):
        raise FormatError(PART, "it is not an archived object")
    fields = objects[root.data]
    if not isinstance(fields, dict):
        raise FormatError(PART, "it is not a record of a file")
    return _record(fields, objects)


def _record(fields: Mapping[object, object], objects: Sequence[object]) -> MBFile:
    """A record from the archived object and the list that its UIDs refer to."""
    for key in REQUIRED:
        if key not in fields:
            raise FormatError(PART, f"it has no {key}")
    numbers = []
    for key in NUMBERS:
        value = fields.get(key, 0)
        numbers.append(value if type(value) is int else _number(fields, key, objects))
    path, target = (_text(fields, key, objects) for key in TEXTS)
    digest, wrapped, xattrs = (_bytes(fields, key, objects) for key in BYTES)
    return MBFile._make(
        [*numbers, path or "", target, digest, wrapped, xattrs, type(fields["Mode"]) is not int]
    )


def _number(fields: Mapping[object, object], key: str, objects: Sequence[object]) -> int:
    """A number, also from a number object or a boolean; the fraction of a time is dropped."""
    value = _resolved(fields, key, objects) if key in fields else 0
    if isinstance(value, float) and (value.is_integer() or (key != "Size" and math.isfinite(value))):
        return math.floor(value)
    if not isinstance(value, int):
        raise FormatError(PART, f"its {key} is not a number")
    return int(value)


def _resolved(fields: Mapping[object, object], key: str, objects: Sequence[object]) -> object:
    value = fields.get(key)
    if isinstance(value, plistlib.UID):
        if value.data >= len(objects):
            raise FormatError(PART, f"its {key} refers to nothing")
        return objects[value.data] if value.data else None  # object 0 is "$null"
    return value


def _text(fields: Mapping[object, object], key: str, objects: Sequence[object]) -> str | None:
    value = _resolved(fields, key, objects)
    if isinstance(value, dict) and "NS.string" in value:
        value = value["NS.string"]  # the form in which mutable texts are archived
    if value is not None and not isinstance(value, str):
        raise FormatError(PART, f"its {key} is not text")
    return value


def _bytes(fields: Mapping[object, object], key: str, objects: Sequence[object]) -> bytes | None:
    value = _resolved(fields, key, objects)
    if isinstance(value, dict):
        value = value.get("NS.data")
    if value is not None and not isinstance(value, bytes):
        raise FormatError(PART, f"its {key} is not data")
    return value
