"""Messages as binary property lists, written without plistlib because a phone sends four paths for each file.

Covers only what DeviceLink messages consist of: lists, dictionaries, texts and numbers. For anything else
``dump`` returns None.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

_TRAILER: Final = struct.Struct(">6xBBQQQ")


class _Else(Exception):
    """A value that is left to plistlib."""


def dump(message: Sequence[object]) -> bytes | None:
    """A message as a binary plist that reads the same as plistlib's; None if a value is not plain."""
    objects: list[bytes] = []
    try:
        # Every reference takes four bytes, so nothing has to be counted first.
        _add(objects, message)
    except _Else:
        return None
    at = len(b"bplist00")
    offsets = []
    for data in objects:
        offsets.append(at)
        at += len(data)
    table = struct.pack(f">{len(offsets)}I", *offsets)
    return b"".join([b"bplist00", *objects, table, _TRAILER.pack(4, 4, len(objects), 0, at)])


def _add(objects: list[bytes], value: object) -> int:
    """Add an object and everything in it; return its number."""
    number = len(objects)
    kind = type(value)
    if isinstance(value, str):
        if not value.isascii():
            raise _Else
        objects.append(_head(0x50, len(value)) + value.encode("ascii"))
    elif isinstance(value, Mapping):
        objects.append(b"")
        refs = [_add(objects, key) for key in value]
        refs += [_add(objects, below) for below in value.values()]
        objects[number] = _head(0xD0, len(value)) + struct.pack(f">{len(refs)}I", *refs)
    elif isinstance(value, list | tuple):
        objects.append(b"")
        refs = [_add(objects, below) for below in value]
        objects[number] = _head(0xA0, len(refs)) + struct.pack(f">{len(refs)}I", *refs)
    elif kind is float:
        objects.append(struct.pack(">Bd", 0x23, value))
    elif isinstance(value, int) and kind is int and 0 <= value < 1 << 63:
        objects.append(struct.pack(">Bq", 0x13, value))
    else:
        raise _Else
    return number


def _head(kind: int, count: int) -> bytes:
    return bytes([kind | count]) if count < 15 else struct.pack(">BBI", kind | 15, 0x12, count)
