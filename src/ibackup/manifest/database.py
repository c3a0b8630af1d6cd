"""``Manifest.db``: SQLite from outside, read without trust and without a trace.

A plain database is read where it lies, ``immutable``, so that SQLite makes no ``-wal`` or ``-shm`` file in the
backup; a small one, and the plaintext of a small encrypted one, is read from memory; the plaintext of a large one
from a file that only the user can read and that is gone afterwards.

Facts about the format: docs/format.md, "Manifest.db".
"""

import base64
import binascii
import errno
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Self
from urllib.parse import quote

from ibackup.errors import NoRoom
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.rows import FILE_ID, BadRow, Kind, Row, Settles, sha1

PART = "Manifest.db"
MAGIC = b"SQLite format 3\0"
MEMORY_LIMIT = 48 * 1024 * 1024  # bytes; SQLite's copy doubles it for a moment
CHECK_CACHE = 32 * 1024 * 1024  # bytes
MAX_CELL_BYTES = 4 * 1024 * 1024
MAX_FLAWS = 100
_STEPS_AT_ONCE = 100_000  # SQLite's; a row takes about 8, and 25 to be checked with its indexes
_MIN_STEPS = 1_000_000
_COLUMNS = ("fileID", "domain", "relativePath", "flags", "file")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM Files"  # noqa: S608 - our own texts
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_BEHIND = "FROM Files NOT INDEXED WHERE rowid > ? ORDER BY rowid"
_OLD_IV = bytes(range(16))
_PLACEHOLDER = 16
_ROWS_OF_A_PAGE = 64  # more than there are
_MOST_ROWS = 1 << 40
_MOST_GAPS = 1000
_KINDS = {kind.value: kind for kind in Kind}

BlobDecoder = Callable[[bytes], bytes]


# Python makes text of what SQLite says, which quotes the database and need not be any.
_TROUBLE = (sqlite3.Error, UnicodeDecodeError)


class ManifestDb:
    """An open ``Manifest.db``; close it when done. An instance is for one thread at a time."""

    flat = False

    def __init__(
        self, connection: sqlite3.Connection, *, uri: str | None = None, folder: str | None = None
    ) -> None:
        self._connection = connection
        self._uri = uri
        self._folder = folder
        self._spare: ManifestDb | None = None
        self._decode_blob: BlobDecoder | None = None
        self._steps = self._steps_left = _MIN_STEPS
        try:
            self._harden()
            self._check_schema()
        except _TROUBLE as error:
            self.close()
            raise self._damaged(error) from None
        except BaseException:
            self.close()
            raise

    @classmethod
    def open_path(cls, path: str) -> Self:
        """Read a plain database where it lies. Raises FormatError."""
        uri = f"file:{quote(os.path.abspath(path).replace(os.sep, '/'))}?mode=ro&immutable=1"
        try:
            return cls(_connect(uri), uri=uri)
        except _TROUBLE as error:
            raise _damaged(error) from None

    @classmethod
    def open_plaintext(cls, chunks: Iterable[memoryview | bytes], size: int) -> Self:
        """Read a database from its plaintext.

        Args:
            chunks: the plaintext in order; bytes after the last whole page are padding and left out.
            size: about how many bytes will come; decides between memory and a private temporary file.

        Raises:
            FormatError: it is not a database; after decryption that means a wrong key or damage.
            NoRoom: there is none for the temporary file.
        """
        if size <= MEMORY_LIMIT and hasattr(sqlite3.Connection, "deserialize"):
            return cls._from_memory(chunks)
        folder = tempfile.mkdtemp(prefix="ibackup-")  # mode 0700
        try:
            path = os.path.join(folder, PART)
            with open(path, "xb", opener=_private) as target:
                target.writelines(chunks)
                target.flush()
                with open(path, "rb") as start:
                    page = _page_size(start.read(32))
                whole = target.tell() - target.tell() % page
                target.truncate(whole)
            uri = f"file:{quote(path.replace(os.sep, '/'))}?mode=ro&immutable=1"
            database = cls(_connect(uri), uri=uri, folder=folder)
            database._hide()
            return database
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, _TROUBLE):
                raise _damaged(error) from None
            if isinstance(error, OSError) and error.errno in _FULL:
                raise NoRoom(
                    f"The list of files needs {size:,} bytes in {tempfile.gettempdir()} while it is read.",
                    why="It is decrypted there, where only you can read it, and removed at once.",
                    hint="Make room there, or name another folder in the environment variable TMPDIR.",
                ) from None
            raise

    @classmethod
    def _from_memory(cls, chunks: Iterable[memoryview | bytes]) -> Self:
        data = bytearray()
        for chunk in chunks:
            data += chunk
        page = _page_size(bytes(data[:32]))
        del data[len(data) - len(data) % page :]
        # 2 means a write-ahead log, which a database in memory cannot have; every phone writes 2.
        data[18:20] = b"\x01\x01"
        connection = _connect(":memory:")
        try:
            connection.deserialize(data)
        except _TROUBLE as error:
            connection.close()
            raise _damaged(error) from None
        return cls(connection)

    def close(self) -> None:
        """Let go of the database and of a temporary file."""
        self._connection.close()
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _hide(self) -> None:
        """Take the temporary file's name away where open files outlive their names: a crash then leaves nothing."""
        if os.name == "posix" and self._folder is not None:
            self._spare = self.another()
            self._uri = None
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def decode_blobs_with(self, password: str) -> None:
        """Read records as iOS 10.0 encrypts them: AES-128-CBC in base64, with a key from password and salt."""
        salt = self._property("salt")
        if salt is not None:
            self._decode_blob = _old_decoder(password, salt)

    def rows(self, domain: str | None = None, *, settles: Settles | None = None) -> Iterator[Row | BadRow]:
        """All rows in the database's own order, or those of one domain; without those that ``settles`` takes.

        Raises:
            FormatError: the database is damaged.
        """
        if domain is not None:
            return self._query("WHERE domain IN (CAST(? AS TEXT), ?)", domain, domain)
        return self._query("") if settles is None or self._decode_blob is not None else self._scan(settles)

    def rows_by_id(self) -> Iterator[Row | BadRow]:
        """All rows in the order of their ids. Raises FormatError."""
        return self._query("ORDER BY fileID")

    def salvaged_rows(self, domain: str | None = None) -> Iterator[Row | BadRow]:
        """What can be read of a damaged database, as ``rows``: past each damaged page it goes on behind it.

        Each gap comes as a row that cannot be used.
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
                with _closing(self._connection.execute(select, (place,))) as cursor:
                    for number, *cells in cursor:
                        last = max(last, number)  # they ascend, unless damaged
                        row = self._row(*cells) if wanted in (None, cells[1]) else None
                        if row is not None:
                            yield row
                return
            except _TROUBLE as error:
                endless = self._steps_left < 0
                yield BadRow("", PART, "a damaged page", f"entries are lost: {self._damaged(error).flaw}")
                place = None if endless else self._behind(last)

    def _behind(self, place: int) -> int | None:
        """The highest place before the first row that can be read behind a damaged page; None when there is none."""

        def reads(start: int) -> bool:
            self._steps_left = self._steps
            query = f"SELECT rowid {_BEHIND} LIMIT 1"
            try:
                return self._connection.execute(query, (start,)).fetchone() is not None
            except (*_TROUBLE, OverflowError):  # the latter of a number beyond SQLite's
                return False

        for step in range(1, _ROWS_OF_A_PAGE):  # to miss no good page between two
            if reads(place + step):
                return place + step
        low, step = place, _ROWS_OF_A_PAGE
        while not reads(place + step):
            low, step = place + step, step * 2
            if step > _MOST_ROWS:
                return None
        high = place + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reads(middle) else (middle, high)
        return high

    def row(self, file_id: str) -> Row | BadRow | None:
        """One row, found by its index. Raises FormatError."""
        return next(self._query("WHERE fileID IN (CAST(? AS TEXT), ?)", file_id, file_id), None)

    def _query(self, where: str, *values: str) -> Iterator[Row | BadRow]:
        # As bytes, since texts of the phone need not be Unicode; CAST makes them comparable with text. A database
        # that another program made may hold them as bytes, too.
        cells_of = tuple(value.encode("utf-8", "surrogateescape") for value in values)
        self._steps_left = self._steps
        try:
            with _closing(self._connection.execute(f"{_SELECT} {where}", cells_of)) as cursor:
                make = self._row
                for cells in cursor:
                    row = make(*cells)
                    if row is not None:
                        yield row
        except _TROUBLE as error:
            raise self._damaged(error) from None

    def _scan(self, settles: Settles) -> Iterator[Row | BadRow]:
        """The rows that ``settles`` does not take. A million go through here: what all of them do stands here."""
        hash_of, hex_of, kinds, make = sha1, binascii.hexlify, _KINDS, self._row
        self._steps_left = self._steps
        try:
            with _closing(self._connection.execute(_SELECT)) as cursor:
                for file_id, domain, path, flags, blob in cursor:
                    if type(domain) is type(path) is type(blob) is bytes and type(flags) is int:
                        digest = hash_of(b"%b-%b" % (domain, path)).digest()
                        if hex_of(digest) == file_id and flags in kinds and settles(digest, flags, blob):
                            continue
                    row = make(file_id, domain, path, flags, blob)
                    if row is not None:
                        yield row
        except _TROUBLE as error:
            raise self._damaged(error) from None

    def flaws(self) -> Iterator[str]:
        """What SQLite's own integrity check says; nothing when the database is sound."""
        self._steps_left = self._steps
        try:
            if self._uri is not None:
                # It looks every row up in every index; the usual 2 MB would read the same pages again and again.
                # What is in memory anyway needs no more.
                self._connection.execute(f"PRAGMA cache_size = {-CHECK_CACHE // 1024}").close()
            with closing(self._connection.execute(f"PRAGMA integrity_check({MAX_FLAWS})")) as cursor:
                for (said,) in cursor:
                    yield from flaws_in(said)
        except _TROUBLE as error:
            yield self._damaged(error).flaw

    def another(self) -> "ManifestDb | None":
        """The same database once more, for another thread; None when it is in memory. Raises FormatError."""
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return spare
        if self._uri is None:
            return None
        try:
            return ManifestDb(_connect(self._uri), uri=self._uri)
        except _TROUBLE as error:
            raise _damaged(error) from None

    def interrupt(self) -> None:
        """Have what another thread is doing with this end soon."""
        self._connection.interrupt()

    def count(self) -> int:
        """How many rows there are. Raises FormatError."""
        try:
            found = self._connection.execute("SELECT count(*) FROM Files").fetchone()
        except _TROUBLE as error:
            raise self._damaged(error) from None
        return int(found[0])

    def _harden(self) -> None:
        connection = self._connection
        # Texts come as bytes: one that is not UTF-8 must not end the reading of all others.
        connection.text_factory = bytes
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        # A few damaged or hostile pages that refer to each other can stand for more rows than there are grains of sand.
        connection.set_progress_handler(self._stop_endless, _STEPS_AT_ONCE)
        for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        pages, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        self._steps = _MIN_STEPS + pages * size  # a row takes hundreds of bytes

    def _stop_endless(self) -> bool:
        self._steps_left -= _STEPS_AT_ONCE
        return self._steps_left < 0

    def _damaged(self, error: Exception) -> FormatError:
        if self._steps_left < 0:
            return FormatError(PART, "it goes on and on: its pages refer to each other in circles")
        return _damaged(error)

    def _check_schema(self) -> None:
        """Make sure that Files is a plain table: a view or virtual table of that name would run code."""
        found = self._connection.execute(
            "SELECT type, rootpage, sql FROM sqlite_master WHERE name = 'Files' COLLATE NOCASE"
            " OR (type = 'trigger' AND tbl_name = 'Files' COLLATE NOCASE)"
        ).fetchall()
        if not found:
            raise FormatError(PART, "it has no table named Files")
        for kind, root, sql in found:
            plain = kind == b"table" and isinstance(root, int) and root > 0
            if not plain or not isinstance(sql, bytes) or not sql[:13].upper() == b"CREATE TABLE ":
                raise FormatError(PART, f"its Files is a {_safe(kind)} that no phone makes")
        columns = {
            _safe(name): hidden
            for _, name, *_, hidden in self._connection.execute("PRAGMA table_xinfo(Files)")
        }
        for name in _COLUMNS:
            if columns.get(name) != 0:
                raise FormatError(PART, f"its table Files has no plain column {name}")

    def _property(self, key: str) -> bytes | None:
        query = "SELECT value FROM Properties WHERE key = ?"
        try:
            found = self._connection.execute(query, (key,)).fetchone()
        except _TROUBLE:
            return None  # no such table: nothing is kept there
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
                return None  # iOS 10.0 leaves placeholders behind
            return BadRow(
                _safe(file_id), _safe(domain), _safe(path), "its texts are missing or of another type"
            )
        true_id = sha1(domain + b"-" + path).hexdigest()
        name = file_id.decode("utf-8", "surrogateescape")
        if name != true_id and not FILE_ID.fullmatch(name):
            return BadRow(
                _safe(file_id), _safe(domain), _safe(path), "its fileID is not 40 hexadecimal digits"
            )
        kind = _KINDS.get(flags) if isinstance(flags, int) else None
        if kind is None:
            return BadRow(name, _safe(domain), _safe(path), f"its flags are {_safe(flags)}, not 1, 2 or 4")
        if not isinstance(blob, bytes):
            return BadRow(name, _safe(domain), _safe(path), "it has no record")
        if self._decode_blob is not None:
            blob = self._decode_blob(blob)
        domain_text = domain.decode("utf-8", "surrogateescape")
        return Row(name, domain_text, path.decode("utf-8", "surrogateescape"), kind, blob, true_id)


@contextmanager
def _closing(cursor: sqlite3.Cursor) -> Iterator[sqlite3.Cursor]:
    try:
        yield cursor
    finally:
        # Whoever stopped in the middle may have closed the database first.
        with suppress(sqlite3.ProgrammingError):
            cursor.close()


def _connect(target: str) -> sqlite3.Connection:
    return sqlite3.connect(
        target, uri=target.startswith("file:"), isolation_level=None, check_same_thread=False
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _damaged(error: Exception) -> FormatError:
    return FormatError(PART, f"SQLite says: {_said(error)}")


def _said(error: Exception) -> str:
    """What SQLite says of a database, which it may quote: made fit to be shown."""
    text = str(error) if isinstance(error, sqlite3.Error) else "it holds texts that are none"
    return "".join(char if char.isprintable() else "?" for char in text)


def flaws_in(said: object) -> Iterator[str]:
    """The flaws in what an integrity check says, which may be many lines in one row."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    for line in text.splitlines():
        if line != "ok" and not line.startswith("*** in database "):
            yield line


def _page_size(head: bytes) -> int:
    if not head.startswith(MAGIC) or len(head) < 20:
        raise FormatError(PART, "it is not an SQLite database")
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):
        raise FormatError(PART, f"its page size is {size}")
    return size


def _safe(value: object) -> str:
    """A cell made fit to be shown."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")[:1024]


def _old_decoder(password: str, salt: bytes) -> BlobDecoder:
    from ibackup.manifest.crypto import cbc_decryptor, padding

    secret = password.encode("utf-8", "surrogateescape")
    key = hashlib.sha1(secret + salt, usedforsecurity=False).digest()[:16]

    def decode(blob: bytes) -> bytes:
        if blob.startswith(b"bplist00"):
            return blob
        try:
            cipher = base64.b64decode(blob, validate=False)
        except (binascii.Error, ValueError):
            return blob  # not of that form; reading the record will say what is wrong
        plain = cbc_decryptor(key, _OLD_IV).update(cipher[: len(cipher) - len(cipher) % 16])
        return plain[: len(plain) - padding(plain)]

    return decode
