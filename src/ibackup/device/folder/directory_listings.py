"""The answer to DLContentsOfDirectory, written without plistlib: a phone asks for 257 folders twice in each backup.

Every entry becomes four objects of a binary plist (its name, size, date and dictionary) whose places are known in
advance, so a folder costs one pass and about a microsecond an entry.
"""

import struct
from collections.abc import Iterable
from typing import Final

from ibackup.base.confined import FolderItem
from ibackup.device.devicelink.frames_and_chunks import EMPTY, LENGTH

_EPOCH: Final = 978_307_200  # 2001-01-01 in seconds since 1970
_ENTRY = struct.Struct(">BqBdB6I")  # size, date, dictionary of three
_ID: Final = 40  # characters of a fileID, which names nearly all files
_FILE = struct.Struct(f">3s{_ID}sBqBdB6I")  # the same of such a file, with its name
_TRAILER = struct.Struct(">6xBBQQQ")
_KINDS: Final = {"file": 8, "directory": 9, "other": 10}


def _string(text: str) -> bytes:
    """A string object: ASCII if possible, otherwise UTF-16."""
    if text.isascii():
        data, kind, count = text.encode(), 0x50, len(text)
    else:
        data = text.encode("utf-16-be", "surrogatepass")
        kind, count = 0x60, len(data) // 2
    return (bytes([kind | count]) if count < 15 else struct.pack(">BBI", kind | 15, 0x12, count)) + data


_FIXED: Final = [
    bytes([0xA4]) + struct.pack(">4I", 1, 2, 3, 4),  # the message
    _string("DLMessageStatusResponse"),
    bytes([0x10, 0]),  # status 0
    _string(EMPTY),
    b"",  # the dictionary of all entries
    _string("DLFileType"),
    _string("DLFileSize"),
    _string("DLFileModificationDate"),
    _string("DLFileTypeRegular"),
    _string("DLFileTypeDirectory"),
    _string("DLFileTypeUnknown"),
]
_FIRST: Final = len(_FIXED)


def encode_listing(items: Iterable[FolderItem]) -> bytes:
    """The status message with a listing, with its length before it."""
    entries: list[bytes] = []
    ends: list[int] = []  # where each object ends, within the entries
    at = 0
    number = _FIRST
    for name, kind, size, mtime in items:
        tail = (0x13, size, 0x33, mtime - _EPOCH, 0xD3, 5, 6, 7, _KINDS[kind], number + 1, number + 2)
        if len(name) == _ID and name.isascii():
            entries.append(_FILE.pack(b"\x5f\x10\x28", name.encode(), *tail))
            at += _ID + 3
        else:
            text = _string(name)
            entries += (text, _ENTRY.pack(*tail))
            at += len(text)
        ends += (at, at + 9, at + 18, at + 43)
        at += 43
        number += 4
    names = range(_FIRST, number, 4)
    count = len(names)
    fixed = list(_FIXED)
    fixed[4] = struct.pack(f">BBI{2 * count}I", 0xDF, 0x12, count, *names, *(name + 3 for name in names))
    offsets = [8]
    for data in fixed:
        offsets.append(offsets[-1] + len(data))
    table = offsets[-1] + at
    base = offsets[-1]
    offsets += [base + end for end in ends[:-1]] if ends else []
    if not ends:
        offsets.pop()
    body = b"".join(
        [
            b"bplist00",
            *fixed,
            *entries,
            struct.pack(f">{number}I", *offsets),
            _TRAILER.pack(4, 4, number, 0, table),
        ]
    )
    return LENGTH.pack(len(body)) + body
