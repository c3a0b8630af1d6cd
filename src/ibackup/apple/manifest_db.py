"""``Manifest.db``: the phone's list of files.

Facts about the format: docs/format.md, "Manifest.db".
"""

import base64
import binascii
import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import zip_longest
from typing import Literal, Self

from ibackup.apple import manifest_db_schema
from ibackup.apple.file_ids import FILE_ID, named, sha1
from ibackup.apple.foreign_database import TROUBLE, Cut, ForeignDatabase, closing_cursor, safe_text
from ibackup.apple.format_errors import FormatError
from ibackup.apple.rows import BadRow, Kind, Row, Settles

PART = "Manifest.db"
CHECK_CACHE = 32 * 1024 * 1024  # bytes
MAX_CELL_BYTES = 4 * 1024 * 1024
MAX_FLAWS = 100
_MAX_SCHEMA_BYTES = 16 * 1024  # for each definition; Files takes about 100
Cells = tuple[object, object, object, object, object]
"""What is stored of a row: fileID, domain, path, flags and record."""
_Packed = tuple[bytes, object]
"""What is stored of a row whose fileID is text: its bytes, and the record."""
_COLUMNS = ("fileID", "domain", "relativePath", "flags", "file")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM Files"  # noqa: S608 - our own texts
_BEHIND = "FROM Files NOT INDEXED WHERE rowid > ? ORDER BY rowid"
_OLD_IV = bytes(range(16))
_PLACEHOLDER = 16
_MOST_GAPS = 1000
_BLOCK_ROWS = 1000
_MOST_WITHOUT_EQUAL = 20_000
_KINDS = {kind.value: kind for kind in Kind}

BlobDecoder = Callable[[bytes], bytes]


class ManifestDb(ForeignDatabase):
    """An open ``Manifest.db``; close it when done. Use an instance in one thread at a time."""

    flat = False
    guessed = False

    def __init__(
        self,
        connection: sqlite3.Connection,
        part: str = PART,
        *,
        uri: str | None = None,
        folder: str | None = None,
    ) -> None:
        self._decode_blob: BlobDecoder | None = None
        super().__init__(connection, part, uri=uri, folder=folder)

    def _begin(self) -> None:
        # Texts are returned as bytes: one that is not UTF-8 must not stop the reading of all others.
        self._connection.text_factory = bytes
        # Forbid functions with an argument: a schema that calls one is then malformed. Our own queries need none.
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 0)
        self._harden(_MAX_SCHEMA_BYTES)
        self._check_schema()
        self._widen(MAX_CELL_BYTES)

    @classmethod
    def open_path(cls, path: str, part: str = PART) -> Self:
        """Read a plain list in place. Raises FormatError."""
        return super().open_path(path, part)

    @classmethod
    def open_plaintext(
        cls,
        chunks: Iterable[memoryview | bytes],
        size: int,
        part: str = PART,
        *,
        log: bytes = b"",
        cut: Cut | None = None,
    ) -> Self:
        """Read a list from its plaintext; see ``ForeignDatabase.open_plaintext``. Raises FormatError, NoRoom."""
        return super().open_plaintext(chunks, size, part, log=log, cut=cut)

    def decode_blobs_with(self, password: str) -> None:
        """Read records the way iOS 10.0 encrypts them: AES-128-CBC in base64, with a key from password and salt."""
        salt = self._property("salt")
        if salt is not None:
            self._decode_blob = _old_decoder(password, salt)

    def rows(self, domain: str | None = None, *, settles: Settles | None = None) -> Iterator[Row | BadRow]:
        """All rows in the database's own order, or those of one domain; without those that ``settles`` accepts.

        Raises:
            FormatError: the database is damaged.
        """
        if domain is not None:
            return self._query("WHERE domain IN (CAST(? AS TEXT), ?)", domain, domain)
        return self._query("") if settles is None or self._decode_blob is not None else self._scan(settles)

    def rows_by_id(self) -> Iterator[Row | BadRow]:
        """All rows in the order of their ids. Raises FormatError."""
        return self._query("ORDER BY fileID")

    def cells_by_id(self) -> Iterator[Cells]:
        """What is stored of each row, in the order of their ids: equal cells make equal rows. Raises FormatError."""
        self._steps_left = self._steps
        try:
            with closing_cursor(self._connection.execute(f"{_SELECT} ORDER BY fileID")) as cursor:
                yield from cursor
        except TROUBLE as error:
            raise self._damaged(error) from None

    def changed_since(self, earlier: Self) -> Iterator[tuple[str, bytes, bytes]]:
        """The fileIDs in both lists whose records are not the same, and the records, then and now. Raises FormatError.

        Nearly all rows are equal, and both lists have them in nearly the same order. They are compared in blocks, and
        only what has not yet met its equal is kept. If that becomes too much, both are read in the order of their ids.
        """
        now: set[_Packed] = set()
        then: set[_Packed] = set()
        for new, old in zip_longest(self._blocks(""), earlier._blocks(""), fillvalue=()):
            if new == old and not now and not then:
                continue
            now.update(new)
            then.update(old)
            same = now & then
            now -= same
            then -= same
            if len(now) + len(then) > _MOST_WITHOUT_EQUAL:
                pairs = self._changed_in_order(earlier)
                break
        else:
            pairs = _with_one_id(then, now)
        for (file_id, old_record), (_, record) in pairs:
            if isinstance(old_record, bytes) and isinstance(record, bytes):
                yield (
                    file_id.decode("utf-8", "surrogateescape"),
                    earlier._decoded(old_record),
                    self._decoded(record),
                )

    def _decoded(self, record: bytes) -> bytes:
        return record if self._decode_blob is None else self._decode_blob(record)

    def _changed_in_order(self, earlier: Self) -> Iterator[tuple[_Packed, _Packed]]:
        before = earlier._blocks("ORDER BY fileID")
        old = next(before, [])
        for block in self._blocks("ORDER BY fileID"):
            last = block[-1][0]
            fresh = set(block)
            while old:
                fresh.difference_update(old)
                yield from _with_one_id(old, fresh)
                if old[-1][0] > last:
                    break
                old = next(before, [])

    def _blocks(self, order: Literal["", "ORDER BY fileID"]) -> Iterator[list[_Packed]]:
        """The records of the rows whose id is text, in blocks. Raises FormatError."""
        self._steps_left = self._steps
        index = "" if order else "NOT INDEXED"
        query = f"SELECT fileID, file FROM Files {index} WHERE fileID >= CAST(X'' AS TEXT) AND fileID < X'' {order}"  # noqa: S608 - our own texts
        try:
            with closing_cursor(self._connection.execute(query)) as cursor:
                while block := cursor.fetchmany(_BLOCK_ROWS):
                    yield block
        except TROUBLE as error:
            raise self._damaged(error) from None

    def row_of(self, cells: Cells) -> Row | BadRow | None:
        """The row of some cells; None for those that iOS 10.0 leaves as placeholders."""
        return self._row(*cells)

    def salvaged_rows(self, domain: str | None = None) -> Iterator[Row | BadRow]:
        """The readable rows of a damaged database, like ``rows``: after each damaged page it continues behind it.

        Each gap is returned as a row that cannot be used.
        """
        select = f"SELECT rowid, {', '.join(_COLUMNS)} {_BEHIND}"
        wanted = None if domain is None else domain.encode("utf-8", "surrogateescape")
        place: int | None = -1
        for _ in range(_MOST_GAPS):
            if place is None:
                return
            last = place
            self._steps_left = self._steps
            try:
                with closing_cursor(self._connection.execute(select, (place,))) as cursor:
                    for number, *cells in cursor:
                        last = max(last, number)  # they ascend, unless the database is damaged
                        row = self._row(*cells) if wanted in (None, cells[1]) else None
                        if row is not None:
                            yield row
                return
            except TROUBLE as error:
                endless = self._steps_left < 0
                yield BadRow("", PART, "a damaged page", f"entries are lost: {self._damaged(error).flaw}")
                place = None if endless else self._behind("Files", last)

    def row(self, file_id: str) -> Row | BadRow | None:
        """One row, found through its index. Raises FormatError."""
        return next(self._query("WHERE fileID IN (CAST(? AS TEXT), ?)", file_id, file_id), None)

    def _query(self, where: str, *values: str) -> Iterator[Row | BadRow]:
        # As bytes, because the phone's texts need not be valid Unicode; CAST makes them comparable with text.
        # A database that another program made may also store them as bytes.
        cells_of = tuple(value.encode("utf-8", "surrogateescape") for value in values)
        self._steps_left = self._steps
        try:
            with closing_cursor(self._connection.execute(f"{_SELECT} {where}", cells_of)) as cursor:
                make = self._row
                for cells in cursor:
                    row = make(*cells)
                    if row is not None:
                        yield row
        except TROUBLE as error:
            raise self._damaged(error) from None

    def _scan(self, settles: Settles) -> Iterator[Row | BadRow]:
        """The rows that ``settles`` does not accept. A million rows pass here, so their common work is inline."""
        hash_of, hex_of, kinds, make = sha1, binascii.hexlify, _KINDS, self._row
        self._steps_left = self._steps
        try:
            with closing_cursor(self._connection.execute(_SELECT)) as cursor:
                for file_id, domain, path, flags, blob in cursor:
                    if type(domain) is type(path) is type(blob) is bytes and type(flags) is int:
                        digest = hash_of(b"%b-%b" % (domain, path)).digest()
                        if (
                            hex_of(digest) == file_id
                            and flags in kinds
                            and settles(digest, domain, path, flags, blob)
                        ):
                            continue
                    row = make(file_id, domain, path, flags, blob)
                    if row is not None:
                        yield row
        except TROUBLE as error:
            raise self._damaged(error) from None

    def files_below(self, domain: str, folder: str) -> Iterator[tuple[str, bytes]]:
        """Path and packed record of each file below a folder, without any check of the row.

        They come in the database's own order. The camera roll of 300,000 files takes a fraction of a second.

        Args:
            domain: of the folder.
            folder: its path, with the slash at its end.

        Raises:
            FormatError: the database is damaged.
        """
        start = folder.encode("utf-8", "surrogateescape")
        end = start[:-1] + bytes([start[-1] + 1])
        query = (
            "SELECT relativePath, file FROM Files NOT INDEXED WHERE domain = CAST(? AS TEXT) AND flags = 1 "
            "AND relativePath >= CAST(? AS TEXT) AND relativePath < CAST(? AS TEXT)"
        )
        self._steps_left = self._steps
        try:
            values = (domain.encode("utf-8", "surrogateescape"), start, end)
            with closing_cursor(self._connection.execute(query, values)) as cursor:
                for path, packed in cursor:
                    if type(path) is bytes and type(packed) is bytes:
                        yield path.decode("utf-8", "surrogateescape"), packed
        except TROUBLE as error:
            raise self._damaged(error) from None

    def texts_as_bytes(self) -> Iterator[Row | BadRow]:
        """The rows whose fileID, domain or path is not text. Raises FormatError."""
        # Bytes sort after all text, so an index finds them at once.
        return self._query("WHERE fileID >= X'' OR domain >= X'' OR relativePath >= X''")

    def flaws(self) -> Iterator[str]:
        """What SQLite's own integrity check reports; nothing if the database is sound."""
        self._steps_left = self._steps
        try:
            if self._uri is not None:
                # It looks up every row in every index. With the usual cache of 2 MB it would read the same
                # pages again and again. A database in memory needs no larger cache.
                self._connection.execute(f"PRAGMA cache_size = {-CHECK_CACHE // 1024}").close()
            with closing(self._connection.execute(f"PRAGMA integrity_check({MAX_FLAWS})")) as cursor:
                for (said,) in cursor:
                    yield from flaws_in(said)
        except TROUBLE as error:
            yield self._damaged(error).flaw

    def count(self) -> int:
        """The number of rows. Raises FormatError."""
        try:
            found = self._connection.execute("SELECT count(*) FROM Files").fetchone()
        except TROUBLE as error:
            raise self._damaged(error) from None
        return int(found[0])

    def _check_schema(self) -> None:
        """Make sure that there are only plain tables and indexes: anything else would run code."""
        found = [
            (safe_text(kind), safe_text(name), None if sql is None else safe_text(sql, _MAX_SCHEMA_BYTES))
            for kind, name, sql in self._connection.execute("SELECT type, name, sql FROM sqlite_master")
        ]
        unknown = manifest_db_schema.unknown(found)
        if unknown:
            raise FormatError(PART, f"it has the {unknown}, of a kind that no phone makes")
        if not any(kind == "table" and name.lower() == "files" for kind, name, _ in found):
            raise FormatError(PART, "it has no table named Files")
        columns = {
            safe_text(name): hidden
            for _, name, *_, hidden in self._connection.execute("PRAGMA table_xinfo(Files)")
        }
        for name in _COLUMNS:
            if columns.get(name) != 0:
                raise FormatError(PART, f"its table Files has no plain column {name}")

    def _property(self, key: str) -> bytes | None:
        query = "SELECT value FROM Properties WHERE key = ?"
        try:
            found = self._connection.execute(query, (key,)).fetchone()
        except TROUBLE:
            return None  # no such table: nothing is stored there
        return found[0] if found and isinstance(found[0], bytes) else None

    def _row(
        self,
        file_id: object,
        domain: object,
        path: object,
        flags: object,
        blob: object,
    ) -> Row | BadRow | None:
        if not (type(file_id) is bytes and type(domain) is bytes and type(path) is bytes):
            if domain is None and path is None and isinstance(flags, int) and flags & _PLACEHOLDER:
                return None  # iOS 10.0 leaves placeholders
            return BadRow(
                safe_text(file_id),
                safe_text(domain),
                safe_text(path),
                "its texts are missing or of another type",
            )
        true_id = sha1(named(domain, path)).hexdigest()
        name = file_id.decode("utf-8", "surrogateescape")
        if name != true_id and not FILE_ID.fullmatch(name):
            return BadRow(
                safe_text(file_id),
                safe_text(domain),
                safe_text(path),
                "its fileID is not 40 hexadecimal digits",
            )
        kind = _KINDS.get(flags) if isinstance(flags, int) else None
        if kind is None:
            return BadRow(
                name, safe_text(domain), safe_text(path), f"its flags are {safe_text(flags)}, not 1, 2 or 4"
            )
        if not isinstance(blob, bytes):
            return BadRow(name, safe_text(domain), safe_text(path), "it has no record")
        blob = self._decoded(blob)
        domain_text = domain.decode("utf-8", "surrogateescape")
        return Row(name, domain_text, path.decode("utf-8", "surrogateescape"), kind, blob, true_id)


def _with_one_id(then: Iterable[_Packed], now: Iterable[_Packed]) -> Iterator[tuple[_Packed, _Packed]]:
    new = {cells[0]: cells for cells in now}
    if new:
        yield from ((cells, new[cells[0]]) for cells in then if cells[0] in new)


def flaws_in(said: object) -> Iterator[str]:
    """The flaws in an integrity check's report, which may be many lines in one row."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    for line in text.splitlines():
        if line != "ok" and not line.startswith("*** in database "):
            yield line


def _old_decoder(password: str, salt: bytes) -> BlobDecoder:
    from ibackup.apple.crypto.aes_and_keys import cbc_decryptor, padding

    secret = password.encode("utf-8", "surrogateescape")
    key = hashlib.sha1(secret + salt, usedforsecurity=False).digest()[:16]

    def decode(blob: bytes) -> bytes:
        if blob.startswith(b"bplist00"):
            return blob
        try:
            cipher = base64.b64decode(blob, validate=False)
        except (binascii.Error, ValueError):
            return blob  # not in that form; reading the record will report what is wrong
        plain = cbc_decryptor(key, _OLD_IV).update(cipher[: len(cipher) - len(cipher) % 16])
        return plain[: len(plain) - padding(plain)]

    return decode
