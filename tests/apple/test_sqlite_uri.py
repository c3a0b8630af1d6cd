"""SQLite opens exactly the file that is meant, whatever system's path it is."""

import ntpath
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import pytest

from ibackup.apple.sqlite_uri import sqlite_uri

NOT_UTF_8 = ["\udcff.db"] if sys.platform != "darwin" else []  # macOS takes no such name
PATHS = [
    "/srv/ann/m.db",
    "//server/share/m.db",
    ntpath.join(r"\\nas\backups", "ann", "m.db"),
    ntpath.join(r"\\?\UNC\nas\backups", "m.db"),
    ntpath.join("\\\\?\\C:\\Users\\Ann", "m.db"),
    ntpath.join("C:\\", "Ann & Bob", "100%25 #1?.db"),
    "/srv/ünï/名前.db",
]


def as_sqlite_reads_it(uri: str) -> str:
    """The file that SQLite opens (sqlite.org/uri.html): a ``//`` names a server, which may only be this computer."""
    rest = uri.removeprefix("file:").partition("#")[0].partition("?")[0]
    if rest.startswith("//"):
        authority, _, rest = rest[2:].partition("/")
        assert authority in ("", "localhost")
        rest = f"/{rest}"
    return unquote(rest)


@pytest.mark.parametrize("path", PATHS)
def test_it_is_what_was_given(path: str) -> None:
    assert as_sqlite_reads_it(sqlite_uri(path, mode="ro", immutable="1")) == path


@pytest.mark.skipif(os.name != "posix", reason="makes names that Windows has not")
@pytest.mark.parametrize("name", [r"\\?\C:\m.db", r"\\nas\m.db", "a?b#c%41.db", *NOT_UTF_8])
@pytest.mark.parametrize("before", ["", "/"])
def test_sqlite_itself(before: str, name: str, tmp_path: Path) -> None:
    path = f"{before}{tmp_path}/{name}"
    every: tuple[dict[str, str], ...] = ({}, {"mode": "ro", "immutable": "1"})
    for options in every:
        with closing(sqlite3.connect(sqlite_uri(path, **options), uri=True)) as database, database:
            if not options:
                database.execute("CREATE TABLE here (a)")
            assert database.execute("SELECT count(*) FROM here").fetchone() == (0,)
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]
