"""Databases whose cells or bytes are changed at random."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing

Change = Callable[[bytes, random.Random], bytes]
ODD = (
    *(None, 0, -1, 1, 2**62, -(2**63), 4_294_967_296, 12.5, 1e308, float("inf"), float("nan")),
    *(978_307_200.0, 63_113_904_000.0, -63_114_076_800.0, "", "x" * 100, "-5", "2024-01-01", "\r\nX-EVIL:1"),
    *(b"\xff\xfe\0", b"bplist00", b"\xed\xa0\x80", "D=0MO,99TU;O=13", "Europe/Berlin", "../..", "=cmd"),
)


def with_odd_cells(data: bytes, rng: random.Random) -> bytes:
    """A database with half of its rows changed in one column."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        made.deserialize(data)
        tables = made.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        for (table,) in tables.fetchall():
            columns = [name for _, name, *_ in made.execute(f'PRAGMA table_info("{table}")')]
            for (row,) in made.execute(f'SELECT rowid FROM "{table}"').fetchall():
                if rng.random() < 0.5:
                    change = f'UPDATE OR IGNORE "{table}" SET "{rng.choice(columns)}" = ? WHERE rowid = ?'
                    try:
                        made.execute(change, (rng.choice(ODD), row))
                    except sqlite3.IntegrityError:
                        continue  # a number of a row is a whole number
        return made.serialize()


def with_odd_bytes(data: bytes, rng: random.Random) -> bytes:
    """A database with up to 500 bytes changed."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 5, 50, 500))):
        changed[rng.randrange(100, len(changed))] = rng.randrange(256)
    return bytes(changed)
