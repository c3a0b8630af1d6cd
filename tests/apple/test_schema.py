"""What may stand in the schema of a foreign Manifest.db."""

import sqlite3
from pathlib import Path

import pytest

from ibackup.apple import manifest_db_schema
from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.verify.findings import FindingKind, Level
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import DamageFound, NotABackup
from ibackup.explore.extraction import Wanted, extract
from ibackup.explore.selection import Selection
from ibackup.jobs.keeping.importing import ImportRequest, adopt
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from support import endless_sql
from support.endless_sql import Change
from support.minted import Mint

PASSWORD = "geheim"

TABLES = (
    "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB)",
    'CREATE TABLE "Files"(\n  fileID TEXT,\n  domain TEXT,\n  flags INT\n)',
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
    "CREATE TABLE sqlite_sequence(name,seq)",
    "CREATE TABLE [a b] (`x` VARCHAR(255) NOT NULL UNIQUE DEFAULT 'it''s', y DECIMAL(10,-5) COLLATE NOCASE)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b UNSIGNED BIG INT, UNIQUE (a, b DESC))",
    "CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID",
)
HOSTILE = (
    "CREATE TABLE Files (fileID CHECK (length(fileID) = 40))",
    "CREATE TABLE Files (fileID, CHECK (1))",
    "CREATE TABLE Files (fileID, CONSTRAINT c CHECK (1))",
    "CREATE TABLE Files (fileID TEXT AS (1))",
    "CREATE TABLE Files (fileID TEXT GENERATED ALWAYS AS (1))",
    "CREATE TABLE Files (fileID DEFAULT (1))",
    "CREATE TABLE Files (fileID DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE Files (fileID COLLATE own)",
    "CREATE TABLE Files (fileID VARCHAR(random()))",
    "CREATE TABLE Files (fileID REFERENCES other(x))",
    "CREATE TABLE Files AS SELECT 1",
    "CREATE TABLE Files (fileID) /* */",
    "CREATE TABLE Files (fileID) -- x",
    "CREATE TABLE Files (fileID); CREATE VIEW v AS SELECT 1",
    "CREATE TABLE Files (fileID\0)",
    "CREATE TABLE Files (fileID",
    "CREATE VIRTUAL TABLE Files USING fts5(x)",
    "CREATE VIEW Files AS SELECT 1",
    "",
)


@pytest.mark.parametrize("sql", TABLES)
def test_plain_tables(sql: str) -> None:
    assert manifest_db_schema.unknown([("table", "t", sql)]) == ""


@pytest.mark.parametrize("sql", HOSTILE)
def test_tables_that_could_hold_code(sql: str) -> None:
    assert manifest_db_schema.unknown([("table", "Files", sql)]) == "table Files"


@pytest.mark.parametrize(
    ("sql", "plain"),
    [
        ("CREATE INDEX i ON t(a)", True),
        ('CREATE UNIQUE INDEX "i" ON "T" ("A" COLLATE NOCASE DESC, b ASC)', True),
        (None, True),
        ("CREATE INDEX i ON t(hex(a))", False),
        ("CREATE INDEX i ON t(a) WHERE b = 1", False),
        ("CREATE INDEX i ON t(a || b)", False),
        ("CREATE INDEX i ON t('no column')", False),
        ("CREATE INDEX i ON t(a COLLATE own)", False),
        ("CREATE INDEX i ON other(a)", False),
    ],
)
def test_indexes(sql: str | None, plain: bool) -> None:
    rows = [("index", "i", sql), ("table", "t", "CREATE TABLE t (a, b)")]
    assert manifest_db_schema.unknown(rows) == ("" if plain else "index i")


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(
    "change", [each for each in endless_sql.CHANGES if each is not endless_sql.statistics]
)
def test_a_schema_that_would_take_for_ever_is_a_finding(mint: Mint, change: Change, level: Level) -> None:
    made = mint()
    made.edit_database(change)
    with Backup.open(made.folder) as backup:
        found = [each for each in verify(backup, level) if each.is_damage]
        assert [each.kind for each in found] == [FindingKind.MANIFEST_DAMAGED]
        with pytest.raises(NotABackup, match="phone"):
            list(backup.entries())


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
@pytest.mark.parametrize(
    "change", [each for each in endless_sql.CHANGES if each is not endless_sql.statistics]
)
def test_nothing_is_taken_out_or_over_by_such_a_list(
    mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, password: str | None
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    made = mint(password)
    made.edit_database(change)
    with Backup.open(made.folder) as backup:
        if password is not None:
            backup.unlock(password)
        with pytest.raises(NotABackup, match="phone"):
            extract(backup, Wanted(Selection(), str(tmp_path / "out")), lambda _event: None)
    store = Store.open(tmp_path / "store")
    with pytest.raises((DamageFound, NotABackup), match="phone"):
        adopt(ImportRequest(store, str(made.folder), unlocker=Unlocker(lambda _udid: password), settled=True))
    assert [snapshot for phone in store.phones() for snapshot in phone.snapshots()] == []


@pytest.mark.parametrize("change", endless_sql.CHANGES)
def test_so_is_one_in_a_file(tmp_path: Path, change: Change) -> None:
    """A large database is read where it lies."""
    path = tmp_path / "m.db"
    path.write_bytes(endless_sql.database(tmp_path, change, TABLES[0]))
    with pytest.raises(FormatError, match="no phone"):
        ManifestDb.open_path(str(path))


def test_a_schema_without_an_end(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    db = sqlite3.connect(path)
    more = ";".join(f"CREATE TABLE t{number} (a)" for number in range(3000))
    db.executescript(f"BEGIN; {TABLES[0]}; {more}; COMMIT")
    db.close()
    with pytest.raises(FormatError, match=r"[Rr]eading it never ends"):
        ManifestDb.open_path(str(path))


def test_databases_that_other_tools_worked_on(mint: Mint) -> None:
    made = mint(PASSWORD)
    for statement in ("ANALYZE", "VACUUM", "REINDEX"):
        made.edit_database(lambda db, statement=statement: db.executescript(statement))  # type: ignore[misc]
        with Backup.open(made.folder) as backup:
            backup.unlock(PASSWORD)
            assert len(list(backup.entries())) == len(made.specs)
            assert not [each for each in verify(backup) if each.is_damage]
