r"""The seal: SHA-256 sums of every file of a snapshot, in the format of coreutils' ``sha256sum``.

A line is 64 hex digits, two spaces and the path below the snapshot's folder. A backslash, line feed or
carriage return in a path is written as ``\\``, ``\n`` or ``\r``, and the line then begins with a backslash.
"""

import hashlib
import mmap
import os
import re
from binascii import unhexlify
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, NamedTuple, Self

from ibackup.apple.format_errors import SealDamaged
from ibackup.base.confined import shown

MAX_LINE_BYTES = 16 * 1024
MAX_BYTES = 4 * 1024**3

_LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.?)", re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}
_BLOB = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{38})")
_ID_BYTES = 20
_RECORD_BYTES = _ID_BYTES + 32
_BLOCK_LINES = 1024


class SealLine(NamedTuple):
    """One line: ``path`` with forward slashes below the snapshot's folder, ``sha256`` 64 lower-case hex digits."""

    path: str
    sha256: str


def encode(line: SealLine) -> bytes:
    """A line as ``sha256sum`` writes it, with its line feed."""
    path = os.fsencode(line.path)
    if b"\\" in path or b"\n" in path or b"\r" in path:
        path = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        return b"\\%s  %s\n" % (line.sha256.encode("ascii"), path)
    return b"%s  %s\n" % (line.sha256.encode("ascii"), path)


def write(target: BinaryIO, lines: Iterable[SealLine]) -> str:
    """Write a seal and return its own SHA-256. Sorted lines are the least work for the reader."""
    whole = hashlib.sha256()
    batch: list[bytes] = []
    for line in lines:
        path = line.path
        if path.isascii() and path.isprintable() and "\\" not in path:
            batch.append(f"{line.sha256}  {path}\n".encode("ascii"))  # nearly all lines
        else:
            batch.append(encode(line))
        if len(batch) == 1024:
            _flush(target, batch, whole.update)
    _flush(target, batch, whole.update)
    return whole.hexdigest()


def write_places(
    target: BinaryIO, folder: str, places: Iterable[tuple[str, Sequence[tuple[str, bytes]]]]
) -> str:
    """Like ``write``, for files by their place; see ``read_places``. Nearly all lines are written in blocks.

    Args:
        target: see ``write``.
        folder: all paths begin with it.
        places: folders below it, each with names and SHA-256 (32 bytes) of files in it; a folder may come again.
    """
    whole = hashlib.sha256()
    for place, files in places:
        head = f"{folder}/{place}/" if place else f"{folder}/"
        text = "".join([f"{sha256.hex()}  {head}{name}\n" for name, sha256 in files])
        names = text.replace("\n", "")
        is_plain = names.isascii() and names.isprintable() and "\\" not in names
        if is_plain and len(text) - len(names) == len(files):
            block = text.encode("ascii")
        else:
            block = b"".join([encode(SealLine(head + name, sha256.hex())) for name, sha256 in files])
        whole.update(block)
        target.write(block)
    return whole.hexdigest()


def _flush(target: BinaryIO, batch: list[bytes], update: Callable[[bytes], None]) -> None:
    block = b"".join(batch)
    update(block)
    target.write(block)
    batch.clear()


def read(source: BinaryIO, seen: Callable[[bytes], object] = len) -> Iterator[SealLine]:
    """The lines of a seal, in order.

    Args:
        source: the seal, opened for reading.
        seen: called with every raw line, to compute the seal's own checksum.

    Raises:
        SealDamaged: a line that ``sha256sum`` would not have written.
    """
    number = 0
    while raw := source.readline(MAX_LINE_BYTES):
        number += 1
        seen(raw)
        yield _parsed(raw, number)


def read_places(
    source: BinaryIO, folder: str, is_allowed: Callable[[str], bool]
) -> Iterator[tuple[str, str, bytes]]:
    """The same, taken apart: the folder and the name of each file below ``folder``, and its SHA-256 (32 bytes).

    Args:
        source: see ``read``.
        folder: all paths begin with it.
        is_allowed: whether a path below it that is no blob's may be there.

    Raises:
        SealDamaged: see ``read``; also a path that is elsewhere, or not allowed.
    """
    # As Latin-1, each byte is one character.
    head = f"  {os.fsencode(folder).decode('latin-1')}/"
    usual = re.compile(f"([0-9a-f]{{64}}){re.escape(head)}([0-9a-f]{{2}})/(\\2[0-9a-f]{{38}})\n").findall
    length = 64 + len(head) + 2 + 1 + 2 * _ID_BYTES + 1
    number = 0
    while block := source.read(_BLOCK_LINES * length):
        found = usual(block.decode("latin-1"))
        if len(found) * length == len(block):  # all of it are such lines, as nearly everywhere
            number += len(found)
            for sha256, place, name in found:
                yield place, name, unhexlify(sha256)
            continue
        source.seek(-len(block), os.SEEK_CUR)
        left = len(block)
        while left > 0 and (raw := source.readline(MAX_LINE_BYTES)):
            number += 1
            left -= len(raw)
            line = _parsed(raw, number)
            below = line.path.removeprefix(f"{folder}/")
            if below == line.path or not is_allowed(below):
                raise SealDamaged(number, f"names {shown(line.path)}, which no backup contains")
            place, _, name = below.rpartition("/")
            yield place, name, bytes.fromhex(line.sha256)


def _parsed(raw: bytes, number: int) -> SealLine:
    if not raw.endswith(b"\n"):
        raise SealDamaged(number, "is incomplete" if len(raw) < MAX_LINE_BYTES else "is too long")
    found = _LINE.fullmatch(raw[:-1])
    if not found:
        raise SealDamaged(number, "is not a checksum and a path")
    escaped, digest, path = found.groups()
    if escaped:
        path = _unescape(path, number)
    return SealLine(os.fsdecode(path), digest.decode("ascii"))


def sum_of_blob(seal_path: str, blob_path: str) -> str | None:
    """The checksum of one stored file in a seal, without reading the whole seal; None if it is not in there.

    Args:
        seal_path: of the seal, which is not checked.
        blob_path: of the file below the backup's folder, as ``Backup.place_of`` gives it.

    Raises:
        OSError: the seal cannot be read.
    """
    with open(seal_path, "rb") as source:
        if not os.fstat(source.fileno()).st_size:
            return None
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            end = whole.find(os.fsencode(f"/{blob_path}\n"))
            if end < 0:
                return None
            found = _LINE.fullmatch(whole[whole.rfind(b"\n", 0, end) + 1 : end + 1 + len(blob_path)])
            return found[2].decode("ascii") if found else None


def _unescape(path: bytes, number: int) -> bytes:
    def plain(found: re.Match[bytes]) -> bytes:
        try:
            return _ESCAPED[found[1]]
        except KeyError:
            raise SealDamaged(number, "has an escape that sha256sum does not write") from None

    return _ESCAPE.sub(plain, path)


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal in memory, 52 bytes per blob.

    Attributes:
        folder: the folder that all its paths begin with: the backup's own, named by the phone's UDID.
        sha256: SHA-256 of the seal itself, 64 hex digits.
        others: the checksums of files that are not blobs, by their path below ``folder``.
    """

    folder: str
    sha256: str
    others: dict[str, bytes]
    _blobs: bytes

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a seal.

        Raises:
            SealDamaged: a line is damaged, a path is listed twice, or the paths are in several folders.
            OSError: it cannot be read.
        """
        if os.stat(path).st_size > MAX_BYTES:
            raise SealDamaged(0, "is too long for a seal")
        with open(path, "rb") as source:
            return cls.load(source)

    @classmethod
    def load(cls, source: BinaryIO) -> Self:
        """Like ``read``, from an open file."""
        whole = hashlib.sha256()
        return cls._collect(read(source, whole.update), whole.hexdigest)

    @classmethod
    def make(cls, lines: Iterable[SealLine]) -> Self:
        """A seal of the given lines, with the checksum that ``write`` returns for them."""
        whole = hashlib.sha256()

        def seen() -> Iterator[SealLine]:
            for line in lines:
                whole.update(encode(line))
                yield line

        return cls._collect(seen(), whole.hexdigest)

    @classmethod
    def _collect(cls, lines: Iterable[SealLine], sha256: Callable[[], str]) -> Self:
        folder: str | None = None
        others: dict[str, bytes] = {}
        blobs = bytearray()
        last, ordered = b"", True
        for number, line in enumerate(lines, 1):
            top, slash, rest = line.path.partition("/")
            folder = top if folder is None else folder
            if top != folder or not slash or not rest:
                raise SealDamaged(number, "names a file outside of the backup's folder")
            found = _BLOB.fullmatch(rest)
            if found:
                file_id = bytes.fromhex(found[2])
                ordered = ordered and last < file_id
                last = file_id
                blobs += file_id
                blobs += bytes.fromhex(line.sha256)
            elif rest in others:
                raise SealDamaged(number, "names a file for the second time")
            else:
                others[rest] = bytes.fromhex(line.sha256)
        if folder is None:
            raise SealDamaged(1, "is missing: the seal is empty")
        return cls(folder, sha256(), others, bytes(blobs) if ordered else _sorted(blobs))

    def __len__(self) -> int:
        return len(self.others) + len(self._blobs) // _RECORD_BYTES

    def get(self, path: str) -> bytes | None:
        """The SHA-256 (32 bytes) of a file by its path below ``folder``; None if it is not listed."""
        place = self.place(path)
        if place is None:
            return self.others.get(path)
        start = place * _RECORD_BYTES + _ID_BYTES
        return self._blobs[start : start + 32]

    def place(self, path: str) -> int | None:
        """The number of a blob among the blobs, which are in the order of their ids; None if it is not listed."""
        found = _BLOB.fullmatch(path)
        if not found:
            return None
        file_id = bytes.fromhex(found[2])
        ids = _Ids(self._blobs)
        place = bisect_left(ids, file_id)
        return place if place < len(ids) and ids[place] == file_id else None

    def ids(self, prefix: str) -> Iterator[str]:
        """The fileIDs of the blobs in one of the 256 folders, ascending."""
        ids = _Ids(self._blobs)
        place = bisect_left(ids, bytes.fromhex(prefix))
        while place < len(ids) and (name := ids[place].hex())[:2] == prefix:
            yield name
            place += 1


class _Ids:
    """The ids in a packed block of records, as a sequence that ``bisect`` can search."""

    __slots__ = ("_blobs",)

    def __init__(self, blobs: bytes) -> None:
        self._blobs = blobs

    def __len__(self) -> int:
        return len(self._blobs) // _RECORD_BYTES

    def __getitem__(self, place: int) -> bytes:
        start = place * _RECORD_BYTES
        return self._blobs[start : start + _ID_BYTES]


def _sorted(blobs: bytearray) -> bytes:
    records = sorted(bytes(blobs[at : at + _RECORD_BYTES]) for at in range(0, len(blobs), _RECORD_BYTES))
    for before, after in pairwise(records):
        if before[:_ID_BYTES] == after[:_ID_BYTES]:
            raise SealDamaged(0, f"names a file for the second time: {before[:_ID_BYTES].hex()}")
    return b"".join(records)
