"""When the pictures of the camera roll were taken, as the phone's Photos library says.

Apple's table of pictures is ZASSET (ZGENERICASSET before iOS 14), one row a picture, with its folder below Media,
its file name and ZDATECREATED, in seconds since 2001. A Live Photo's film, an edit's sidecar and an edited version
have no row of their own: they carry the date of the picture that they are named after.
"""

import math
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import quote

from ibackup.errors import DamageFound
from ibackup.explore.selection import PHOTOS_DOMAIN
from ibackup.manifest.backup import Backup
from ibackup.manifest.flaws import FormatError

LIBRARY = "Media/PhotoData/Photos.sqlite"
_ROOT = "Media/"
_EDITED = "Media/PhotoData/Mutations/"
_APPLE_EPOCH = 978_307_200  # 2001-01-01 in seconds since 1970
_EARLIEST, _LATEST = -5_000_000_000, 10_000_000_000  # seconds since 1970: 1811 to 2286
_TABLES = ("ZASSET", "ZGENERICASSET")
_COLUMNS = ("ZDIRECTORY", "ZFILENAME", "ZDATECREATED")
_CHUNK = 128 * 1024
_ROW_BYTES = 16  # the least that one picture takes


class PhotoDates:
    """When pictures were taken, by their path below the domain."""

    def __init__(self) -> None:
        self._dates: dict[str, float] = {}
        self._by_stem: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._dates)

    def date(self, path: str) -> float | None:
        """Seconds since 1970, or None when the library does not know."""
        if path.startswith(_EDITED):
            # Media/PhotoData/Mutations/DCIM/100APPLE/IMG_0001/Adjustments/FullSizeRender.jpg
            picture = path.removeprefix(_EDITED).split("/", 3)[:3]
            return self._by_stem.get(_ROOT + "/".join(picture))
        found = self._dates.get(path)
        return self._by_stem.get(path.rpartition(".")[0]) if found is None else found

    @classmethod
    def read(cls, backup: Backup, make_copy: Callable[[], tuple[int, str]]) -> "PhotoDates | None":
        """Read the Photos library of a backup.

        Args:
            backup: an unlocked one.
            make_copy: makes a new private file and gives its descriptor and path; the library is decrypted into
                it, as SQLite reads files. The caller removes it.

        Returns:
            None when there is none, or it cannot be read, or keeps its dates in a way that is not known.
        """
        try:
            entry = backup.entry(PHOTOS_DOMAIN, LIBRARY)
            if entry is None:
                return None
            fd, path = make_copy()
            with open(fd, "wb") as copy, entry.open() as source:
                buffer = memoryview(bytearray(_CHUNK))
                while count := source.readinto(buffer):  # type: ignore[attr-defined]  # every BinaryIO here has it
                    copy.write(buffer[:count])
        except (FormatError, DamageFound, FileNotFoundError):
            return None
        dates = cls()
        try:
            for folder, name, created in _assets(path):
                dates._add(f"{_ROOT}{folder}/{name}", created + _APPLE_EPOCH)
        except (sqlite3.Error, UnicodeDecodeError):  # the latter for what SQLite quotes of it
            return None
        return dates if dates._dates else None

    def _add(self, path: str, date: float) -> None:
        if _EARLIEST < date < _LATEST:
            self._dates[path] = date
            self._by_stem.setdefault(path.rpartition(".")[0], date)


def _assets(path: str) -> Iterator[tuple[str, str, float]]:
    """Folder, name and date of every picture; the database is nobody's friend and is opened so."""
    uri = f"file:{quote(os.path.abspath(path).replace(os.sep, '/'))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as library:
        library.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        for pragma in ("trusted_schema = OFF", "query_only = ON"):
            library.execute(f"PRAGMA {pragma}").close()
        for table in _TABLES:
            if _is_plain(library, table):
                # Pages that refer to each other in circles can stand for more rows than the file has room for.
                most = os.path.getsize(path) // _ROW_BYTES
                query = f"SELECT {', '.join(_COLUMNS)} FROM {table} LIMIT {most}"  # noqa: S608 - names from above
                for folder, name, created in library.execute(query):
                    if isinstance(folder, str) and isinstance(name, str) and _is_number(created):
                        yield folder, name, float(created)
                return


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_plain(library: sqlite3.Connection, table: str) -> bool:
    """Whether this is a true table with all the columns; a view of that name would be somebody's trick."""
    found = library.execute("SELECT type, rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if found is None or found[0] != "table" or not found[1]:
        return False
    columns = {row[1] for row in library.execute(f"PRAGMA table_info({table})")}
    return columns.issuperset(_COLUMNS)
