"""MBFile records: the ``file`` column of Manifest.db, as a phone writes them.

A record is a keyed archive in a binary plist. A phone with 300,000 files writes 300,000 records. They are
therefore built from a template for each shape, not by plistlib; the tests compare every shape with plistlib
and with real rows. This code shares nothing with the code that reads records.
"""

import functools
import plistlib
from dataclasses import dataclass
from itertools import accumulate
from struct import pack

"""Extended attributes are left out of the record if they are larger than this in total."""


@dataclass(frozen=True, slots=True)
class MBFileRecord:
    """What a Manifest.db row says about one file, folder or link. Times in Unix seconds, size in plaintext bytes."""

    path: str
    size: int
    mode: int
    inode: int
    uid: int
    gid: int
    modified: int
    changed: int
    birth: int
    protection_class: int
    flags: int = 0
    target: str | None = None
    digest: bytes | None = None
    encryption_key: bytes | None = None
    xattrs: bytes | None = None


def _integer(value: int) -> bytes:
    if 0 <= value < 1 << 8:
        return b"\x10" + value.to_bytes(1, "big")
    if 0 <= value < 1 << 16:
        return b"\x11" + value.to_bytes(2, "big")
    if 0 <= value < 1 << 32:
        return b"\x12" + value.to_bytes(4, "big")
    return b"\x13" + value.to_bytes(8, "big", signed=True)


def _counted(kind: int, count: int) -> bytes:
    if count < 15:
        return bytes([kind | count])
    return bytes([kind | 15]) + _integer(count)


def _string(value: str) -> bytes:
    try:
        return _counted(0x50, len(value)) + value.encode("ascii")
    except UnicodeEncodeError:
        data = value.encode("utf-16-be", "surrogatepass")
        return _counted(0x60, len(data) // 2) + data


def _data(value: bytes) -> bytes:
    return _counted(0x40, len(value)) + value


def _keys(*, link: bool, digest: bool, key: bool, xattrs: bool) -> list[str]:
    """The keys of the archived object, in the order in which real phones write them."""
    names = ["LastModified"]
    names += ["ProtectionClass", "Flags", "GroupID"] if digest else ["Flags"]
    names += ["ExtendedAttributes"] if xattrs else []
    names += [] if digest else ["GroupID"]
    names += ["Target"] if link else []
    names += ["$class", "LastStatusChange", "RelativePath", "Birth"]
    names += ["EncryptionKey"] if key else []
    names += ["Size"]
    if digest:
        return [*names, "Mode", "UserID", "Digest", "InodeNumber"]
    names += ["Mode", "UserID", "InodeNumber"] if key else ["InodeNumber", "Mode", "UserID"]
    return [*names, "ProtectionClass"]


@dataclass(frozen=True, slots=True)
class _Shape:
    """The bytes that all records of one shape share; ``objects`` are the fixed objects of its plist."""

    head: bytes
    """Everything up to the first value of the archived object (its LastModified)."""
    head_offsets: tuple[int, ...]
    keys: tuple[str, ...]
    uids: dict[str, bytes]
    """For each key that refers to another object: the encoded reference."""
    key_object: bytes
    classes: tuple[bytes, ...]
    """The objects of the NSMutableData class (none without a key), then those of the MBFile class."""


def _class_objects(first: int, shared: tuple[int, int] | None, names: list[str]) -> list[bytes]:
    """A class description as objects numbered from ``first``; ``shared`` are key strings already written."""
    if shared:
        keys, fresh = shared, []
    else:
        keys, fresh = (first + 1, first + 2), [_string("$classname"), _string("$classes")]
    name = first + 1 + len(fresh)
    rest = list(range(name + 2, name + 1 + len(names)))
    described = bytes([0xD2, *keys, name, name + 1])
    return [
        described,
        *fresh,
        _string(names[0]),
        bytes([0xA0 | len(names), name, *rest]),
        *map(_string, names[1:]),
    ]


@functools.cache
def _shape(link: bool, digest: bool, key: bool, xattrs: bool) -> _Shape:
    keys = _keys(link=link, digest=digest, key=key, xattrs=xattrs)
    others = ["RelativePath"]
    others += ["Target"] if link else []
    others += ["Digest"] if digest else []
    others += ["EncryptionKey", "NSMutableData"] if key else []
    others += ["ExtendedAttributes"] if xattrs else []
    others += ["$class"]
    uid = {name: 2 + index for index, name in enumerate(others)}
    # Objects 0 to 9 are the envelope, 10 is the list of archived objects, 11 is $null, 12 is the record,
    # then its keys.
    first_value = 13 + len(keys)
    number = first_value + len(keys)
    numbers = []
    data_classes: list[bytes] = []
    shared: tuple[int, int] | None = None
    mbfile: list[bytes] = []
    key_object = b""
    for name in others:
        numbers.append(number)
        if name == "EncryptionKey":
            # The keyed data: a dict with two keys, its bytes and its class.
            key_object = bytes([0xD2, number + 1, number + 2, number + 3, number + 4])
            number += 5
        elif name == "NSMutableData":
            data_classes = _class_objects(number, None, ["NSMutableData", "NSData", "NSObject"])
            shared = (number + 1, number + 2)
            number += len(data_classes)
        elif name == "$class":
            mbfile = _class_objects(number, shared, ["MBFile", "NSObject"])
        else:
            number += 1
    head = [
        bytes([0xD4, 1, 2, 3, 4, 5, 6, 7, 10]),
        *map(_string, ["$version", "$archiver", "$top", "$objects"]),
        _integer(100000),
        _string("NSKeyedArchiver"),
        bytes([0xD1, 8, 9]),
        _string("root"),
        b"\x80\x01",
        bytes([0xA0 | (2 + len(others)), 11, 12, *numbers]),
        _string("$null"),
        _counted(0xD0, len(keys))
        + bytes(range(13, first_value))
        + bytes(range(first_value, first_value + len(keys))),
        *map(_string, keys),
    ]
    offsets = tuple(accumulate(map(len, head), initial=len(b"bplist00")))
    return _Shape(
        head=b"bplist00" + b"".join(head),
        head_offsets=offsets[:-1],
        keys=tuple(keys),
        uids={name: bytes([0x80, value]) for name, value in uid.items()},
        key_object=key_object,
        classes=(*data_classes, b"", *mbfile),
    )


def encode(record: MBFileRecord) -> bytes:
    """The record as a phone stores it in Manifest.db."""
    key = record.encryption_key
    shape = _shape(
        record.target is not None, record.digest is not None, key is not None, record.xattrs is not None
    )
    numbers = {
        "LastModified": record.modified,
        "LastStatusChange": record.changed,
        "Birth": record.birth,
        "Size": record.size,
        "Mode": record.mode,
        "InodeNumber": record.inode,
        "UserID": record.uid,
        "GroupID": record.gid,
        "ProtectionClass": record.protection_class,
        "Flags": record.flags,
    }
    uids = shape.uids
    objects = [uids[name] if name in uids else _integer(numbers[name]) for name in shape.keys]
    objects.append(_string(record.path))
    if record.target is not None:
        objects.append(_string(record.target))
    if record.digest is not None:
        objects.append(_data(record.digest))
    split = shape.classes.index(b"")
    if key is not None:
        objects += [shape.key_object, b"\x57NS.data", b"\x56$class", _data(key), uids["NSMutableData"]]
        objects += shape.classes[:split]
    if record.xattrs is not None:
        objects.append(_data(record.xattrs))
    objects += shape.classes[split + 1 :]
    body = shape.head + b"".join(objects)
    ends = list(accumulate(map(len, objects), initial=len(shape.head)))
    table = (*shape.head_offsets, *ends[:-1])
    return b"".join(
        (body, pack(f">{len(table)}H", *table), pack(">6xBBQQQ", 2, 1, len(table), 0, len(body))),
    )


def modified(blob: bytes) -> int:
    """LastModified (Unix seconds) of a record that any phone wrote.

    Raises:
        ValueError: the record does not parse.
    """
    if blob.startswith(b"bplist00"):
        for head in _heads():
            if blob.startswith(head) and blob[len(head)] == 0x12:
                return int.from_bytes(blob[len(head) + 1 : len(head) + 5], "big")
    return number(archived(blob), "LastModified")


@functools.cache
def _heads() -> tuple[bytes, ...]:
    shapes = [
        (digest, key, xattrs) for digest in (False, True) for key in (True, False) for xattrs in (False, True)
    ]
    return tuple(_shape(False, *shape).head for shape in shapes)


def archived(blob: bytes) -> dict[str, object]:
    """The archived object of a record, with references replaced by their objects.

    Raises:
        ValueError: the record does not parse.
    """
    try:
        tree = plistlib.loads(blob)
        objects = tree["$objects"]
        fields = dict(objects[tree["$top"]["root"].data])
        for name, value in fields.items():
            if isinstance(value, plistlib.UID):
                fields[name] = objects[value.data]
        key = fields.get("EncryptionKey")
        if isinstance(key, dict):
            fields["EncryptionKey"] = key["NS.data"]
    except (KeyError, IndexError, AttributeError, TypeError, plistlib.InvalidFileException) as error:
        raise ValueError("not an MBFile record") from error
    return fields


def number(fields: dict[str, object], name: str) -> int:
    """An integer field of an archived record.

    Raises:
        ValueError: it is missing or not an integer.
    """
    value = fields.get(name)
    if not isinstance(value, int):
        raise ValueError(f"an MBFile record without {name}")  # noqa: TRY004 - it is the record that is wrong
    return value


def data(fields: dict[str, object], name: str) -> bytes | None:
    """A field of bytes of an archived record, or None."""
    value = fields.get(name)
    return value if isinstance(value, bytes) else None
