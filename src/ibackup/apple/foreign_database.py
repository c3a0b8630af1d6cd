"""An SQLite database from outside, opened without trusting it and without leaving traces.

A plain database is read in place, ``immutable``, so that SQLite makes no ``-wal`` or ``-shm`` file in the backup. A
small database, and the plaintext of a small encrypted one, is read from memory. The plaintext of a large one is
read from a file whose name is removed before the first byte is written. Windows cannot do that: there the file is
removed when the database is closed, or by the next start.
"""

import glob
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

from ibackup.apple import write_ahead_log
from ibackup.apple.database_extent import HEADER, MAGIC, extent, shortened
from ibackup.apple.format_errors import FormatError
from ibackup.apple.sqlite_uri import sqlite_uri
from ibackup.base import held
from ibackup.base.disks import is_full
from ibackup.base.errors import NoRoom

NO_DATABASE = "it is not an SQLite database"
MEMORY_LIMIT = 48 * 1024 * 1024  # bytes; SQLite's copy doubles it for a moment
# Python decodes SQLite's messages, which quote the database and may not be text.
TROUBLE = (sqlite3.Error, UnicodeDecodeError)
Cut = Callable[[str], None]

_MIN_STEPS = 1_000_000
_STEPS_AT_ONCE = 100_000  # SQLite's steps; a row takes about 8, and 25 to be checked with its indexes
_SCHEMA_STEPS_AT_ONCE = 1000
_MAX_SCHEMA_STEPS = 10_000  # a definition takes about 8
_CALLS = "too many arguments on function"
_ROWS_OF_A_PAGE = 64  # more than a page has
_MOST_ROWS = 1 << 40
_TEMPORARY = "ibackup-db-"
_VERSIONS = 18  # the position of two bytes; 2, as every phone writes, means a write-ahead log, which must be beside it
_NO_LOG = b"\x01\x01"


class ForeignDatabase:
    """An open database; close it when done. Use an instance in one thread at a time.

    Attributes:
        part: what it is called in errors.
    """

    max_schema_steps = _MAX_SCHEMA_STEPS

    def __init__(
        self, connection: sqlite3.Connection, part: str, *, uri: str | None = None, folder: str | None = None
    ) -> None:
        self.part = part
        self._connection = connection
        self._uri = uri
        self._folder = folder
        self._spare: Self | None = None
        self._steps = self._steps_left = _MIN_STEPS
        self._interrupted = False
        try:
            self._begin()
        except TROUBLE as error:
            self.close()
            raise self._damaged(error) from None
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """Harden the connection, check the schema, and widen the limits for the rows."""
        raise NotImplementedError

    @classmethod
    def open_path(cls, path: str, part: str) -> Self:
        """Read a plain database in place. Raises FormatError."""
        uri = sqlite_uri(os.path.abspath(path), mode="ro", immutable="1")
        try:
            return cls(_connect(uri), part, uri=uri)
        except TROUBLE as error:
            raise damaged(part, error) from None

    @classmethod
    def open_plaintext(
        cls,
        chunks: Iterable[memoryview | bytes],
        size: int,
        part: str,
        *,
        log: bytes = b"",
        cut: Cut | None = None,
    ) -> Self:
        """Read a database from its plaintext.

        Args:
            chunks: the plaintext in order; bytes after the last whole page are padding and left out.
            size: about how many bytes follow; decides between memory and a private temporary file.
            part: what it is called in errors.
            log: the content of its write-ahead log, which is applied.
            cut: called with the flaw of a database whose end is missing, which is then read as far as it goes.
                Without it, SQLite refuses such a database.

        Raises:
            FormatError: it is not a database; after decryption that means a wrong key or damage.
            NoRoom: there is no space for the temporary file.
        """
        if size <= MEMORY_LIMIT and hasattr(sqlite3.Connection, "deserialize"):
            return cls._from_memory(chunks, part, log, cut)
        if os.name == "nt":
            _sweep()
        folder = tempfile.mkdtemp(prefix=_TEMPORARY)  # mode 0700
        connections: list[sqlite3.Connection] = []
        try:
            path = os.path.join(folder, "copy.db")
            # They open the file now and read it at their first query; "immutable" would have them read it now.
            uri = sqlite_uri(path, mode="ro", nolock="1")
            with open(path, "x+b", opener=_private) as target:
                connections += [_connect(uri), _connect(uri)]
                if os.name == "posix":
                    held.remove_tree(folder, ignore_errors=True)
                    folder = ""
                _write_pages(target.fileno(), chunks, part, log, cut)
            database = cls(connections.pop(), part, folder=folder or None)
            database._spare = cls(connections.pop(), part)
            return database
        except BaseException as error:
            for connection in connections:
                connection.close()
            if folder:
                held.remove_tree(folder, ignore_errors=True)
            if isinstance(error, TROUBLE):
                raise damaged(part, error) from None
            if isinstance(error, OSError) and is_full(error):
                raise NoRoom(
                    f"{part} needs {size:,} bytes in {tempfile.gettempdir()} while it is read.",
                    why="It is decrypted there, where only you can read it, and removed right after.",
                    hint="Free some space there, or set the environment variable TMPDIR to another folder.",
                ) from None
            raise

    @classmethod
    def _from_memory(
        cls, chunks: Iterable[memoryview | bytes], part: str, log: bytes, cut: Cut | None
    ) -> Self:
        data = bytearray()
        for chunk in chunks:
            data += chunk
        page = _page_size(bytes(data[:32]), part)
        del data[len(data) - len(data) % page :]
        write_ahead_log.apply(log, page, data)
        data[:HEADER] = _header(bytes(data[:HEADER]), len(data), cut)
        connection = _connect(":memory:")
        try:
            connection.deserialize(data)
        except TROUBLE as error:
            connection.close()
            raise damaged(part, error) from None
        return cls(connection, part)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and delete a temporary file."""
        self._connection.close()
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        if self._folder is not None:
            held.remove_tree(self._folder, ignore_errors=True)
            self._folder = None

    def another(self) -> Self | None:
        """A second connection to the database, for another thread; None if it is in memory. Raises FormatError."""
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return spare
        if self._uri is None:
            return None
        try:
            return type(self)(_connect(self._uri), self.part, uri=self._uri)
        except TROUBLE as error:
            raise damaged(self.part, error) from None

    def interrupt(self) -> None:
        """Make what another thread is doing with this end soon."""
        self._interrupted = True
        self._connection.interrupt()

    def _harden(self, schema_bytes: int) -> None:
        """Trust nothing in the schema, while it is read: at most `schema_bytes` for each definition."""
        connection = self._connection
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, schema_bytes)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * schema_bytes)
        self._steps_left = self.max_schema_steps
        connection.set_progress_handler(
            lambda: self._stop_endless(_SCHEMA_STEPS_AT_ONCE), _SCHEMA_STEPS_AT_ONCE
        )
        for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    def _widen(self, cell_bytes: int) -> None:
        """Allow enough for the rows, now that the schema is known to be plain."""
        connection = self._connection
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, cell_bytes)
        pages, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        # A few damaged or hostile pages that refer to each other can stand for an endless number of rows.
        self._steps = self._steps_left = _MIN_STEPS + pages * size  # a row takes hundreds of bytes
        connection.set_progress_handler(lambda: self._stop_endless(_STEPS_AT_ONCE), _STEPS_AT_ONCE)

    def _stop_endless(self, steps: int) -> bool:
        self._steps_left -= steps
        return self._steps_left < 0

    def _damaged(self, error: Exception) -> FormatError:
        if self._steps_left < 0:
            return FormatError(self.part, "reading it never ends: its pages refer to each other in circles")
        if str(error) == "interrupted" and not self._interrupted:
            raise KeyboardInterrupt  # it happened in the progress handler, where SQLite swallows it
        return damaged(self.part, error)

    def _behind(self, table: str, place: int) -> int | None:
        """The highest position before the first row of a table that can be read after a damaged page, or None."""

        def reads(start: int) -> bool:
            self._steps_left = self._steps
            query = f"SELECT rowid FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT 1"  # noqa: S608
            try:
                return self._connection.execute(query, (start,)).fetchone() is not None
            except (*TROUBLE, OverflowError):  # OverflowError: a number too large for SQLite
                return False

        for step in range(1, _ROWS_OF_A_PAGE):  # so that no good page between two is missed
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


@contextmanager
def closing_cursor(cursor: sqlite3.Cursor) -> Iterator[sqlite3.Cursor]:
    """Close a cursor at the end, even if code that stopped in the middle has closed the database."""
    try:
        yield cursor
    finally:
        with suppress(sqlite3.ProgrammingError):
            cursor.close()


def damaged(part: str, error: Exception) -> FormatError:
    """The error for what SQLite says about a database, made safe to show because it may quote the database."""
    text = str(error) if isinstance(error, sqlite3.Error) else "it has texts that are not valid"
    if _CALLS in text:
        text = f"its schema calls functions, which no phone's does ({text.partition(' - ')[0]})"
    return FormatError(part, f"SQLite says: {''.join(char if char.isprintable() else '?' for char in text)}")


def safe_text(value: object, most: int = 1024) -> str:
    """A cell made safe to show; an empty cell gives an empty text."""
    if value is None:
        return ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")[:most]


def _connect(target: str) -> sqlite3.Connection:
    return sqlite3.connect(
        target, uri=target.startswith("file:"), isolation_level=None, check_same_thread=False
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _write_pages(
    target: int, chunks: Iterable[memoryview | bytes], part: str, log: bytes, cut: Cut | None
) -> None:
    """Write the plaintext up to its last whole page, and apply its write-ahead log."""
    done, head = 0, b""
    with open(target, "w+b", closefd=False) as sink:
        for chunk in chunks:
            if done < 32:
                head += bytes(chunk[: 32 - done])
            done += sink.write(chunk)
        page = _page_size(head, part)
        sink.truncate(done - done % page)
        write_ahead_log.apply(log, page, sink)
        size = sink.seek(0, os.SEEK_END)
        sink.seek(0)
        head = sink.read(HEADER)
        sink.seek(0)
        sink.write(_header(head, size, cut))


def _header(head: bytes, size: int, cut: Cut | None) -> bytes:
    """The header of a database without a write-ahead log, and with the pages that are there."""
    found = extent(head, size)
    if found.is_cut and cut is not None:
        cut(found.flaw)
        head = shortened(head, found)
    return head[:_VERSIONS] + _NO_LOG + head[_VERSIONS + 2 :]


def _page_size(head: bytes, part: str) -> int:
    if not head.startswith(MAGIC) or len(head) < 20:
        raise FormatError(part, NO_DATABASE)
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):
        raise FormatError(part, f"its page size is {size}")
    return size


def _sweep() -> None:
    """Remove what a killed run left in the temporary folder. Windows does not remove what is in use."""
    for folder in glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), f"{_TEMPORARY}*")):
        held.remove_tree(folder, ignore_errors=True)
