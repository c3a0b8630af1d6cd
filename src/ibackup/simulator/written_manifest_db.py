"""Manifest.db as a phone writes it, and as it reads it back from the computer."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from ibackup.apple.file_ids import file_id_of

_SCHEMA = (
    "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB)"
)
_INDEXES = (
    "CREATE INDEX FilesDomainIdx ON Files(domain)",
    "CREATE INDEX FilesRelativePathIdx ON Files(relativePath)",
    "CREATE INDEX FilesFlagsIdx ON Files(flags)",
)
_INDEXES_27 = (
    "CREATE INDEX FilesDomainsRelativePathIdx ON Files(domain, relativePath)",
    *_INDEXES[1:],
)
_PROPERTIES = "CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB)"
_ROWS_AT_ONCE = 1000
PAGE = 4096


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A row of the Files table; kind is its flags column: 1 file, 2 folder, 4 link."""

    file_id: str
    domain: str
    path: str
    kind: int
    record: bytes


class ManifestWriter:
    """A Manifest.db under construction at ``path``, which must not exist yet.

    Rows can be looked up while it grows; it is a complete database only after `finish`.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._pending: list[WrittenRow] = []
        self._open = True
        # The thread that resumes may differ from the one that began.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("page_size = 4096", "auto_vacuum = 2", "journal_mode = OFF", "synchronous = OFF"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("PRAGMA user_version = 2")
        self._db.execute(_SCHEMA)
        self._db.execute("BEGIN")

    def add(self, row: WrittenRow) -> None:
        """Add a row."""
        self._pending.append(row)
        if len(self._pending) >= _ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Make the rows added so far visible to `record` and `__contains__`."""
        rows = [(row.file_id, row.domain, row.path, row.kind, row.record) for row in self._pending]
        self._db.executemany("INSERT OR REPLACE INTO Files VALUES (?, ?, ?, ?, ?)", rows)
        self._pending.clear()

    def __contains__(self, file_id: str) -> bool:
        return self._db.execute("SELECT 1 FROM Files WHERE fileID = ?", (file_id,)).fetchone() is not None

    def record(self, file_id: str) -> bytes | None:
        """The record of a file, or None."""
        return _record(self._db, file_id)

    def finish(
        self, properties: Mapping[str, bytes], *, version: tuple[int, ...] = (18,), more: str = ""
    ) -> None:
        """Complete the database and close it: indexes, properties, and the header of WAL mode.

        Args:
            properties: the rows of the Properties table.
            version: the phone's iOS version; iOS 27 has a different index.
            more: SQL to run at the end.
        """
        self.flush()
        for statement in (*(_INDEXES_27 if version >= (27,) else _INDEXES), _PROPERTIES):
            self._db.execute(statement)
        self._db.executemany("INSERT INTO Properties VALUES (?, ?)", list(properties.items()))
        self._db.execute("COMMIT")
        self._db.executescript(more)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.close()
        self._open = False

    def suspend(self) -> None:
        """Close it unfinished; SuspendedManifest reads its rows."""
        if self._open:
            self.flush()
            self._db.execute("COMMIT")
            self._db.close()
            self._open = False


class ManifestReader:
    """A Manifest.db that came from the computer, decrypted, in its own file.

    Raises:
        ValueError: it is not a Manifest.db.
    """

    def __init__(self, path: str) -> None:
        size = os.path.getsize(path)
        if size < PAGE:
            raise ValueError("Manifest.db is too short")
        os.truncate(path, size // PAGE * PAGE)
        with open(path, "r+b") as file:
            file.seek(18)
            file.write(b"\x01\x01")  # there is no write-ahead log to read
        self._db = sqlite3.connect(path, check_same_thread=False)
        try:
            self.count = self._one("SELECT count(*) FROM Files WHERE flags = 1")
        except ValueError:
            self._db.close()
            raise

    def record(self, file_id: str) -> bytes | None:
        """The record of a file, or None."""
        return _record(self._db, file_id)

    def file_ids(self) -> Iterator[str]:
        """The IDs of all regular files."""
        return (str(row[0]) for row in self._db.execute("SELECT fileID FROM Files WHERE flags = 1"))

    def rows(self) -> Iterator[WrittenRow]:
        """All rows, in the order in which they were written."""
        query = "SELECT fileID, domain, relativePath, flags, file FROM Files ORDER BY rowid"
        return (WrittenRow(*row) for row in self._db.execute(query))

    def find(self, domain: str, path: str) -> WrittenRow | None:
        """The row of a file, or None."""
        query = "SELECT fileID, domain, relativePath, flags, file FROM Files WHERE domain = ? AND relativePath = ?"
        row = self._db.execute(query, (domain, path)).fetchone()
        return WrittenRow(*row) if row else None

    def homeless(self) -> tuple[str, str] | None:
        """Domain and path of a row whose folder has no row; None if every row has its folder.

        The root of a domain exists on the phone without a row.
        """
        self._db.create_function("folder_id", 2, folder_id, deterministic=True)
        found = self._db.execute(
            "SELECT domain, relativePath FROM Files AS inner WHERE instr(relativePath, '/') AND NOT EXISTS"
            " (SELECT 1 FROM Files AS outer WHERE outer.fileID = folder_id(inner.domain, inner.relativePath)"
            " AND outer.flags = 2 AND outer.domain = inner.domain) LIMIT 1"
        ).fetchone()
        return (str(found[0]), str(found[1])) if found else None

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _one(self, query: str) -> int:
        try:
            return int(self._db.execute(query).fetchone()[0])
        except sqlite3.DatabaseError as error:
            raise ValueError("Manifest.db cannot be read") from error


class SuspendedManifest:
    """The rows of an unfinished Manifest.db."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)

    def record(self, file_id: str) -> bytes | None:
        """The record of a file, or None."""
        return _record(self._db, file_id)

    def close(self) -> None:
        """Close it."""
        self._db.close()


def folder_id(domain: str, path: str) -> str:
    """The file ID of the folder that contains a file."""
    return file_id_of(domain, path.rpartition("/")[0])


def missing(manifest: ManifestReader, present: Iterable[str]) -> list[str]:
    """The regular files that a manifest names but that are not among ``present``, at most a hundred."""
    there = set(present)
    lost: list[str] = []
    for file_id in manifest.file_ids():
        if file_id not in there:
            lost.append(file_id)
            if len(lost) == 100:
                break
    return lost


def _record(db: sqlite3.Connection, file_id: str) -> bytes | None:
    row = db.execute("SELECT file FROM Files WHERE fileID = ?", (file_id,)).fetchone()
    return bytes(row[0]) if row and row[0] is not None else None
