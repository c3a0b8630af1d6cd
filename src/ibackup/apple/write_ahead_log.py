"""SQLite's write-ahead log: the pages that were committed after the database was last brought up to date.

SQLite would apply it itself, but only to a file with a name, which it then changes. Source: the page "WAL-mode File
Format" of SQLite's documentation.
"""

import struct
from typing import BinaryIO

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGICS = {0x377F0682: "<", 0x377F0683: ">"}  # with the byte order of the checksums


def may_be_log(log: bytes) -> bool:
    """Whether it begins as a log does, or is empty or zeros alone, as one that was used up."""
    return int.from_bytes(log[:4], "big") in _MAGICS or not any(log[: _HEADER.size])


def apply(log: bytes, page: int, target: "bytearray | BinaryIO") -> int:
    """Write the committed pages of a log over a database.

    A log of another page size, or one that was reset, has nothing to give. Frames count up to the first one that is
    damaged or belongs to an earlier use of the log, as SQLite counts them.

    Args:
        log: its bytes.
        page: the database's page size in bytes.
        target: the database, in memory or as an open file.

    Returns:
        How many pages the database has now; 0 if the log has nothing for it.
    """
    pages, count = _committed(log, page)
    for number, place in pages.items():
        content = memoryview(log)[place : place + page]
        if isinstance(target, bytearray):
            end = number * page
            if len(target) < end:
                target.extend(bytes(end - len(target)))
            target[end - page : end] = content
        else:
            target.seek((number - 1) * page)
            target.write(content)
    if pages:
        if isinstance(target, bytearray):
            del target[count * page :]
        else:
            target.truncate(count * page)
    return count


def _committed(log: bytes, page: int) -> tuple[dict[int, int], int]:
    """The position of the newest committed content of each page, and how many pages the database has then."""
    if len(log) < _HEADER.size:
        return {}, 0
    magic, _, size, _, salt1, salt2, *sums = _HEADER.unpack_from(log)
    order = _MAGICS.get(magic)
    if order is None or size != page or tuple(sums) != _checksum(log, 0, 24, order, (0, 0)):
        return {}, 0
    committed: dict[int, int] = {}
    pending: dict[int, int] = {}
    count, place, running = 0, _HEADER.size, (sums[0], sums[1])
    while place + _FRAME.size + page <= len(log):
        number, pages, frame_salt1, frame_salt2, *given = _FRAME.unpack_from(log, place)
        running = _checksum(log, place, 8, order, running)
        running = _checksum(log, place + _FRAME.size, page, order, running)
        if (frame_salt1, frame_salt2) != (salt1, salt2) or tuple(given) != running or not number:
            break
        pending[number] = place + _FRAME.size
        if pages:
            committed.update(pending)
            pending.clear()
            count = pages
        place += _FRAME.size + page
    return {number: at for number, at in committed.items() if number <= count}, count


def _checksum(log: bytes, start: int, size: int, order: str, before: tuple[int, int]) -> tuple[int, int]:
    first, second = before
    words = struct.unpack_from(f"{order}{size // 4}I", log, start)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
