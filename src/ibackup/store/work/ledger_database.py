"""The database of a ledger: its tables, and what its errors mean."""

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

from ibackup.apple.sqlite_uri import sqlite_uri
from ibackup.base import held
from ibackup.base.errors import IbackupError
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import disk_error

_FILES = (
    "CREATE TABLE files (folder INTEGER, name TEXT, size INTEGER, mtime REAL, sha256 BLOB, origin INTEGER,"
    " sha1 BLOB, arrived INTEGER, PRIMARY KEY (folder, name)) WITHOUT ROWID"
)
_FOLDERS = "CREATE TABLE folders (number INTEGER PRIMARY KEY, path TEXT, mtime REAL)"
_UNREAD = (
    "CREATE TABLE unread (path TEXT PRIMARY KEY, device_path TEXT, said TEXT, size INTEGER) WITHOUT ROWID"
)

# SQLite's codes for a fault of the disk, not of the database.
_DISK_TROUBLE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}


class LedgerUnsound(Exception):
    """This class did not make the database, or it is damaged; it must be rebuilt."""


def create(path: str) -> None:
    """An empty file for a database of its own, in place of whatever is there."""
    for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
        with contextlib.suppress(FileNotFoundError):
            held.unlink(name)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        durable.make_own(fd)
    finally:
        os.close(fd)


class LedgerDatabase:
    """One database, opened or made new in an empty file.

    Args:
        path: of the file.
        reading: only read what another process left in the file; see ``leave_file``.

    Raises:
        LedgerUnsound: something else or something damaged is there.
        IbackupError: in every method, if the disk is full or failing.
    """

    def __init__(self, path: str, *, reading: bool = False) -> None:
        self._path = path
        self._using = threading.Lock()
        # Our own lock protects the working copy, so SQLite need not try locks that a share may lack.
        options = {"vfs": "unix-none"} if os.name == "posix" else {}
        if reading:
            options |= {"mode": "ro", "immutable": "1"}
        location = sqlite_uri(path, **options)
        self._db = sqlite3.connect(
            location, uri=True, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        with self.opening() as db:
            if not reading:
                _prepare(db)
            _check_tables(db, make=not reading)

    @contextlib.contextmanager
    def opening(self) -> Iterator[sqlite3.Connection]:
        """Read what is there at first; close the database if it turns out not to be ours. Raises LedgerUnsound."""
        try:
            yield self._db
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self.close()
            if _code(error) in _DISK_TROUBLE:
                raise self._trouble(error) from error
            raise LedgerUnsound(str(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def row(self, query: str, values: tuple[object, ...] = ()) -> Any:
        """The first row of a query, or None."""
        with self._telling(), self._using:
            return self._db.execute(query, values).fetchone()

    def rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        """All rows of a query."""
        with self._telling(), self._using:
            return self._db.execute(query, values).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write everything or nothing."""
        with self._telling(), self._using:
            self._db.execute("BEGIN")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # On a full disk COMMIT fails, and the transaction is then still open.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def make_durable(self) -> None:
        """Make sure that the current database is on the disk."""
        with self._telling(), self._using:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        fd = os.open(self._path, os.O_RDWR)
        try:
            durable.sync_fd(fd)
        finally:
            os.close(fd)

    def leave_file(self) -> None:
        """Write everything into the file, and from then on only to the log beside it."""
        with self._telling(), self._using:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()

    def check(self) -> None:
        """Check that the database is intact. Raises LedgerUnsound."""
        try:
            found = self._db.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.DatabaseError as error:
            raise LedgerUnsound(str(error)) from error
        if found != [("ok",)]:
            raise LedgerUnsound(str(found))

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> IbackupError:
        kind = _DISK_TROUBLE.get(_code(error), errno.EIO)
        return disk_error(
            "The working copy's ledger could not be written.", OSError(kind, str(error), self._path)
        )


def _prepare(db: sqlite3.Connection) -> None:
    run = db.execute
    run("PRAGMA trusted_schema = OFF")
    # Exclusive, so that the write-ahead log needs no shared memory, which network shares lack.
    run("PRAGMA locking_mode = EXCLUSIVE")
    run("PRAGMA synchronous = NORMAL")
    run("PRAGMA page_size = 8192")
    # A log that is valid only up to its last whole entry: neither a kill nor a power cut tears the database.
    run("PRAGMA journal_mode = WAL")
    run("PRAGMA cache_size = -16384")
    run("PRAGMA temp_store = FILE")


def _check_tables(db: sqlite3.Connection, *, make: bool) -> None:
    run = db.execute
    found = run(
        "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex%' ORDER BY name"
    ).fetchall()
    if make and not found:
        run("BEGIN")
        run(_FILES)
        run(_FOLDERS)
        run(_UNREAD)
        run("COMMIT")
    elif found != [(_FILES,), (_FOLDERS,), (_UNREAD,)]:
        raise LedgerUnsound("it has other tables")


def _code(error: Exception) -> int:
    """SQLite's own code for an error, without its details; 0 for any other error."""
    code: object = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0
