"""What can still be read of a Manifest.db that SQLite gives up on: every row in a page that is there.

A half-copied list lacks its end, and a page in the middle may be lost with all that it leads to. The rows
themselves are in pages of their own, and each proves itself: its fileID is the SHA-1 of its domain and path.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import BinaryIO

from ibackup.apple.blob_tree import PREFIXES, BlobTree
from ibackup.apple.crypto import aes_and_keys
from ibackup.apple.database_extent import HEADER, PAGE_SIZES, extent
from ibackup.apple.file_ids import named, sha1
from ibackup.apple.foreign_database import MEMORY_LIMIT
from ibackup.apple.format_errors import FormatError
from ibackup.apple.manifest_db import MAX_CELL_BYTES, PART, ManifestDb
from ibackup.apple.rows import Rows

_LEAF = 0x0D  # the type of a page with rows
_FIRST_TEXT, _FIRST_BLOB = 13, 12  # of the types in a record; every second number is a length
_COLUMNS = 5
_WIDTHS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}  # bytes of a whole number by its type
_SPARE = (
    16 << 20
)  # bytes of rows beyond those that the pages can hold; hostile pages share what they refer to

_BLOCK = aes_and_keys.BLOCK

ReadAt = Callable[[int, int], bytes]
"""Returns the bytes at an offset, as many as asked for or fewer at the end."""

_Found = tuple[bytes, bytes, bytes, int, bytes]


def refuse_cut(head: bytes, size: int) -> None:
    """Raise FormatError for a database whose end is missing. See ``extent``."""
    found = extent(head, size)
    if found.is_cut:
        raise FormatError(PART, found.flaw)


def reader(source: BinaryIO, key: bytes | None) -> ReadAt:
    """Reads the plaintext of a list at any multiple of 16 bytes; ``key`` is None if it is stored plain."""

    def read(start: int, count: int) -> bytes:
        if key is None:
            source.seek(start)
            return source.read(count)
        source.seek(max(0, start - _BLOCK))
        iv = source.read(_BLOCK) if start else aes_and_keys.ZERO_IV
        data = source.read(-(-count // _BLOCK) * _BLOCK)
        whole = len(data) - len(data) % _BLOCK
        return aes_and_keys.cbc_decryptor(key, iv).update(data[:whole])[:count] if len(iv) == _BLOCK else b""

    return read


def coverage(rows: Rows, tree: BlobTree) -> tuple[int, int, int]:
    """How many entries a list has, how many of the stored files they name, and how many there are."""
    entries = named_here = here = 0
    ids = rows.rows_by_id()
    row = next(ids, None)
    for prefix in PREFIXES:
        there = tree.bucket(prefix).ids()
        here += len(there)
        while row is not None and row.file_id[:2] <= prefix:
            entries += 1
            named_here += row.file_id in there
            row = next(ids, None)
    return entries, named_here, here


def recover(read: ReadAt, size: int) -> ManifestDb | None:
    """A list with the rows that are still there; None if there is none.

    Args:
        read: reads its plaintext.
        size: bytes of the plaintext.
    """
    known = extent(read(0, HEADER), size).page
    for page in [known] if known else PAGE_SIZES:
        rows = _rows(read, size, page)
        first = next(rows, None)
        if first is not None:
            return _made(_with_first(first, rows), size)
    return None


def _with_first(first: _Found, rest: Iterable[_Found]) -> Iterator[_Found]:
    yield first
    yield from rest


def _made(rows: Iterable[_Found], size: int) -> ManifestDb:
    """The same rows in a database of their own; a large one is made where only the user can read it."""
    if size <= MEMORY_LIMIT:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as target:
            _fill(target, rows)
            data = target.serialize()
        return ManifestDb.open_plaintext([data], len(data))
    with tempfile.TemporaryDirectory(prefix="ibackup-") as folder:
        path = os.path.join(folder, PART)
        with closing(sqlite3.connect(path, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = OFF").close()
            target.execute("PRAGMA synchronous = OFF").close()
            _fill(target, rows)
        with open(path, "rb") as source:
            chunks = iter(lambda: source.read(1 << 20), b"")
            return ManifestDb.open_plaintext(chunks, os.fstat(source.fileno()).st_size)


def _fill(target: sqlite3.Connection, rows: Iterable[_Found]) -> None:
    target.execute("BEGIN").close()
    target.execute(
        "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB)"
    ).close()
    insert = "INSERT OR IGNORE INTO Files VALUES (CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)"
    target.executemany(insert, rows).close()
    target.execute("CREATE INDEX FilesDomainIdx ON Files(domain)").close()
    target.execute("COMMIT").close()


def _rows(read: ReadAt, size: int, page: int) -> Iterator[_Found]:
    """The rows of table Files in all pages that have some."""
    budget = size + _SPARE
    for start in range(0, size, page):
        data = read(start, page)
        head = 0 if start else HEADER
        if len(data) < page or data[head] != _LEAF:
            continue
        count = int.from_bytes(data[head + 3 : head + 5], "big")
        for place in range(head + 8, min(head + 8 + 2 * count, page - 1), 2):
            payload = _payload(data, int.from_bytes(data[place : place + 2], "big"), read, size)
            budget -= len(payload or b"")
            if budget < 0:
                return
            row = _row(payload) if payload is not None else None
            if row is not None:
                yield row


def _payload(data: bytes, at: int, read: ReadAt, size: int) -> bytes | None:
    """A cell's content, with what is in other pages; None if it cannot be read to its end."""
    page = len(data)
    length, at = _number(data, at)
    _, at = _number(data, at)
    if not 0 < length <= MAX_CELL_BYTES or at >= page:
        return None
    most, least = page - 35, (page - 12) * 32 // 255 - 23
    here = length
    if length > most:
        here = least + (length - least) % (page - 4)
        here = here if here <= most else least
    found = data[at : at + here]
    following = int.from_bytes(data[at + here : at + here + 4], "big") if here < length else 0
    parts, left = [found], length - len(found)
    while left > 0 and 0 < following <= size // page:
        other = read((following - 1) * page, page)
        following = int.from_bytes(other[:4], "big")
        parts.append(other[4 : 4 + left])
        left -= len(parts[-1])
        if not parts[-1]:
            return None
    return None if left else b"".join(parts)


def _row(payload: bytes) -> _Found | None:
    """The row in a record; None if it is of another table, or damaged."""
    end, at = _number(payload, 0)
    types: list[int] = []
    while at < min(end, len(payload)) and len(types) <= _COLUMNS:
        kind, at = _number(payload, at)
        types.append(kind)
    if len(types) != _COLUMNS or at != end:
        return None
    *texts, flags_type, blob_type = types
    if not all(each >= _FIRST_TEXT and each % 2 for each in texts) or flags_type not in _WIDTHS:
        return None
    if blob_type < _FIRST_BLOB or blob_type % 2:
        return None
    cells = []
    for kind in texts:
        cells.append(payload[at : at + (kind - _FIRST_TEXT) // 2])
        at += (kind - _FIRST_TEXT) // 2
    width = _WIDTHS[flags_type]
    flags = int.from_bytes(payload[at : at + width], "big", signed=True) if width else flags_type - 8
    at += width
    blob = payload[at : at + (blob_type - _FIRST_BLOB) // 2]
    file_id, domain, path = cells
    if at + len(blob) != len(payload) or sha1(named(domain, path)).hexdigest().encode() != file_id:
        return None
    return file_id, domain, path, flags, blob


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends; past the end of the data it is 0."""
    value = 0
    for count in range(9):
        if at >= len(data):
            return 0, at
        byte = data[at]
        at += 1
        if count == 8:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return value, at
