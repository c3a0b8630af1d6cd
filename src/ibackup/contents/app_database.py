"""An app's database in a backup, read by tables and columns that are really there.

The schema decides, never the version of iOS: a missing table or column costs that field. Nothing in the schema is
run: only plain tables are read, no view, virtual table or computed column, and the order of a database's own indexes
is not relied on, since they may disagree with the tables. After a damaged page, reading continues behind it. Cells
may have any type; ``text``, ``number`` and ``blob`` make the best of each.

Source for the rules: docs/explanation-contents.md.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Self

from ibackup.apple.backup import Backup
from ibackup.apple.crypto.decrypted_in_place import Form
from ibackup.apple.database_extent import HEADER, extent
from ibackup.apple.entry import Entry
from ibackup.apple.foreign_database import MEMORY_LIMIT, TROUBLE, ForeignDatabase, closing_cursor, safe_text
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.apple.write_ahead_log import may_be_log
from ibackup.base.confined import PathRefused
from ibackup.base.how_far import HowFar, untold
from ibackup.contents.gaps import Gaps

Cell = str | bytes | int | float | None

_MAX_SCHEMA_BYTES = 256 * 1024  # for each definition
_MAX_CELL_BYTES = 64 * 1024 * 1024
_MAX_SCHEMA_STEPS = 2_000_000
_MAX_TABLES = 5000
_MAX_LOG = 512 * 1024 * 1024  # bytes of a write-ahead log
_MAX_BYTES = 64 << 30
_CHUNK = 1024 * 1024
_MOST_GAPS = 1000
_TOLD_EACH = 4096  # rows
_BEFORE_ALL = -(1 << 63)
_PLAIN_TABLE = re.compile(r"\s*CREATE\s+TABLE\b", re.IGNORECASE)
DAMAGED_PAGE = "a damaged page of the database"
UNREADABLE = "the database cannot be read"
CUT = "the end of the database is missing"
NO_LOG = "the newest changes, which are in a file beside the database, cannot be read"


class AppDatabase(ForeignDatabase):
    """An open database of an app; close it when done. Use an instance in one thread at a time.

    Attributes:
        contents: of which contents it is, for gaps: "messages".
        gaps: takes what cannot be read.
    """

    max_schema_steps = _MAX_SCHEMA_STEPS
    contents: str
    gaps: Gaps

    def _begin(self) -> None:
        self.contents, self.gaps = "", Gaps()
        self._connection.text_factory = _lenient
        self._harden(_MAX_SCHEMA_BYTES)
        self._tables = self._plain_tables()
        self._columns: dict[str, dict[str, str]] = {}
        self._widen(_MAX_CELL_BYTES)

    @classmethod
    def of(cls, backup: Backup, places: Iterable[tuple[str, str]], contents: str, gaps: Gaps) -> Self | None:
        """Open the first of these databases that the backup has.

        Args:
            backup: unlocked.
            places: domain and path of each.
            contents: what it holds, for gaps: "messages".
            gaps: takes what cannot be read, now and later.

        Returns:
            The database; None if the backup has none of them, or, with a gap, if it cannot be read.

        Raises:
            NoRoom: there is no space for a temporary copy.
            FormatError: the backup's list of files is damaged.
        """
        for domain, path in places:
            entry = backup.entry(domain, path)
            if entry is None:
                continue
            try:
                found = cls._open(backup, entry, contents, gaps)
            except FileNotFoundError:
                gaps.add(contents, "the database is not in the backup", f"{domain} {path}", damage=True)
            except (FormatError, KeyRefused, PathRefused) as error:
                said = error.flaw if isinstance(error, FormatError) else error.why
                gaps.add(contents, UNREADABLE, f"{domain} {path}: {safe_text(said)}", damage=True)
            except OSError as error:
                said = error.strerror or str(error)
                gaps.add(contents, UNREADABLE, f"{domain} {path}: {said}", damage=True)
            else:
                found.contents = contents
                found.gaps = gaps
                return found
        return None

    @classmethod
    def _open(cls, backup: Backup, entry: Entry, contents: str, gaps: Gaps) -> Self:
        name = os.path.basename(entry.relative_path)

        def cut(flaw: str) -> None:
            gaps.add(contents, CUT, f"{name}: {flaw}", damage=True)

        log = _log_of(backup, entry, contents, gaps)
        stored = backup.stored_bytes(entry.blob_path)
        plain = backup.form(entry.blob_path, stored, entry.record) is Form.PLAIN
        with entry.open() as source:  # also checks that it is a plain file below the folder
            if plain and not log and stored > MEMORY_LIMIT:
                if not extent(source.read(HEADER), stored).is_cut:
                    return cls.open_path(os.path.join(backup.path, *entry.blob_path.split("/")), name)
                source.seek(0)
            chunks = iter(lambda: source.read(_CHUNK), b"")
            return cls.open_plaintext(chunks, max(stored, entry.size), name, log=log, cut=cut)

    # -- tables ---------------------------------------------------------------------------------------------

    def table(self, *names: str) -> "AppTable | None":
        """The first of these tables that is there, as a plain table."""
        for name in names:
            real = self._tables.get(name.lower())
            if real is not None:
                return AppTable(self, real)
        return None

    def tables(self, pattern: str) -> "list[AppTable]":
        """The plain tables whose whole name matches a regular expression, by name."""
        matches = re.compile(pattern, re.IGNORECASE).fullmatch
        return [AppTable(self, real) for real in sorted(self._tables.values()) if matches(real)]

    def _plain_tables(self) -> dict[str, str]:
        query = "SELECT type, name, rootpage, sql FROM sqlite_master"
        found: dict[str, str] = {}
        for kind, name, root, sql in self._connection.execute(query):
            plain = kind == "table" and isinstance(root, int) and root > 0 and isinstance(sql, str)
            if plain and isinstance(name, str) and _PLAIN_TABLE.match(sql) and len(found) < _MAX_TABLES:
                found[name.lower()] = name
        return found

    def columns(self, table: str) -> dict[str, str]:
        """The stored columns of a table, by their names in lower case."""
        if table not in self._columns:
            with closing_cursor(self._connection.execute(f"PRAGMA table_xinfo({_quoted(table)})")) as cursor:
                self._columns[table] = {
                    str(name).lower(): str(name) for _, name, *_, hidden in cursor if hidden == 0
                }
        return self._columns[table]

    # -- rows -----------------------------------------------------------------------------------------------

    def rows(self, table: str, select: str, after: int | None = None) -> Iterator[tuple[Cell, ...]]:
        """The rows of a table in the order of their numbers, the number first; a damaged page becomes a gap.

        Args:
            table: its name.
            select: its columns, as SQL.
            after: only those behind the row with this number.
        """
        name = _quoted(table)
        query = f"SELECT rowid, {select} FROM {name} NOT INDEXED WHERE rowid > ? ORDER BY rowid"  # noqa: S608
        place: int | None = _BEFORE_ALL if after is None else after
        for _ in range(_MOST_GAPS):
            if place is None:
                return
            last = place
            self._steps_left = self._steps
            try:
                with closing_cursor(self._connection.execute(query, (place,))) as cursor:
                    for row in cursor:
                        number = row[0]
                        if type(number) is not int:  # a column of another kind bears that name
                            self.gaps.add(self.contents, UNREADABLE, f"{self.part}, {table}", damage=True)
                            return
                        if number > last:  # they ascend, unless the database is damaged
                            last = number
                        yield row
                return
            except TROUBLE as error:
                endless = self._steps_left < 0
                flaw = self._damaged(error).flaw
                self.gaps.add(self.contents, DAMAGED_PAGE, f"{self.part}, {table}: {flaw}", damage=True)
                place = None if endless else self._behind(name, max(last, 0))

    def row(self, table: str, select: str, number: int) -> tuple[Cell, ...] | None:
        """One row by its number; None if there is none, or, with a gap, if it cannot be read."""
        query = f"SELECT rowid, {select} FROM {_quoted(table)} NOT INDEXED WHERE rowid = ?"  # noqa: S608
        self._steps_left = self._steps
        try:
            found: tuple[Cell, ...] | None = self._connection.execute(query, (number,)).fetchone()
        except (*TROUBLE, OverflowError) as error:
            flaw = self._damaged(error).flaw
            self.gaps.add(self.contents, DAMAGED_PAGE, f"{self.part}, {table}: {flaw}", damage=True)
            return None
        return found

    def last(self, table: str) -> int:
        """The number of the last row of a table, found at once; 0 if it has none or cannot be read."""
        self._steps_left = self._steps
        try:
            query = f"SELECT max(rowid) FROM {_quoted(table)} NOT INDEXED"  # noqa: S608
            (found,) = self._connection.execute(query).fetchone()
        except TROUBLE as error:
            self._damaged(error)  # raises what Ctrl-C raised
            return 0
        return found if type(found) is int else 0

    def count(self, table: str) -> int:
        """How many rows a table has; 0 if it is damaged, which reading it will report."""
        self._steps_left = self._steps
        try:
            query = f"SELECT count(*) FROM {_quoted(table)} NOT INDEXED"  # noqa: S608
            (found,) = self._connection.execute(query).fetchone()
        except TROUBLE as error:
            self._damaged(error)  # raises what Ctrl-C raised
            return 0
        return int(found)


class AppTable:
    """A plain table.

    Attributes:
        name: as the database spells it.
    """

    def __init__(self, database: AppDatabase, name: str) -> None:
        self._database = database
        self.name = name

    def __contains__(self, column: str) -> bool:
        return column.lower() in self._columns

    @property
    def columns(self) -> list[str]:
        """Its stored columns, as the database spells them."""
        return list(self._columns.values())

    def count(self) -> int:
        """How many rows it has; 0 if it is damaged."""
        return self._database.count(self.name)

    @property
    def _columns(self) -> dict[str, str]:
        return self._database.columns(self.name)

    def select(self, *columns: str | Sequence[str]) -> "AppRows":
        """Its rows with these columns.

        Args:
            columns: the name of each, or several names of which the first that exists is read. One that does
                not exist gives None in every row.
        """
        return AppRows(self._database, self.name, ", ".join(self._expression(each) for each in columns))

    def _expression(self, wanted: str | Sequence[str]) -> str:
        for name in (wanted,) if isinstance(wanted, str) else wanted:
            if name in self:
                return _quoted(self._columns[name.lower()])
        return "NULL"


class AppRows:
    """Rows of a table with the chosen columns; each is a tuple whose first cell is the row's number."""

    def __init__(self, database: AppDatabase, table: str, select: str) -> None:
        self._database = database
        self._table = table
        self._select = select

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        return self._database.rows(self._table, self._select)

    def telling(self, how_far: HowFar) -> Iterator[tuple[Cell, ...]]:
        """All of them, and how far that is, by the numbers of the rows."""
        last = 0 if how_far is untold else self._database.last(self._table)
        if last <= 0:
            yield from self
            return
        for place, row in enumerate(self):
            if not place % _TOLD_EACH:
                how_far(min(max(number(row[0]), 0) / last, 1))
            yield row

    def after(self, number: int | None) -> Iterator[tuple[Cell, ...]]:
        """Only those behind the row with this number, None for all: a table is shown page by page."""
        return self._database.rows(self._table, self._select, number)

    def at(self, number: int) -> tuple[Cell, ...] | None:
        """One row by its number; None if there is none, or, with a gap, if it cannot be read."""
        return self._database.row(self._table, self._select, number)


def text(cell: Cell) -> str:
    """A cell as text: bytes as UTF-8 with replacement, a number as digits, NULL as "".

    NUL and lone surrogates, which no file can hold, are replaced.
    """
    if cell is None:
        return ""
    found = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
    return found.replace("\0", "\ufffd")


def number(cell: Cell) -> int:
    """A cell as a whole number; 0 if it is none."""
    if isinstance(cell, int):
        return cell
    with suppress(ValueError, OverflowError):
        if isinstance(cell, (float, str)):
            return int(cell)
    return 0


def blob(cell: Cell) -> bytes:
    """A cell as bytes; text as UTF-8, anything else as nothing."""
    if isinstance(cell, bytes):
        return cell
    return cell.encode("utf-8", "replace") if isinstance(cell, str) else b""


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _log_of(backup: Backup, entry: Entry, contents: str, gaps: Gaps) -> bytes:
    """The database's write-ahead log; empty if the backup has none or, with a gap, if it cannot be read."""
    log = backup.entry(entry.domain, f"{entry.relative_path}-wal")
    if log is None:
        return b""
    found = b""
    with suppress(OSError, FormatError, KeyRefused, PathRefused), log.open() as source:
        found = source.read(_MAX_LOG)
        if len(found) == min(log.size, _MAX_LOG) and may_be_log(found):
            return found
    gaps.add(contents, NO_LOG, f"{log.domain} {log.relative_path}", damage=True)
    return found
