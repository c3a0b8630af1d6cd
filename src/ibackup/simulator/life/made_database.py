"""Databases made row by row, so that one description of a row fits the schema of every iOS."""

import sqlite3
from collections.abc import Mapping

from ibackup.simulator.life.life_file import APPLE_EPOCH


class MadeDatabase:
    """A database in memory. A column that a table does not have is left out of the row.

    Args:
        tables: the columns of each table, as in CREATE TABLE.
        utf16: whether its texts are stored as UTF-16, which readers must also expect.
    """

    def __init__(self, tables: Mapping[str, str], *, utf16: bool = False) -> None:
        self._connection = sqlite3.connect(":memory:")
        if utf16:
            self._connection.execute("PRAGMA encoding = 'UTF-16le'")
        self._columns: dict[str, set[str]] = {}
        for table, columns in tables.items():
            self._connection.execute(f'CREATE TABLE "{table}" ({columns})')
            names = self._connection.execute(f'PRAGMA table_info("{table}")')
            self._columns[table] = {str(name) for _, name, *_ in names}

    def add(self, table: str, columns: Mapping[str, object]) -> int:
        """Insert a row and return its number; nothing happens if the schema has no such table."""
        known = {name: value for name, value in columns.items() if name in self._columns.get(table, ())}
        if not known:
            return 0
        names, marks = ", ".join(f'"{name}"' for name in known), ", ".join("?" * len(known))
        statement = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608 - our own names
        return self._connection.execute(statement, tuple(known.values())).lastrowid or 0

    def run(self, statement: str) -> None:
        """Change it in another way: an index, a view, a trap for readers."""
        self._connection.execute(statement)

    def data(self) -> bytes:
        """The file; the connection is closed."""
        self._connection.commit()
        data = self._connection.serialize()
        self._connection.close()
        return data


def stamp(unix_time: float) -> float:
    """A moment as nearly all of Apple's databases store it: seconds since 2001."""
    return unix_time - APPLE_EPOCH


def with_torn_pages(data: bytes, *numbers: int) -> bytes:
    """The same database with some pages, numbered from 1, overwritten, as after damage to a disk."""
    size = int.from_bytes(data[16:18], "big") or 1
    size = 65_536 if size == 1 else size
    torn = bytearray(data)
    for number in numbers:
        start = (number - 1) * size
        torn[start : start + size] = b"\xa5" * len(torn[start : start + size])
    return bytes(torn)
