"""The tables of an SQLite database, and a page of the rows of one of them.

Nothing in the database is run (``app_database``): only plain tables are read, in the order of their rows' numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ibackup.apple.app_places import AppPlace
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, AppTable, Cell
from ibackup.contents.gaps import Gap, Gaps

ROWS: Final = 50
_MOST_COLUMNS: Final = 60
_MOST_TEXT: Final = 200
_MOST_DATA: Final = 12
_PART: Final = "tables"


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A table and how many rows it has."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell as text; of data, its length and its first bytes. ``kind`` is "text", "number", "data" or "nothing"."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row and its number."""

    number: int
    cells: tuple[ShownCell, ...]


@dataclass(frozen=True, slots=True)
class TablesPreview:
    """What a database shows.

    Attributes:
        tables: by name.
        table: the one that is shown; empty if there is none.
        columns: its first ones.
        left_out: how many further columns it has.
        rows: a page of it.
        after: the number of the last row, if there are more.
        gaps: what could not be read.
    """

    tables: tuple[ListedTable, ...]
    table: str
    columns: tuple[str, ...]
    left_out: int
    rows: tuple[TableRow, ...]
    after: int | None
    gaps: tuple[Gap, ...]


def tables_preview(
    backup: Backup, place: AppPlace, *, table: str = "", after: int | None = None, most: int = ROWS
) -> TablesPreview:
    """The tables of a database in a backup, and a page of one of them.

    Args:
        backup: unlocked.
        place: of the database.
        table: the name of the table to show; any other name means the first table that has rows.
        after: the number of the row before the page; None for the first page.
        most: rows of a page.

    Raises:
        NoRoom: there is no space for a temporary copy.
        FormatError: the backup's list of files is damaged.
    """
    gaps = Gaps()
    database = AppDatabase.of(backup, [place], _PART, gaps)
    if database is None:
        return TablesPreview((), "", (), 0, (), None, tuple(gaps))
    with database:
        tables = database.tables(".*")
        listed = tuple(ListedTable(each.name, each.count()) for each in tables)
        chosen = database.table(table) if table else None
        if chosen is None:
            filled = (each for each, known in zip(tables, listed, strict=True) if known.rows)
            chosen = next(filled, None) or next(iter(tables), None)
        if chosen is None:
            return TablesPreview((), "", (), 0, (), None, tuple(gaps))
        columns = chosen.columns
        rows = _rows(chosen, columns[:_MOST_COLUMNS], after, most)
        more = rows[most - 1].number if len(rows) > most else None
        left_out = max(0, len(columns) - _MOST_COLUMNS)
        shown = tuple(columns[:_MOST_COLUMNS])
        return TablesPreview(listed, chosen.name, shown, left_out, tuple(rows[:most]), more, tuple(gaps))


def _rows(table: AppTable, columns: list[str], after: int | None, most: int) -> list[TableRow]:
    """A page, and one row more if there is one; each is cut to its size before the next is read."""
    found = islice(table.select(*columns).after(after), most + 1)
    return [TableRow(_number(row[0]), tuple(_cells(row[1:]))) for row in found]


def _number(cell: Cell) -> int:
    return cell if isinstance(cell, int) else 0


def _cells(cells: Iterable[Cell]) -> Iterable[ShownCell]:
    for cell in cells:
        if cell is None:
            yield ShownCell("nothing", "")
        elif isinstance(cell, bytes):
            more = " …" if len(cell) > _MOST_DATA else ""
            yield ShownCell("data", f"{len(cell):,} bytes: {cell[:_MOST_DATA].hex(' ')}{more}")
        elif isinstance(cell, str):
            yield ShownCell("text", cell if len(cell) <= _MOST_TEXT else f"{cell[:_MOST_TEXT]} …")
        else:
            yield ShownCell("number", str(cell))
