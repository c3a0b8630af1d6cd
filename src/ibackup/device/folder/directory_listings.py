"""The answer to DLContentsOfDirectory, written without plistlib: a phone asks for 257 folders twice in each backup.

Every entry becomes four objects of a binary plist (its name, size, date and dictionary) whose places are known in
advance.
"""

import struct
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, repeat
from typing import Final

from ibackup.base.confined import FolderItem
from ibackup.device.devicelink.frames_and_chunks import EMPTY, LENGTH

_EPOCH: Final = 978_307_200  # 2001-01-01 in seconds since 1970
_MAGIC: Final = b"bplist00"
_SIZE: Final = 9  # bytes of a size
_VALUES: Final = 18  # bytes of a size and a date
_DICTIONARY: Final = 25  # bytes of a dictionary of three
_ID: Final = 40  # characters of a fileID, which names nearly all files
_ID_HEAD: Final = "\x5f\x10\x28"  # before such a name: a string of so many characters
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
    """The status message with a listing, with its length before it.

    A loop over the entries in Python would take most of the time. So each kind of object is packed for all entries at
    once: first all names, then sizes and dates, then the dictionaries.
    """
    names, kinds, sizes, mtimes = list(zip(*items, strict=True)) or [()] * 4
    count = len(names)
    end = _FIRST + 4 * count
    texts, starts = _strings(names)
    dates = [mtime - _EPOCH for mtime in mtimes]
    values = struct.pack(
        ">" + "BqBd" * count,
        *chain.from_iterable(zip(repeat(0x13), sizes, repeat(0x33), dates, strict=False)),
    )
    rows = zip(
        *map(repeat, (0xD3, 5, 6, 7)),
        map(_KINDS.__getitem__, kinds),
        range(_FIRST + 1, end, 4),
        range(_FIRST + 2, end, 4),
        strict=False,
    )
    dictionaries = struct.pack(">" + "B6I" * count, *chain.from_iterable(rows))
    fixed = list(_FIXED)
    fixed[4] = struct.pack(
        f">BBI{2 * count}I", 0xDF, 0x12, count, *range(_FIRST, end, 4), *range(_FIRST + 3, end, 4)
    )
    offsets = list(accumulate(map(len, fixed), initial=len(_MAGIC)))
    at_texts = offsets.pop()
    at_values = at_texts + len(texts)
    at_dictionaries = at_values + _VALUES * count
    table = at_dictionaries + _DICTIONARY * count
    offsets += bytes(4 * count)
    offsets[_FIRST::4] = [at_texts + start for start in starts]
    offsets[_FIRST + 1 :: 4] = range(at_values, at_dictionaries, _VALUES)
    offsets[_FIRST + 2 :: 4] = range(at_values + _SIZE, at_dictionaries, _VALUES)
    offsets[_FIRST + 3 :: 4] = range(at_dictionaries, table, _DICTIONARY)
    body = b"".join(
        [
            _MAGIC,
            *fixed,
            texts,
            values,
            dictionaries,
            struct.pack(f">{end}I", *offsets),
            _TRAILER.pack(4, 4, end, 0, table),
        ]
    )
    return LENGTH.pack(len(body)) + body


def _strings(names: Sequence[str]) -> tuple[bytes, Iterable[int]]:
    """String objects one after another, and where each begins."""
    joined = "".join([_ID_HEAD + name for name in names])
    if joined.isascii() and set(map(len, names)) == {_ID}:  # nearly everywhere
        return joined.encode(), range(0, len(joined), len(_ID_HEAD) + _ID)
    texts = list(map(_string, names))
    return b"".join(texts), list(accumulate(map(len, texts), initial=0))[:-1]
