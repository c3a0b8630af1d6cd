"""What a run knows about each file of its working copy: size, time and checksum, in a small database beside it.

The session reports to the ledger every file that it stores, moves and removes, and answers the phone's
listings from it; the seal is written from it. It handles hundreds of thousands of files in little memory:
entries are collected and written in sorted batches, and only the folders (about five hundred) are kept in
memory. After a killed process it is readable up to its last batch; after a power cut it is rebuilt.

Paths are relative to the backup folder (``<UDID>/``), with forward slashes; the folder itself is ``""``.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from typing import Any, Self

from ibackup.apple.fitting import Stored
from ibackup.base.closeable import Closeable
from ibackup.base.confined import FolderItem
from ibackup.base.errors import IbackupError
from ibackup.store.work import ledger_database
from ibackup.store.work.ledger_database import LedgerDatabase, LedgerUnsound
from ibackup.store.work.ledger_lines import Carried, Line, Origin, Totals, Unread, first_of

MAX_FOLDERS = 65_536
BATCH = 32_768
_WHILE_IT_COMES = "Snapshot/"  # where the phone stores a file until its backup is complete

_PUT = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_MOVE = "UPDATE OR REPLACE files SET folder = ?, name = ? WHERE folder = ? AND name = ?"
_REMOVE = "DELETE FROM files WHERE folder = ? AND name = ?"
_SIZE = "SELECT size, mtime FROM files WHERE folder = ? AND name = ?"
_LINE = "name, size, mtime, sha256, origin, sha1, arrived"
_LIST = "SELECT {} FROM files WHERE folder = ? AND name > ? {} ORDER BY name LIMIT ?"
_LINES = _LIST.format(_LINE, "")
_ITEMS = _LIST.format("name, 'file', size, mtime", "")
_SIZES = _LIST.format("name, size", "")
_STORED = _LIST.format("name, size, sha1", "")
_SHA256S = _LIST.format("name, sha256", "")
_SHA1S = _LIST.format("name, sha1", "AND sha1 IS NOT NULL")
_OF_ORIGIN = {origin: _LIST.format("name", f"AND origin = {int(origin)}") for origin in Origin}
_CARRIED = _LIST.format("name, sha256", f"AND origin = {int(Origin.CARRIED)}")
_ONE = f"SELECT {_LINE} FROM files WHERE folder = ? AND name = ?"  # noqa: S608 - our own texts
_SET_SHA1 = "UPDATE files SET sha1 = ? WHERE folder = ? AND name = ?"
# The phone's files are named by fileIDs, wherever they are; other files of a backup are not.
_LAST_FILE = "SELECT ifnull(max(arrived), 0) FROM files WHERE length(name) = 40"
_TOTALS = "SELECT count(*), ifnull(sum(size), 0), count(*) FILTER (WHERE origin = 0) FROM files"
_PAGE = 2048

_Key = tuple[int, str]
_Value = tuple[int, float, bytes, int, bytes | None, int]


class _Folder:
    """A folder as kept in memory. Files name it by its number, so that moving it does not change them."""

    __slots__ = ("children", "mtime", "number", "puts", "version")

    def __init__(self, number: int, mtime: float) -> None:
        self.number = number
        self.mtime = mtime
        self.children: set[str] = set()
        self.puts: dict[str, _Value] = {}  # reported, not yet written
        self.version = 0  # see ``FileLedger.version``; 0: not asked for since the last change


_ORIGINS = tuple(Origin)


class FileLedger(Closeable):
    """The files of one working copy. Use it in one thread at a time, not necessarily the one that opened it.

    Args:
        path: the database; created if it does not exist.
        reading: only read a ledger that another process keeps; see ``leave_file``.

    Raises:
        LedgerUnsound: something else or something damaged is there.
        IbackupError: in every method, if the disk is full or failing.
    """

    def __init__(self, path: str, *, reading: bool = False) -> None:
        self.path = path
        self._puts = 0
        self._arrived = 0
        self._moves: dict[_Key, _Key] = {}  # source to target
        self._targets: set[_Key] = set()
        self._removals: list[_Key] = []
        self._sums: list[tuple[bytes, int, str]] = []
        self._folders = {"": _Folder(0, 0.0)}
        self._next_number = 1
        self._versions = 0
        self._unread: dict[str, Unread] = {}
        self._db = LedgerDatabase(path, reading=reading)
        with self._db.opening() as db:
            self._remember(db)

    @classmethod
    def create(cls, path: str) -> Self:
        """A new, empty ledger that replaces an existing one."""
        ledger_database.create(path)
        return cls(path)

    def _remember(self, db: sqlite3.Connection) -> None:
        """Read what is kept in memory. Raises LedgerUnsound."""
        for number, path, mtime in db.execute("SELECT number, path, mtime FROM folders ORDER BY path"):
            # After a power cut, a torn page may have incomplete rows.
            if not (isinstance(number, int) and isinstance(path, str) and isinstance(mtime, float)):
                raise LedgerUnsound("a folder is damaged")
            self._folders[path] = _Folder(number, mtime)
            self._next_number = max(self._next_number, number + 1)
            parent, _, name = path.rpartition("/")
            if parent not in self._folders:
                raise LedgerUnsound("a folder has no parent")
            self._folders[parent].children.add(name)
        for row in db.execute("SELECT path, device_path, said, size FROM unread"):
            if list(map(type, row)) != [str, str, str, int]:
                raise LedgerUnsound("a note is damaged")
            self._unread[row[0]] = Unread(*row)

    def close(self) -> None:
        """Write what is collected, and close."""
        try:
            self.flush()
        finally:
            self._db.close()

    def abandon(self) -> None:
        """Close without writing, because the working copy will be removed."""
        self._db.close()
        self._forget()

    # -- what the session reports ---------------------------------------------------------------------------

    def begin(self, attempt: int) -> None:
        """Begin an attempt of the phone; everything from now on is newer than what is there."""
        self._arrived = first_of(attempt)

    def stored(self, path: str, size: int, sha256: bytes, mtime: float, sha1: bytes | None = None) -> None:
        """A file of this run is in place; whatever had this path before is gone."""
        self._arrived += 1
        self._put(path, (size, mtime, sha256, 1, sha1, self._arrived))
        if self._unread and (final := path.removeprefix(_WHILE_IT_COMES)) in self._unread:
            del self._unread[final]
            with self._db.transaction() as db:
                db.execute("DELETE FROM unread WHERE path = ?", (final,))

    def could_not_read(self, path: str, device_path: str, said: str, size: int) -> None:
        """The phone could not read a file to its end. This stays known until the file arrives complete."""
        note = Unread(path.removeprefix(_WHILE_IT_COMES), device_path, said, size)
        with self._db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO unread VALUES (?, ?, ?, ?)", note)
        self._unread[note.path] = note

    def carried(self, folder: str, files: Iterable[Carried]) -> None:
        """Files of a folder were cloned unchanged from an earlier snapshot."""
        if self._puts >= BATCH or self._moves or self._removals:
            self.flush()
        known = self._folders.get(folder) or self._make(folder)
        known.version = 0
        before = len(known.puts)
        known.puts.update(
            [(name, (size, mtime, sha256, 0, sha1, 0)) for name, size, mtime, sha256, sha1 in files]
        )
        self._puts += len(known.puts) - before

    def keep(self, line: Line) -> None:
        """Copy a line unchanged from another ledger."""
        _, size, mtime, sha256, origin, sha1, arrived = line
        self._put(line.path, (size, mtime, sha256, int(origin), sha1, arrived))

    def took(self, path: str, sha1: bytes) -> None:
        """The SHA-1 of an existing file was computed."""
        if self._puts or self._moves or self._removals or len(self._sums) >= BATCH:
            self.flush()
        folder, _, name = path.rpartition("/")
        if folder in self._folders:
            self._sums.append((sha1, self._folders[folder].number, name))

    def _put(self, path: str, value: _Value) -> None:
        folder, _, name = path.rpartition("/")
        if self._puts >= BATCH or self._moves or self._removals:
            self.flush()
        known = self._folders.get(folder) or self._make(folder)
        known.puts[name] = value
        known.version = 0
        self._puts += 1

    def moved(self, source: str, target: str) -> None:
        """A file or folder has a new path; what was there before is gone with everything below it."""
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
        into.version = 0
        if out_of is not None:
            out_of.version = 0
            self._move((out_of.number, old_name), (into.number, name))

    def _move(self, source: _Key, target: _Key) -> None:
        # Independent moves may be written in any order.
        moves, targets = self._moves, self._targets
        if source in targets or target in targets or source in moves or target in moves:
            self.flush()
        moves[source] = target
        targets.add(target)

    def _moved_folder(self, source: str, target: str) -> None:
        self.flush()
        parent, _, name = target.rpartition("/")
        self._folders.get(parent) or self._make(parent)
        old_parent, _, old_name = source.rpartition("/")
        moving = {old: target + old[len(source) :] for old in self._at_and_below(source)}
        with self._db.transaction() as db:
            db.executemany(
                "UPDATE folders SET path = ? WHERE number = ?",
                [(new, self._folders[old].number) for old, new in moving.items()],
            )
        self._folders[old_parent].children.discard(old_name)
        self._folders[parent].children.add(name)
        self._folders[old_parent].version = self._folders[parent].version = 0
        self._folders.update({new: self._folders.pop(old) for old, new in moving.items()})

    def removed(self, path: str) -> None:
        """A file is gone, or a folder with everything below it; does nothing if the path is unknown."""
        parent, _, name = path.rpartition("/")
        if path not in self._folders:
            if self._puts or self._moves or len(self._removals) >= BATCH:
                self.flush()
            if parent in self._folders:
                self._removals.append((self._folders[parent].number, name))
                self._folders[parent].version = 0
            return
        self.flush()
        gone = [folder for folder in self._at_and_below(path) if folder]
        numbers = [(self._folders[folder].number,) for folder in gone]
        with self._db.transaction() as db:
            db.executemany("DELETE FROM files WHERE folder = ?", numbers)
            db.executemany("DELETE FROM folders WHERE number = ?", numbers)
        for folder in gone:
            del self._folders[folder]
        self._folders[parent].children.discard(name)
        self._folders[parent].version = 0

    def made_dir(self, path: str) -> None:
        """A folder exists, and so do its parents."""
        if path not in self._folders:
            self._make(path)

    def _make(self, path: str) -> _Folder:
        if len(self._folders) >= MAX_FOLDERS:
            raise IbackupError(
                f"The backup has more than {MAX_FOLDERS} folders.",
                why="No iPhone makes more than about five hundred.",
                hint="Restart the phone and try again. If the problem persists, report it.",
            )
        parent, _, name = path.rpartition("/")
        above = self._folders.get(parent) or self._make(parent)
        folder = _Folder(self._next_number, time.time())
        with self._db.transaction() as db:
            db.execute("INSERT INTO folders VALUES (?, ?, ?)", (folder.number, path, folder.mtime))
        self._next_number += 1
        self._folders[path] = folder
        above.children.add(name)
        above.version = 0
        return folder

    def _at_and_below(self, path: str) -> list[str]:
        """A folder and all folders below it, parents first."""
        found = [path]
        for folder in found:
            prefix = f"{folder}/" if folder else ""
            found.extend(prefix + name for name in self._folders[folder].children)
        return found

    # -- what others read -----------------------------------------------------------------------------------

    def get(self, path: str) -> FolderItem | None:
        """What is at a path, or None."""
        parent, _, name = path.rpartition("/")
        if path in self._folders:
            return FolderItem(name, "directory", 0, self._folders[path].mtime)
        if parent not in self._folders:
            return None
        folder = self._folders[parent]
        if name in folder.puts:
            return FolderItem(name, "file", *folder.puts[name][:2])
        if self._moves or self._removals:
            self.flush()
        row = self._db.row(_SIZE, (folder.number, name))
        return FolderItem(name, "file", *row) if row else None

    def line(self, path: str) -> Line | None:
        """What is known about a file, or None."""
        parent, _, name = path.rpartition("/")
        if parent not in self._folders:
            return None
        self.flush()
        key = (self._folders[parent].number, name)
        row = self._db.row(_ONE, key)
        if not row:
            return None
        _, size, mtime, sha256, origin, sha1, arrived = row
        return Line(path, size, mtime, sha256, Origin(origin), sha1, arrived)

    def last_file(self) -> int:
        """When the last of the phone's files arrived, as ``Line.arrived``; manifests and plists do not count."""
        self.flush()
        (found,) = self._db.row(_LAST_FILE) or (0,)
        return int(found)

    def version(self, folder: str) -> int:
        """A number that no other state of this or another folder has or had; 0 for an unknown folder."""
        known = self._folders.get(folder)
        if known is None:
            return 0
        if not known.version:
            self._versions += 1
            known.version = self._versions
        return known.version

    def listing(self, folder: str) -> Iterator[FolderItem]:
        """The content of a folder: folders, then files in order of their names; nothing for an unknown folder."""
        prefix = f"{folder}/" if folder else ""
        if folder in self._folders:
            for name in sorted(self._folders[folder].children):
                yield FolderItem(name, "directory", 0, self._folders[prefix + name].mtime)
            yield from map(FolderItem._make, self._rows(_ITEMS, folder))

    def sizes_in(self, folder: str) -> dict[str, int]:
        """The sizes of the files directly in a folder, by name."""
        return dict(self._rows(_SIZES, folder))

    def stored_in(self, folder: str) -> dict[str, Stored]:
        """What is known about the files directly in a folder, by name."""
        return {name: Stored(size, sha1) for name, size, sha1 in self._rows(_STORED, folder)}

    def lines_in(self, folder: str) -> Iterator[Line]:
        """The files directly in a folder, in order of their names."""
        prefix = f"{folder}/" if folder else ""
        for name, size, mtime, sha256, origin, sha1, arrived in self._rows(_LINES, folder):
            yield Line(prefix + name, size, mtime, sha256, _ORIGINS[origin], sha1, arrived)

    def _rows(self, query: str, folder: str) -> Iterator[Any]:
        for rows in self._pages(query, folder):
            yield from rows

    def _pages(self, query: str, folder: str) -> Iterator[list[Any]]:
        known = self._folders.get(folder)
        if known is None:
            return
        last = ""
        while True:
            # In pages, so that no statement stays open while the ledger changes.
            self.flush()
            rows = self._db.rows(query, (known.number, last, _PAGE))
            if rows:
                yield rows
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

    def unread(self) -> list[Unread]:
        """What the phone could not read."""
        return list(self._unread.values())

    def totals(self) -> Totals:
        """Counts over all files."""
        self.flush()
        return Totals(*(self._db.row(_TOTALS) or (0, 0, 0)))

    def sha256_sums(self) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
        """Names and SHA-256 of all files in the order of ``lines``, in parts, each with its folder."""
        for folder in self.folders():
            for part in self._pages(_SHA256S, folder):
                yield folder, part

    def sha1_sums(self) -> Iterator[list[tuple[str, bytes]]]:
        """Names and SHA-1 of the files of which it is known, in parts, in the same order."""
        for folder in self.folders():
            yield from self._pages(_SHA1S, folder)

    def unsynced(self) -> Iterator[str]:
        """The files of this run that may not be durable yet."""
        return self._of(Origin.NEW)

    def carried_paths(self) -> Iterator[str]:
        """The cloned files."""
        return self._of(Origin.CARRIED)

    def carried_in(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """The cloned files directly in a folder, with their SHA-256, as far as they are written; from any thread."""
        last, known = "", self._folders[folder].number
        while True:
            rows = self._db.rows(_CARRIED, (known, last, _PAGE))
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def _of(self, origin: Origin) -> Iterator[str]:
        for folder in self.folders():
            prefix = f"{folder}/" if folder else ""
            for (name,) in self._rows(_OF_ORIGIN[origin], folder):
                yield prefix + name

    def mark_synced(self) -> None:
        """Record that every file of this run is durable now."""
        self.flush()
        with self._db.transaction() as db:
            db.execute("UPDATE files SET origin = 2 WHERE origin = 1")

    # -- writing --------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what is collected."""
        if not (self._puts or self._moves or self._removals or self._sums):
            return
        with self._db.transaction() as db:
            if self._puts:
                # Folder by folder and in order of names, so that each page is changed once per batch.
                for folder in self._folders.values():
                    number, puts = folder.number, folder.puts
                    db.executemany(_PUT, [(number, name, *puts[name]) for name in sorted(puts)])
                    puts.clear()
            elif self._moves:
                # Also in order of names; most moved files keep their names.
                moves = sorted(self._moves.items())
                db.executemany(_MOVE, [(*target, *source) for source, target in moves])
            else:
                db.executemany(_REMOVE, self._removals)
            db.executemany(_SET_SHA1, self._sums)
        self._forget()

    def _forget(self) -> None:
        self._puts = 0
        self._moves.clear()
        self._targets.clear()
        self._removals.clear()
        self._sums.clear()

    def make_durable(self) -> None:
        """Make sure that the current database is on the disk."""
        self.flush()
        self._db.make_durable()

    def leave_file(self) -> None:
        """Leave the file as it is, so that another process can read it; all further changes are beside it."""
        self.flush()
        self._db.leave_file()

    def check(self) -> None:
        """Check that the database is intact. Raises LedgerUnsound."""
        self._db.check()
