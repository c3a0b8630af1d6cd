"""An app's database, from every kind of backup, past damage, and without running what is in its schema."""

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ibackup.apple import foreign_database, write_ahead_log
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import (
    CUT,
    DAMAGED_PAGE,
    NO_LOG,
    UNREADABLE,
    AppDatabase,
    blob,
    number,
    text,
)
from ibackup.contents.gaps import Gaps
from support.minted import Mint, Spec

DOMAIN, PATH = "HomeDomain", "Library/SMS/sms.db"
PASSWORD = "Kurzhaar-Wisent 7"


def database(tmp_path: Path, *statements: str, rows: int = 0, encoding: str = "UTF-8") -> bytes:
    """The bytes of a database."""
    path = tmp_path / "made.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(f"PRAGMA encoding = '{encoding}'")
        made.execute("PRAGMA page_size = 4096")
        for statement in statements or ("CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text TEXT)",):
            made.execute(statement)
        made.execute("BEGIN")
        for each in range(1, rows + 1):
            made.execute("INSERT INTO message VALUES (?, ?)", (each, f"text {each} " + "x" * 100))
        made.execute("COMMIT")
    return path.read_bytes()


def opened(data: bytes, gaps: Gaps | None = None, *, log: bytes = b"") -> AppDatabase:
    found = AppDatabase.open_plaintext([data], len(data), "sms.db", log=log)
    found.contents, found.gaps = "messages", gaps if gaps is not None else Gaps()
    return found


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["file", "memory"])
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_from_a_backup(
    mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str | None, limit: int
) -> None:
    monkeypatch.setattr(foreign_database, "MEMORY_LIMIT", limit)
    monkeypatch.setattr("ibackup.contents.app_database.MEMORY_LIMIT", limit)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    content = database(tmp_path, rows=100)
    made = mint(password, specs=[Spec(DOMAIN, PATH, content=content)])
    gaps = Gaps()
    with Backup.open(made.folder) as backup:
        backup.unlock(password)
        found = AppDatabase.of(backup, [("HomeDomain", "not/there.db"), (DOMAIN, PATH)], "messages", gaps)
        assert found is not None
        with found:
            assert list(scratch.iterdir()) == []
            table = found.table("nothing", "Message")
            assert table is not None
            rows = list(table.select("text", "not_there", ("newer", "TEXT")))
            assert len(rows) == 100
            assert rows[6] == (7, "text 7 " + "x" * 100, None, "text 7 " + "x" * 100)
            assert table.select("text").at(7) == rows[6][:2]
            assert table.select("text").at(101) is None
        assert AppDatabase.of(backup, [("HomeDomain", "not/there.db")], "messages", gaps) is None
    assert not gaps


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["file", "memory"])
@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_write_ahead_log_is_applied_as_sqlite_applies_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, cut: int
) -> None:
    monkeypatch.setattr(foreign_database, "MEMORY_LIMIT", limit)
    path = tmp_path / "live.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as live:
        live.execute("PRAGMA journal_mode = WAL")
        live.execute("CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text TEXT)")
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for each in range(400):
            live.execute("INSERT INTO message (text) VALUES (?)", (f"row {each} " * 20,))
        live.execute("DELETE FROM message WHERE rowid < 50")
        data = path.read_bytes()
        log = path.with_name("live.db-wal").read_bytes()
    log = log[: len(log) - cut * 100]
    judge = tmp_path / "judge.db"
    judge.write_bytes(data)
    judge.with_name("judge.db-wal").write_bytes(log)
    with closing(sqlite3.connect(judge)) as theirs:
        expected = theirs.execute("SELECT rowid, text FROM message ORDER BY rowid").fetchall()
    with opened(data, log=log) as ours:
        table = ours.table("message")
        assert table is not None
        assert list(table.select("text")) == expected
    assert len(expected) > 100


def test_a_log_of_another_database_has_nothing_to_give(tmp_path: Path) -> None:
    data = bytearray(database(tmp_path, rows=3))
    before = bytes(data)
    for log in (b"", b"x" * 100, bytes(32), b"\x37\x7f\x06\x82" + bytes(5000)):
        assert write_ahead_log.apply(log, 4096, data) == 0
    assert bytes(data) == before


def test_past_a_damaged_page(tmp_path: Path) -> None:
    data = bytearray(database(tmp_path, rows=2000))
    for page in (20, 21, 40):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    gaps = Gaps()
    with opened(bytes(data), gaps) as found:
        table = found.table("message")
        assert table is not None
        rows = [number(row[0]) for row in table.select("text")]
    assert rows == sorted(set(rows))
    assert 1800 < len(rows) < 2000
    (gap,) = gaps
    assert (gap.part, gap.reason, gap.damage) == ("messages", DAMAGED_PAGE, True)
    assert gaps.damaged >= 2


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW message AS SELECT 1 AS ROWID, 'x' AS text",
        "CREATE VIRTUAL TABLE message USING fts5(text)",
    ],
)
def test_only_plain_tables_are_read(tmp_path: Path, statement: str) -> None:
    with opened(database(tmp_path, statement)) as found:
        assert found.table("message") is None
        assert [each.name for each in found.tables("message")] == []


def test_nothing_in_the_schema_is_computed(tmp_path: Path) -> None:
    heavy = "length(hex(zeroblob(900000000)))"
    data = database(
        tmp_path,
        f"CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text TEXT, hidden AS ({heavy}), CHECK ({heavy} > 0 OR 1))",
        "CREATE INDEX i ON message (text) WHERE text > 'a'",
    )
    with opened(data) as found:
        table = found.table("message")
        assert table is not None
        assert table.columns == ["ROWID", "text"]
        assert list(table.select("text", "hidden")) == []


def test_cells_of_any_type_and_text_that_is_none(tmp_path: Path) -> None:
    data = database(
        tmp_path,
        "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text)",
        "INSERT INTO message VALUES (1, CAST(x'ff41' AS TEXT)), (2, x'00ff'), (3, 1e300), (4, NULL)",
        "INSERT INTO message VALUES (5, 'a' || char(0) || 'b')",
    )
    with opened(data) as found:
        table = found.table("message")
        assert table is not None
        cells = [row[1] for row in table.select("text")]
    assert [text(each) for each in cells] == ["\ufffdA", "\ufffd\ufffd", "1e+300", "", "a\ufffdb"]
    assert [number(each) for each in cells[:2]] == [0, 0]
    assert [number(each) for each in (3, "4", 5.9, float("inf"), None)] == [3, 4, 5, 0, 0]
    assert blob("ä") == b"\xc3\xa4"
    assert blob(b"x") == b"x"
    assert blob(4) == b""


def test_utf_16_and_a_column_that_hides_the_row_number(tmp_path: Path) -> None:
    with opened(database(tmp_path, rows=5, encoding="UTF-16le")) as found:
        table = found.table("message")
        assert table is not None
        assert next(row[1] for row in table.select("text")) == "text 1 " + "x" * 100
    gaps = Gaps()
    hiding = database(
        tmp_path, "CREATE TABLE message (rowid TEXT, text TEXT)", "INSERT INTO message VALUES ('a', 'b')"
    )
    with opened(hiding, gaps) as found:
        table = found.table("message")
        assert table is not None
        assert list(table.select("text")) == []
    assert [each.reason for each in gaps] == [UNREADABLE]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("not a database", lambda data: b"x" * len(data)),
        ("empty", lambda _data: b""),
        ("cut", lambda data: data[:50]),
        ("zeros", lambda data: bytes(len(data))),
    ],
)
def test_what_is_no_database_is_a_gap(
    mint: Mint, tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    made = mint(specs=[Spec(DOMAIN, PATH, content=change(database(tmp_path, rows=5)))])
    gaps = Gaps()
    with Backup.open(made.folder) as backup:
        assert AppDatabase.of(backup, [(DOMAIN, PATH)], "messages", gaps) is None
    (gap,) = gaps
    assert (gap.reason, gap.damage) == (UNREADABLE, True), name


def test_a_file_that_is_missing_is_a_gap(mint: Mint, tmp_path: Path) -> None:
    made = mint(specs=[Spec(DOMAIN, PATH, content=database(tmp_path))])
    made.blob(DOMAIN, PATH).unlink()
    gaps = Gaps()
    with Backup.open(made.folder) as backup:
        assert AppDatabase.of(backup, [(DOMAIN, PATH)], "messages", gaps) is None
    assert [each.reason for each in gaps] == ["the database is not in the backup"]


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["file", "memory"])
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_database_without_its_end_is_read_as_far_as_it_goes(
    mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str | None, limit: int
) -> None:
    monkeypatch.setattr(foreign_database, "MEMORY_LIMIT", limit)
    monkeypatch.setattr("ibackup.contents.app_database.MEMORY_LIMIT", limit)
    whole = database(tmp_path, rows=2000)
    made = mint(password, specs=[Spec(DOMAIN, PATH, content=whole[: len(whole) // 8192 * 4096 + 1000])])
    gaps = Gaps()
    with Backup.open(made.folder) as backup:
        backup.unlock(password)
        found = AppDatabase.of(backup, [(DOMAIN, PATH)], "messages", gaps)
        assert found is not None
        with found:
            table = found.table("message")
            assert table is not None
            rows = [number(row[0]) for row in table.select("text")]
    assert rows == list(range(1, len(rows) + 1))
    assert 800 < len(rows) < 1200
    assert {each.reason for each in gaps} == {CUT, DAMAGED_PAGE}
    assert gaps.damaged >= 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda blob: blob.unlink(),
        lambda blob: blob.write_bytes(blob.read_bytes()[:-100]),
        lambda blob: blob.write_bytes(b"x" * blob.stat().st_size),
    ],
    ids=["missing", "cut", "no log"],
)
def test_a_log_that_cannot_be_read_is_damage(
    mint: Mint, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    log = b"\x37\x7f\x06\x82" + bytes(5000)
    files = [Spec(DOMAIN, PATH, content=database(tmp_path, rows=5)), Spec(DOMAIN, f"{PATH}-wal", content=log)]
    made = mint(specs=files)
    for damaged in (False, True):
        gaps = Gaps()
        if damaged:
            spoil(made.blob(DOMAIN, f"{PATH}-wal"))
        with Backup.open(made.folder) as backup:
            found = AppDatabase.of(backup, [(DOMAIN, PATH)], "messages", gaps)
            assert found is not None
            found.close()
        assert [(each.reason, each.damage) for each in gaps] == [(NO_LOG, True)] * damaged


@pytest.mark.parametrize("log", [b"", bytes(4096)])
def test_a_log_that_was_used_up_is_no_damage(mint: Mint, tmp_path: Path, log: bytes) -> None:
    files = [Spec(DOMAIN, PATH, content=database(tmp_path, rows=5)), Spec(DOMAIN, f"{PATH}-wal", content=log)]
    gaps = Gaps()
    with Backup.open(mint(specs=files).folder) as backup:
        found = AppDatabase.of(backup, [(DOMAIN, PATH)], "messages", gaps)
        assert found is not None
        found.close()
    assert not gaps


def test_an_example_of_a_gap_has_the_length_of_a_line() -> None:
    gaps = Gaps()
    gaps.add("attachments", "missing", "x" * 5000)
    gaps.add("attachments", "missing", "short")
    (gap,) = gaps
    assert gap.examples == ("x" * 119 + "\u2026", "short")
