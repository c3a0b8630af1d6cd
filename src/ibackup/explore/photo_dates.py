"""When the pictures of the camera roll were taken, from the phone's Photos library.

Apple's table of pictures is ZASSET (ZGENERICASSET before iOS 14): one row per picture, with its folder below
Media, its file name and ZDATECREATED in seconds since 2001. The film of a Live Photo, the sidecar of an edit
and an edited version have no row: they get the date of the picture that they are named after.
"""

import math
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

from ibackup.apple.app_places import PHOTOS
from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.apple.sqlite_uri import sqlite_uri
from ibackup.base import isolated
from ibackup.base.errors import DamageFound

_ROOT = "Media/"
_EDITED = "Media/PhotoData/Mutations/"
_APPLE_EPOCH = 978_307_200  # 2001-01-01 in seconds since 1970
_EARLIEST, _LATEST = -5_000_000_000, 10_000_000_000  # seconds since 1970: 1811 to 2286
_TABLES = ("ZASSET", "ZGENERICASSET")
_COLUMNS = ("ZDIRECTORY", "ZFILENAME", "ZDATECREATED")
_CHUNK = 128 * 1024
_ROW_BYTES = 16  # the least space that one picture takes
_MOST_BYTES = 64 * 1024 * 1024  # of data about all pictures; one takes about 50


class PhotoDates:
    """When pictures were taken, by their path below the domain."""

    def __init__(self) -> None:
        self._dates: dict[str, float] = {}
        self._by_stem: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._dates)

    def date(self, path: str) -> float | None:
        """Seconds since 1970, or None if the library does not know."""
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
            backup: an unlocked backup.
            make_copy: makes a new private file and returns its descriptor and path; the library is decrypted
                into it because SQLite needs a file. The caller removes it.

        Returns:
            None if there is no library, it cannot be read, or it stores its dates in an unknown way.
        """
        try:
            entry = backup.entry(*PHOTOS)
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
            seconds = isolated.seconds_for(os.path.getsize(path))
            found = isolated.run(
                "ibackup.explore.photo_dates:assets", path, seconds=seconds, most_bytes=_MOST_BYTES
            )
            for folder, name, created in found:
                dates._add(f"{_ROOT}{folder}/{name}", float(created) + _APPLE_EPOCH)
        except (isolated.Unfinished, TypeError, ValueError, OverflowError):
            return None
        return dates if dates._dates else None

    def _add(self, path: str, date: float) -> None:
        if _EARLIEST < date < _LATEST:
            self._dates[path] = date
            self._by_stem.setdefault(path.rpartition(".")[0], date)


def assets(path: str) -> list[tuple[str, str, float]]:
    """Folder, name and date of every picture; run it in a separate process, because reading a view may take forever."""
    try:
        return list(_assets(path))
    except (sqlite3.Error, UnicodeDecodeError):  # UnicodeDecodeError: SQLite quotes the library
        return []


def _assets(path: str) -> Iterator[tuple[str, str, float]]:
    uri = sqlite_uri(os.path.abspath(path), mode="ro", immutable="1")
    with closing(sqlite3.connect(uri, uri=True)) as library:
        library.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        for pragma in ("trusted_schema = OFF", "query_only = ON"):
            library.execute(f"PRAGMA {pragma}").close()
        for table in _TABLES:
            if _is_plain(library, table):
                # Pages that refer to each other in circles can stand for more rows than the file can contain.
                most = os.path.getsize(path) // _ROW_BYTES
                query = f"SELECT {', '.join(_COLUMNS)} FROM {table} LIMIT {most}"  # noqa: S608 - names from above
                for folder, name, created in library.execute(query):
                    if isinstance(folder, str) and isinstance(name, str) and _is_number(created):
                        yield folder, name, float(created)
                return


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_plain(library: sqlite3.Connection, table: str) -> bool:
    """Whether this is a real table with all the columns; a view with that name would be an attack."""
    found = library.execute("SELECT type, rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if found is None or found[0] != "table" or not found[1]:
        return False
    columns = {row[1] for row in library.execute(f"PRAGMA table_info({table})")}
    return columns.issuperset(_COLUMNS)
