"""Databases whose schema holds a call that takes for ever once SQLite evaluates it."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

FOR_EVER = "instr(hex(zeroblob(9000000)), hex(zeroblob(4500000)) || '1')"
Change = Callable[[sqlite3.Connection], object]


def check(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute(f"CREATE TABLE bait (x CHECK ({FOR_EVER}))")
    db.execute("INSERT INTO bait VALUES (1)")


def generated(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE bait (x)")
    db.execute("INSERT INTO bait VALUES (1)")
    swap(db, "bait", "(x)", f"(x, y NOT NULL AS ({FOR_EVER}))")


def expression(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE bait (x)")
    db.execute("INSERT INTO bait VALUES (1)")
    db.execute("CREATE INDEX hook ON bait(x)")
    swap(db, "hook", "(x)", f"({FOR_EVER})")


def partial(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE bait (x)")
    db.execute("INSERT INTO bait VALUES (1)")
    db.execute("CREATE INDEX hook ON bait(x) WHERE x IS NOT NULL")
    swap(db, "hook", "x IS NOT NULL", FOR_EVER)


def statistics(db: sqlite3.Connection) -> None:
    """SQLite reads these while it loads the schema, before anybody can have looked at that."""
    db.execute("CREATE TABLE bait (x)")
    db.execute("CREATE INDEX hook ON bait(x)")
    db.execute("ANALYZE")
    db.execute("INSERT INTO sqlite_stat1 VALUES ('bait', 'hook', '1 1')")
    swap(db, "sqlite_stat1", "stat)", f"stat AS ({FOR_EVER}))")


def view(db: sqlite3.Connection) -> None:
    db.execute(f"CREATE VIEW bait AS SELECT {FOR_EVER}")


def default(db: sqlite3.Connection) -> None:
    db.execute(f"CREATE TABLE bait (x DEFAULT ({FOR_EVER}))")


def trigger(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE bait (x)")
    db.execute(f"CREATE TRIGGER hook AFTER INSERT ON bait BEGIN SELECT {FOR_EVER}; END")


def virtual_table(db: sqlite3.Connection) -> None:
    """Its module runs code of its own when the table is looked at; here only named, in case a module is not there."""
    db.execute("CREATE TABLE bait (x)")
    swap(db, "bait", "CREATE TABLE bait (x)", "CREATE VIRTUAL TABLE bait USING fts5(x)")


def collation(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE bait (x)")
    db.execute("CREATE INDEX hook ON bait(x COLLATE NOCASE)")
    swap(db, "hook", "NOCASE", "unheard_of")


def swap(db: sqlite3.Connection, name: str, old: str, new: str) -> None:
    """Change a definition after its rows were written: writing them would evaluate the new one."""
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = ?", (old, new, name))
    db.execute("PRAGMA writable_schema = RESET")


CHANGES: tuple[Change, ...] = (
    *(check, generated, expression, partial, statistics, view, default),
    *(trigger, virtual_table, collation),
)


def database(folder: Path, change: Change, *before: str) -> bytes:
    """A database with this in its schema, made without evaluating it."""
    path = folder / "endless.db"
    db = sqlite3.connect(path, isolation_level=None)
    for statement in before:
        db.execute(statement)
    change(db)
    db.close()
    data = path.read_bytes()
    path.unlink()
    return data
