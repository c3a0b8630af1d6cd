"""The tables of databases in backups, page by page; nothing in them is run."""

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.apple.app_places import AppPlace
from ibackup.apple.backup import Backup
from ibackup.contents.previews.table_preview import TablesPreview, tables_preview
from support.minted import Mint, Spec

PLACE = AppPlace("HomeDomain", "Library/some.db")
PASSWORD = "Kurzhaar-Wisent 7"


def made(folder: Path, make: Callable[[sqlite3.Connection], object]) -> bytes:
    path = folder / "made.db"
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    make(db)
    db.commit()
    db.close()
    return path.read_bytes()


def preview(tmp_path: Path, content: bytes, *, password: str | None = None, **how: object) -> TablesPreview:
    minted = Mint(Path(tempfile.mkdtemp(dir=tmp_path)))(password, specs=[Spec(*PLACE, content)])
    with Backup.open(minted.folder) as backup:
        if password is not None:
            backup.unlock(password)
        return tables_preview(backup, PLACE, **how)  # type: ignore[arg-type]


def _usual(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE empty (a)")
    db.execute('CREATE TABLE "odd "" name" (id INTEGER PRIMARY KEY, "<b>" TEXT, data BLOB, more REAL)')
    db.executemany(
        'INSERT INTO "odd "" name" VALUES (?, ?, ?, ?)',
        [(number, f"<i>{number}</i>", bytes(number), number / 2) for number in range(1, 121)],
    )


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_tables_and_pages(tmp_path: Path, password: str | None) -> None:
    content = made(tmp_path, _usual)
    first = preview(tmp_path, content, password=password)
    assert [(each.name, each.rows) for each in first.tables] == [("empty", 0), ('odd " name', 120)]
    assert (first.table, first.columns) == ('odd " name', ("id", "<b>", "data", "more"))
    assert [row.number for row in first.rows] == list(range(1, 51))
    assert [(cell.kind, cell.text) for cell in first.rows[2].cells] == [
        ("number", "3"),
        ("text", "<i>3</i>"),
        ("data", "3 bytes: 00 00 00"),
        ("number", "1.5"),
    ]
    assert first.after == 50
    last = preview(tmp_path, content, password=password, table='odd " name', after=100)
    assert [row.number for row in last.rows] == list(range(101, 121))
    assert last.after is None


def test_a_table_that_is_not_there_gives_the_first_one(tmp_path: Path) -> None:
    found = preview(tmp_path, made(tmp_path, _usual), table="x; DROP TABLE empty")
    assert found.table == 'odd " name'
    assert preview(tmp_path, made(tmp_path, _usual), table="empty").rows == ()


def test_long_cells_and_many_columns_are_cut(tmp_path: Path) -> None:
    def wide(db: sqlite3.Connection) -> None:
        db.execute(f"CREATE TABLE wide ({', '.join(f'c{number}' for number in range(100))})")
        db.execute("INSERT INTO wide (c0, c1) VALUES (?, ?)", ("x" * 100_000, bytes(100_000)))

    found = preview(tmp_path, made(tmp_path, wide))
    assert (len(found.columns), found.left_out) == (60, 40)
    assert max(len(cell.text) for cell in found.rows[0].cells) < 300


def test_a_view_and_a_trigger_and_a_table_of_a_module_are_not_shown(tmp_path: Path) -> None:
    def sly(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE plain (a)")
        db.execute("INSERT INTO plain VALUES (1)")
        db.execute("CREATE VIEW sly AS SELECT load_extension('x') AS a")
        db.execute("CREATE VIRTUAL TABLE words USING fts5(body)")

    found = preview(tmp_path, made(tmp_path, sly))
    assert "plain" in [each.name for each in found.tables]
    assert not {"sly", "words"} & {each.name for each in found.tables}


@pytest.mark.parametrize(
    "content", [b"SQLite format 3\0" + bytes(84), b"SQLite format 3\0" + bytes(4080), b""]
)
def test_what_is_no_database_is_a_gap(tmp_path: Path, content: bytes) -> None:
    found = preview(tmp_path, content)
    assert (found.tables, found.rows) == ((), ())


def test_a_table_without_row_numbers_is_a_gap(tmp_path: Path) -> None:
    def odd(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE odd (a PRIMARY KEY) WITHOUT ROWID")
        db.execute("INSERT INTO odd VALUES (1)")

    found = preview(tmp_path, made(tmp_path, odd))
    assert (found.table, found.rows) == ("odd", ())
    assert found.gaps
