"""Reads a few small files from a large, untrusted tar archive as one stream.

``tarfile`` keeps names, sparse maps and members in memory, as many as the archive claims. Here an archive can use no
more memory than the requested files. POSIX (pax), ustar and GNU names are understood.
"""

import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

_BLOCK = 512
_MOST_MEMBERS = 500_000
_MOST_BYTES = 16 << 30  # unpacked; real archives have a few hundred megabytes to a few gigabytes
_MOST_SECONDS = 300.0
_LARGEST_NAME = 64 << 10
_CHUNK = 1 << 20
_FILES = (b"0", b"\0", b"7")
_UNKNOWN_LENGTH = (b"S",)  # its map of holes may continue after the header


class Member(NamedTuple):
    """A file of the archive; ``modified`` is in seconds since 1970."""

    name: str
    modified: int
    data: bytes


class BadArchive(Exception):
    """Not an archive, truncated, damaged, or larger than any phone makes; the argument says which."""


def files(source: BinaryIO, wanted: Callable[[str], int]) -> Iterator[Member]:
    """Yield the wanted files in the archive's order.

    Args:
        source: the archive, decompressed; what its ``read`` raises is passed on.
        wanted: the largest size allowed for a file of that name; 0 if it is not wanted.

    Raises:
        BadArchive: what comes next cannot be read.
    """
    stream = _Stream(source)
    name, size = "", None
    for _ in range(_MOST_MEMBERS):
        head = stream.take(_BLOCK)
        if not any(head):
            return
        _check(head)
        kind = head[156:157]
        length = _number(head[124:136]) if size is None else size
        if kind in (b"L", b"x") and length <= _LARGEST_NAME:
            body = stream.take(_padded(length))[:length]
            if kind == b"L":
                name = _text(body)
            else:
                name, size = _pax(body, name)
            continue
        if kind in _UNKNOWN_LENGTH:
            raise BadArchive("it contains a sparse file")
        full_name, name, size = name or _name(head), "", None
        limit = wanted(full_name) if kind in _FILES else 0
        if limit and length <= limit:
            data = stream.take(_padded(length))[:length]
            yield Member(full_name, _number(head[136:148]), data)
        else:
            stream.skip(_padded(length))
    raise BadArchive("it has more files than any phone writes")


class _Stream:
    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = _MOST_BYTES
        self._end = time.monotonic() + _MOST_SECONDS

    def take(self, size: int) -> bytes:
        """Read exactly this many bytes; the callers limit the size."""
        data = bytearray()
        while len(data) < size:
            data += self._some(size - len(data))
        return bytes(data)

    def skip(self, size: int) -> None:
        if size > self._left:
            raise BadArchive("it unpacks to more than any phone makes")
        while size:
            size -= len(self._some(size))

    def _some(self, size: int) -> bytes:
        data = self._source.read(min(size, _CHUNK))
        self._left -= len(data)
        if not data:
            raise BadArchive("it is cut short")
        if self._left < 0 or time.monotonic() > self._end:
            raise BadArchive("it unpacks to more than any phone makes")
        return data


def _check(head: bytes) -> None:
    """The sum of a header's bytes, its own field counted as spaces, is in the header."""
    if sum(head) - sum(head[148:156]) + 8 * 0x20 != _number(head[148:156]):
        raise BadArchive("it is not a tar archive, or it is damaged")


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # too large for octal digits
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0")
    try:
        number = int(digits, 8) if digits else 0
    except ValueError:
        raise BadArchive("it is not a tar archive, or it is damaged") from None
    return max(number, 0)


def _name(head: bytes) -> str:
    name = _text(head[:100])
    prefix = _text(head[345:500]) if head[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _pax(body: bytes, name: str) -> tuple[str, int | None]:
    """The name and size out of pax records, each "30 path=…" with a line end, the number counting itself."""
    size = None
    while body:
        digits, _, rest = body.partition(b" ")
        if not digits.isdigit() or len(digits) > 8 or not len(digits) + 1 < int(digits) <= len(body):
            break
        key, _, value = rest[: int(digits) - len(digits) - 2].partition(b"=")
        if key == b"path":
            name = _text(value)
        elif key == b"size" and value.isdigit() and len(value) < 20:
            size = int(value)
        body = body[int(digits) :]
    return name, size


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "replace")
