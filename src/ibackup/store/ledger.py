"""What a run knows of each file of its working copy: size, time and checksum, in a small database beside it.

The session tells the ledger of every file it stores, moves and removes, and answers the phone's listings from
it; the seal is written from it. It is made for hundreds of thousands of files in little memory: what is told is
gathered and written in sorted batches, and only the folders (some five hundred) are kept in memory. A killed
process leaves it readable as of its last batch; after a power cut it is made anew.

Paths are relative to the backup folder (``<UDID>/``), with forward slashes; the folder itself is ``""``.
"""

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import NamedTuple, Self

from ibackup.confined import Item
from ibackup.errors import IbackupError
from ibackup.store import durable
from ibackup.store.trouble import disk_error

MAX_FOLDERS = 65_536
BATCH = 32_768

_FILES = (
    "CREATE TABLE files (folder INTEGER, name TEXT, size INTEGER, mtime REAL, sha256 BLOB, origin INTEGER,"
    " PRIMARY KEY (folder, name)) WITHOUT ROWID"
)
_FOLDERS = "CREATE TABLE folders (number INTEGER PRIMARY KEY, path TEXT, mtime REAL)"
_PUT = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)"
_MOVE = "UPDATE OR REPLACE files SET folder = ?, name = ? WHERE folder = ? AND name = ?"
_REMOVE = "DELETE FROM files WHERE folder = ? AND name = ?"
_SIZE = "SELECT size, mtime FROM files WHERE folder = ? AND name = ?"
_LIST = (
    "SELECT name, size, mtime, sha256, origin FROM files WHERE folder = ? AND name > ? ORDER BY name LIMIT ?"
)
_PAGE = 2048

# What SQLite says when the disk is at fault and not the database.
_DISK_TROUBLE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}

_Key = tuple[int, str]
_Value = tuple[int, float, bytes, int]


class _Folder:
    """A folder as it is kept in memory; files name it by its number, so that it moves without them."""

    __slots__ = ("children", "mtime", "number", "puts")

    def __init__(self, number: int, mtime: float) -> None:
        self.number = number
        self.mtime = mtime
        self.children: set[str] = set()
        self.puts: dict[str, _Value] = {}  # told, not yet written


class Origin(IntEnum):
    """Where a file of the working copy comes from, and whether it is known to be on the disk."""

    CARRIED = 0  # from the snapshot that was cloned, unchanged
    NEW = 1  # of this run
    SYNCED = 2  # of this run, and durable


_ORIGINS = tuple(Origin)


class LedgerUnsound(Exception):
    """The database is not one that this class made, or is damaged; it has to be made anew."""


class Line(NamedTuple):
    """A file as the ledger knows it; ``mtime`` in seconds since 1970, ``sha256`` 32 bytes."""

    path: str
    size: int
    mtime: float
    sha256: bytes
    origin: Origin


@dataclass(frozen=True, slots=True)
class Totals:
    """``bytes`` of all files; ``carried`` counts the files that came from the clone unchanged."""

    files: int
    bytes: int
    carried: int


class Ledger:
    """The files of one working copy. For one thread at a time, which need not be the one that opened it.

    Args:
        path: the database; made when it is not there.

    Raises:
        LedgerUnsound: something else or something damaged is there.
        IbackupError: in every method, when the disk is full or failing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._puts = 0
        self._moves: dict[_Key, _Key] = {}  # source to target
        self._targets: set[_Key] = set()
        self._removals: list[_Key] = []
        self._folders = {"": _Folder(0, 0.0)}
        self._next_number = 1
        # Our own lock guards the working copy, so SQLite need not try locks that a share may not have.
        unguarded = "?vfs=unix-none" if os.name == "posix" else ""
        location = "file:" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + unguarded
        self._db = sqlite3.connect(
            location, uri=True, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            self._prepare()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._db.close()
            if _code(error) in _DISK_TROUBLE:
                raise self._trouble(error) from error
            raise LedgerUnsound(str(error)) from error
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def create(cls, path: str) -> Self:
        """A new, empty ledger in place of whatever is there."""
        for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            durable.make_own(fd)
        finally:
            os.close(fd)
        return cls(path)

    def _prepare(self) -> None:
        run = self._db.execute
        run("PRAGMA trusted_schema = OFF")
        # Exclusive, so that the write-ahead log needs no shared memory, which network shares do not have.
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA page_size = 8192")
        # A log that is only valid up to its last whole entry: neither a kill nor a power cut tears the database.
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA cache_size = -16384")
        run("PRAGMA temp_store = FILE")
        found = run(
            "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex%' ORDER BY name"
        ).fetchall()
        if not found:
            run("BEGIN")
            run(_FILES)
            run(_FOLDERS)
            run("COMMIT")
        elif found != [(_FILES,), (_FOLDERS,)]:
            raise LedgerUnsound("it has other tables")
        for number, path, mtime in run("SELECT number, path, mtime FROM folders ORDER BY path"):
            # A page that a power cut tore may have rows without what they were written with.
            if not (isinstance(number, int) and isinstance(path, str) and isinstance(mtime, float)):
                raise LedgerUnsound("a folder is damaged")
            self._folders[path] = _Folder(number, mtime)
            self._next_number = max(self._next_number, number + 1)
            parent, _, name = path.rpartition("/")
            if parent not in self._folders:
                raise LedgerUnsound("a folder has no parent")
            self._folders[parent].children.add(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is gathered and let go."""
        try:
            self.flush()
        finally:
            self._db.close()

    def abandon(self) -> None:
        """Let go without writing: the working copy is going away."""
        self._db.close()
        self._puts = 0
        self._moves.clear()
        self._targets.clear()
        self._removals.clear()

    # -- what the session tells -----------------------------------------------------------------------------

    def stored(self, path: str, size: int, sha256: bytes, mtime: float) -> None:
        """A file of this run is in place; whatever the path named before is gone."""
        self._put(path, (size, mtime, sha256, 1))

    def carried(self, path: str, size: int, sha256: bytes, mtime: float) -> None:
        """A file was taken over from an earlier snapshot, unchanged."""
        self._put(path, (size, mtime, sha256, 0))

    def keep(self, line: Line) -> None:
        """Take a line over from another ledger as it is."""
        self._put(line.path, (line.size, line.mtime, line.sha256, int(line.origin)))

    def _put(self, path: str, value: _Value) -> None:
        folder, _, name = path.rpartition("/")
        if self._puts >= BATCH or self._moves or self._removals:
            self.flush()
        known = self._folders.get(folder) or self._make(folder)
        known.puts[name] = value
        self._puts += 1

    def moved(self, source: str, target: str) -> None:
        """A file or a folder has a new path; what stood there before is gone with all below it."""
        if source in self._folders:
            self.removed(target)
            self._moved_folder(source, target)
            return
        if target in self._folders:
            self.removed(target)
        if self._puts or self._removals or len(self._moves) >= BATCH:
            self.flush()
        folder, _, name = target.rpartition("/")
        into = self._folders.get(folder) or self._make(folder)
        old_folder, _, old_name = source.rpartition("/")
        out_of = self._folders.get(old_folder)
        if out_of is not None:
            self._move((out_of.number, old_name), (into.number, name))

    def _move(self, source: _Key, target: _Key) -> None:
        # Moves that have nothing to do with each other may be written in any order.
        if {source, target} & self._targets or source in self._moves or target in self._moves:
            self.flush()
        self._moves[source] = target
        self._targets.add(target)

    def _moved_folder(self, source: str, target: str) -> None:
        self.flush()
        parent, _, name = target.rpartition("/")
        self._folders.get(parent) or self._make(parent)
        old_parent, _, old_name = source.rpartition("/")
        moving = {old: target + old[len(source) :] for old in self._at_and_below(source)}
        with self._transaction() as db:
            db.executemany(
                "UPDATE folders SET path = ? WHERE number = ?",
                [(new, self._folders[old].number) for old, new in moving.items()],
            )
        self._folders[old_parent].children.discard(old_name)
        self._folders[parent].children.add(name)
        self._folders.update({new: self._folders.pop(old) for old, new in moving.items()})

    def removed(self, path: str) -> None:
        """A file is gone, or a folder with all below it; nothing happens when the path is not known."""
        parent, _, name = path.rpartition("/")
        if path not in self._folders:
            if self._puts or self._moves or len(self._removals) >= BATCH:
                self.flush()
            if parent in self._folders:
                self._removals.append((self._folders[parent].number, name))
            return
        self.flush()
        gone = [folder for folder in self._at_and_below(path) if folder]
        numbers = [(self._folders[folder].number,) for folder in gone]
        with self._transaction() as db:
            db.executemany("DELETE FROM files WHERE folder = ?", numbers)
            db.executemany("DELETE FROM folders WHERE number = ?", numbers)
        for folder in gone:
            del self._folders[folder]
        self._folders[parent].children.discard(name)

    def made_dir(self, path: str) -> None:
        """A folder is there, and so are its parents."""
        if path not in self._folders:
            self._make(path)

    def _make(self, path: str) -> _Folder:
        if len(self._folders) >= MAX_FOLDERS:
            raise IbackupError(
                f"The backup has more than {MAX_FOLDERS} folders.",
                why="No iPhone makes more than some five hundred.",
                hint="Restart the phone and try again; if it stays, report it.",
            )
        parent, _, name = path.rpartition("/")
        above = self._folders.get(parent) or self._make(parent)
        folder = _Folder(self._next_number, time.time())
        with self._transaction() as db:
            db.execute("INSERT INTO folders VALUES (?, ?, ?)", (folder.number, path, folder.mtime))
        self._next_number += 1
        self._folders[path] = folder
        above.children.add(name)
        return folder

    def _at_and_below(self, path: str) -> list[str]:
        """A folder and all folders below it, those above first."""
        found = [path]
        for folder in found:
            prefix = f"{folder}/" if folder else ""
            found.extend(prefix + name for name in self._folders[folder].children)
        return found

    # -- what others ask ------------------------------------------------------------------------------------

    def get(self, path: str) -> Item | None:
        """What stands at a path, or None."""
        parent, _, name = path.rpartition("/")
        if path in self._folders:
            return Item(name, "directory", 0, self._folders[path].mtime)
        if parent not in self._folders:
            return None
        folder = self._folders[parent]
        if name in folder.puts:
            return Item(name, "file", *folder.puts[name][:2])
        if self._moves or self._removals:
            self.flush()
        try:
            row = self._db.execute(_SIZE, (folder.number, name)).fetchone()
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        return Item(name, "file", *row) if row else None

    def line(self, path: str) -> Line | None:
        """What is known of a file, or None."""
        parent, _, name = path.rpartition("/")
        if parent not in self._folders:
            return None
        self.flush()
        key = (self._folders[parent].number, name)
        with self._telling():
            row = self._db.execute(
                "SELECT size, mtime, sha256, origin FROM files WHERE folder = ? AND name = ?", key
            ).fetchone()
        return Line(path, row[0], row[1], row[2], Origin(row[3])) if row else None

    def listing(self, folder: str) -> Iterator[Item]:
        """What a folder holds, files in order of their names after folders; nothing for one not known."""
        prefix = f"{folder}/" if folder else ""
        if folder in self._folders:
            for name in sorted(self._folders[folder].children):
                yield Item(name, "directory", 0, self._folders[prefix + name].mtime)
            for name, size, mtime, _, _ in self._rows(folder):
                yield Item(name, "file", size, mtime)

    def sizes_in(self, folder: str) -> dict[str, int]:
        """The sizes of the files directly in a folder, by name."""
        return {name: size for name, size, _, _, _ in self._rows(folder)}

    def lines_in(self, folder: str) -> Iterator[Line]:
        """The files directly in a folder, in order of their names."""
        prefix = f"{folder}/" if folder else ""
        for name, size, mtime, sha256, origin in self._rows(folder):
            yield Line(prefix + name, size, mtime, sha256, _ORIGINS[origin])

    def _rows(self, folder: str) -> Iterator[tuple[str, int, float, bytes, int]]:
        known = self._folders.get(folder)
        if known is None:
            return
        last = ""
        while True:
            # In pages, so that no statement stays open while the ledger changes.
            self.flush()
            with self._telling():
                rows = self._db.execute(_LIST, (known.number, last, _PAGE)).fetchall()
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def lines(self) -> Iterator[Line]:
        """Every file: those at the top first, then folder by folder, each in order of names (bytes)."""
        for folder in self.folders():
            yield from self.lines_in(folder)

    def folders(self) -> list[str]:
        """Every folder in order, ``""`` first."""
        return sorted(self._folders, key=str.encode)

    def totals(self) -> Totals:
        """Counts over all files."""
        self.flush()
        with self._telling():
            row = self._db.execute(
                "SELECT count(*), ifnull(sum(size), 0), count(*) FILTER (WHERE origin = 0) FROM files"
            ).fetchone()
        return Totals(*row)

    def unsynced(self) -> Iterator[str]:
        """The files of this run that are not known to be durable."""
        for line in self.lines():
            if line.origin is Origin.NEW:
                yield line.path

    def carried_paths(self) -> Iterator[str]:
        """The files that came from the clone."""
        for line in self.lines():
            if line.origin is Origin.CARRIED:
                yield line.path

    def mark_synced(self) -> None:
        """Every file of this run is durable now."""
        self.flush()
        with self._transaction() as db:
            db.execute("UPDATE files SET origin = 2 WHERE origin = 1")

    # -- writing --------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what is gathered."""
        if not (self._puts or self._moves or self._removals):
            return
        with self._transaction() as db:
            if self._puts:
                # Folder by folder and in order of names, so that a page is touched once a batch.
                for folder in self._folders.values():
                    number, puts = folder.number, folder.puts
                    db.executemany(_PUT, [(number, name, *puts[name]) for name in sorted(puts)])
                    puts.clear()
            elif self._moves:
                # In order of names as well; what is moved mostly keeps its own.
                moves = sorted(self._moves.items())
                db.executemany(_MOVE, [(*target, *source) for source, target in moves])
            else:
                db.executemany(_REMOVE, self._removals)
        self._puts = 0
        self._moves.clear()
        self._targets.clear()
        self._removals.clear()

    def make_durable(self) -> None:
        """Have the database as it is now on the disk."""
        self.flush()
        with self._telling():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        fd = os.open(self.path, os.O_RDWR)
        try:
            durable.sync_fd(fd)
        finally:
            os.close(fd)

    def check(self) -> None:
        """Look whether the database is whole. Raises LedgerUnsound."""
        try:
            found = self._db.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.DatabaseError as error:
            raise LedgerUnsound(str(error)) from error
        if found != [("ok",)]:
            raise LedgerUnsound(str(found))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._telling():
            self._db.execute("BEGIN")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # On a full disk it is COMMIT that fails, and the transaction is still open then.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> IbackupError:
        kind = _DISK_TROUBLE.get(_code(error), errno.EIO)
        return disk_error(
            "The working copy's ledger could not be written.", OSError(kind, str(error), self.path)
        )


def _code(error: Exception) -> int:
    """SQLite's own code for an error, without its details; 0 for another error."""
    code: object = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0
