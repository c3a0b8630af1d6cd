"""A zip that is sent while it is made: nothing of it is kept on the disk, and only its table of contents in memory.

Files are stored, not compressed: most of what is in a backup is compressed already. Sizes may pass 4 GiB (zip64). The
size and the checksum of a file follow its content, since a file in a backup may have other bytes than its record says.

If something fails in the middle, the error goes to the caller. Without its end, no program takes the file for a whole
zip.

Source: APPNOTE.TXT of PKWARE, and "extra fields" of Info-ZIP for the time of change.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

_READ: Final = 256 * 1024
_SEND: Final = 256 * 1024
"""Bytes that are sent at once: thousands of small files would otherwise be thousands of small writes."""
_FULL: Final = 0xFFFFFFFF
_VERSION: Final = 45  # zip64
_UNIX: Final = 3 << 8
_FLAGS: Final = 1 << 3 | 1 << 11  # sizes follow the content; names are UTF-8
_FILE, _FOLDER = 0o100644 << 16, 0o40755 << 16 | 0x10
_LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
_SIZES: Final = struct.Struct("<HHQQ")
_AFTER: Final = struct.Struct("<IIQQ")
_CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
_END64: Final = struct.Struct("<IQHHIIQQQQ")
_WHERE64: Final = struct.Struct("<IIQI")
_END: Final = struct.Struct("<IHHHHIIH")
_UTC: Final = struct.Struct("<HHBi")


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A file or a folder of a zip.

    Attributes:
        path: its names, joined by slashes; unique, and safe for every system.
        modified: seconds since 1970.
        open: opens its content; None for a folder.
        size: bytes that must come; None if that is not known.
    """

    path: str
    modified: int
    open: Callable[[], BinaryIO] | None
    size: int | None = None


def zip_stream(members: Iterable[ZipMember]) -> Iterator[bytes]:
    """The bytes of a zip with these members.

    Raises:
        OSError: a file ended early. Whatever `members` and their files raise comes through as well.
    """
    maker = _Maker()
    for member in members:
        yield from maker.add(member)
    yield from maker.end()


class _Maker:
    def __init__(self) -> None:
        self._waiting = bytearray()
        self._sent = 0
        self._count = 0
        self._contents = bytearray()

    @property
    def _place(self) -> int:
        return self._sent + len(self._waiting)

    def _ready(self, least: int = _SEND) -> Iterator[bytes]:
        if len(self._waiting) >= least:
            block = bytes(self._waiting)
            self._sent += len(block)
            self._waiting.clear()
            yield block

    def add(self, member: ZipMember) -> Iterator[bytes]:
        start = self._place
        path = member.path if member.open is not None else f"{member.path}/"
        name = path.encode("utf-8", "replace")
        clock, changed = _dos_time(member.modified), _utc(member.modified)
        extra = _SIZES.pack(1, 16, 0, 0) + changed
        self._waiting += _LOCAL.pack(
            0x04034B50, _VERSION, _FLAGS, 0, *clock, 0, _FULL, _FULL, len(name), len(extra)
        )
        self._waiting += name + extra
        if self._count == 0:  # so that the browser learns at once that something comes
            yield from self._ready(1)
        checksum = size = 0
        if member.open is not None:
            with member.open() as source:
                while chunk := source.read(_READ):
                    checksum = zlib.crc32(chunk, checksum)
                    size += len(chunk)
                    self._waiting += chunk
                    yield from self._ready()
            if member.size is not None and size != member.size:
                raise OSError("a file has changed while it was read")
        self._waiting += _AFTER.pack(0x08074B50, checksum, size, size)
        yield from self._ready()
        self._count += 1
        self._list(name, clock, changed, checksum, size, start, _FOLDER if member.open is None else _FILE)

    def _list(
        self,
        name: bytes,
        clock: tuple[int, int],
        changed: bytes,
        checksum: int,
        size: int,
        start: int,
        attributes: int,
    ) -> None:
        """Add a line to the table of contents."""
        large = [size, size] if size >= _FULL else []
        large += [start] if start >= _FULL else []
        extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        extra += changed
        self._contents += _CENTRAL.pack(
            0x02014B50,
            _UNIX | _VERSION,
            _VERSION,
            _FLAGS,
            0,
            *clock,
            checksum,
            min(size, _FULL),
            min(size, _FULL),
            len(name),
            len(extra),
            0,
            0,
            0,
            attributes,
            min(start, _FULL),
        )
        self._contents += name + extra

    def end(self) -> Iterator[bytes]:
        start, length = self._place, len(self._contents)
        for place in range(0, length, _SEND):
            self._waiting += self._contents[place : place + _SEND]
            yield from self._ready()
        if self._count >= 0xFFFF or start >= _FULL or length >= _FULL:
            self._waiting += _END64.pack(
                0x06064B50,
                _END64.size - 12,
                _UNIX | _VERSION,
                _VERSION,
                0,
                0,
                self._count,
                self._count,
                length,
                start,
            )
            self._waiting += _WHERE64.pack(0x07064B50, 0, start + length, 1)
        count = min(self._count, 0xFFFF)
        self._waiting += _END.pack(0x06054B50, 0, 0, count, count, min(length, _FULL), min(start, _FULL), 0)
        yield from self._ready(1)


def _dos_time(seconds: int) -> tuple[int, int]:
    """The time and the date as MS-DOS had them, in local time; the nearest that it can express."""
    found = datetime(1980, 1, 1)  # noqa: DTZ001 - a zip has local time without saying so
    with suppress(OverflowError, OSError, ValueError):
        found = max(found, datetime.fromtimestamp(seconds))  # noqa: DTZ006 - the same
    if found.year > 2107:
        found = datetime(2107, 12, 31, 23, 59, 58)  # noqa: DTZ001 - the same
    return (
        found.hour << 11 | found.minute << 5 | found.second // 2,
        (found.year - 1980) << 9 | found.month << 5 | found.day,
    )


def _utc(seconds: int) -> bytes:
    """The field with the exact time; nothing for a time that it cannot have."""
    return _UTC.pack(0x5455, 5, 1, seconds) if -(1 << 31) <= seconds < 1 << 31 else b""
