"""Every picture and film of a library in a few words each, for lists of 50,000: in a fifth of the time of all words."""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from enum import IntFlag
from typing import Final, NamedTuple

from ibackup.contents.app_database import AppDatabase, Cell, number, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.photos.photo_asset import PhotoSource

_COLUMNS: Final = (
    "ZUUID",
    "ZDIRECTORY",
    "ZFILENAME",
    "ZKIND",
    "ZKINDSUBTYPE",
    "ZFAVORITE",
    "ZHIDDEN",
    "ZTRASHEDSTATE",
    "ZVISIBILITYSTATE",
    "ZSAVEDASSETTYPE",
    "ZCLOUDPLACEHOLDERKIND",
    "ZDATECREATED",
    "ZDURATION",
)
TABLES: Final = ("ZASSET", "ZGENERICASSET")
"""Of pictures and films; the second before iOS 14."""
SOURCES: Final = {
    3: PhotoSource.PHONE,
    4: PhotoSource.SHARED_ALBUM,
    6: PhotoSource.ICLOUD,
    8: PhotoSource.MOMENT,
    12: PhotoSource.SHARED_WITH_YOU,
}
"""What ZSAVEDASSETTYPE means."""
_LIVE, _SCREENSHOT = 2, 10
_OTHERS: Final = frozenset((8, 12))
_NO_TIME: Final = math.nan
_DAY_S: Final = 24 * 3600
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - clocks of many zones


class PhotoMark(IntFlag):
    """What is special about a picture or film."""

    VIDEO = 1
    FAVORITE = 2
    SCREENSHOT = 4
    LIVE = 8
    TRASHED = 16
    """In Recently Deleted."""
    HIDDEN = 32
    UNSEEN = 64
    """Not shown by the phone: a frame of a burst that nobody chose."""
    OF_OTHERS = 128
    """Shared with the owner, and not in the owner's library."""
    LACKING = 256
    """The backup does not have its original."""


_VIDEO, _FAVORITE, _SCREENSHOTS, _LIVES, _TRASHED, _HIDDEN, _UNSEEN, _OF_OTHERS, _LACKING = map(
    int, PhotoMark
)


class PhotoLine(NamedTuple):
    """A picture or film; the members are those of ``PhotoAsset``.

    Attributes:
        taken: when, with the offset of the place where it was taken as far as that is known; else UTC.
        marks: what is special about it, as a sum of ``PhotoMark``.
    """

    id: str
    row: int
    path: str
    taken: datetime | None
    duration_s: float
    marks: int


def lines(database: AppDatabase, has: Callable[[str], bool]) -> Iterator[PhotoLine]:
    """All of them in the order of the library's rows.

    Args:
        database: a library.
        has: whether the backup has a file of the camera roll, by its path.
    """
    table = database.table(*TABLES)
    if table is None:
        return
    offsets = _offsets(database)
    zones: dict[int, timezone] = {}
    for cells in table.select(*_COLUMNS):
        row = number(cells[0])
        folder, name = text(cells[2]), text(cells[3])
        path = f"Media/{folder}/{name}" if folder and name else ""
        lacking = number(cells[11]) > 0 or not path or not has(path)
        taken = from_apple(cells[12])
        offset = offsets.get(row, 0)
        if taken is not None and offset:
            zone = zones.get(offset) or zones.setdefault(offset, timezone(timedelta(seconds=offset)))
            taken = _moved(taken, zone)
        duration = cells[13] if isinstance(cells[13], (int, float)) and 0 < cells[13] < 1e9 else 0.0
        yield PhotoLine(
            text(cells[1]) or f"{folder}/{name}",
            row,
            path,
            taken,
            float(duration),
            _marks(cells, lacking=lacking),
        )


def _marks(cells: tuple[Cell, ...], *, lacking: bool) -> int:
    """The marks as a plain number: enums are ten times slower."""
    video, subtype, hidden, trashed = cells[4] == 1, cells[5], cells[7] == 1, cells[8] == 1
    unseen = bool(number(cells[9])) and not hidden and not trashed
    return (
        video * _VIDEO
        | (cells[6] == 1) * _FAVORITE
        | (subtype == _SCREENSHOT) * _SCREENSHOTS
        | (subtype == _LIVE and not video) * _LIVES
        | trashed * _TRASHED
        | hidden * _HIDDEN
        | unseen * _UNSEEN
        | (cells[10] in _OTHERS) * _OF_OTHERS
        | lacking * _LACKING
    )


def _offsets(database: AppDatabase) -> dict[int, int]:
    """The time zone of each picture in seconds, in one pass over the table that has it."""
    table = database.table("ZADDITIONALASSETATTRIBUTES")
    rows = table.select("ZASSET", "ZTIMEZONEOFFSET") if table is not None else ()
    return {
        asset: offset
        for _, asset, offset in rows
        if type(asset) is int and type(offset) is int and offset and abs(offset) < _DAY_S
    }


def _moved(moment: datetime, zone: timezone) -> datetime:
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError):  # at the ends of the calendar
        return moment


class PhotoIndex:
    """The pictures and films of a library in the order in which people look at them: the newest first.

    One takes about 200 bytes. Its number is its place in that order; those without a date come last.

    Args:
        found: all of them.
    """

    def __init__(self, found: Iterable[PhotoLine]) -> None:
        all_lines = sorted(found, key=_order)
        self.ids = [line.id for line in all_lines]
        self.rows = array("q", (line.row for line in all_lines))
        self.marks = array("H", (line.marks for line in all_lines))
        self._at = array("d", (line.taken.timestamp() if line.taken else _NO_TIME for line in all_lines))
        self._offsets = array("i", map(_offset_of, all_lines))
        self._durations = array("f", (line.duration_s for line in all_lines))
        self._months: dict[int, tuple[int, int] | None] = {}
        self._numbers = {ident: place for place, ident in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, ident: object) -> bool:
        return ident in self._numbers

    def number_of(self, ident: str) -> int | None:
        """The number of a picture by its id; None if the library has none of that id."""
        return self._numbers.get(ident)

    def taken(self, place: int) -> datetime | None:
        """When it was taken, as the clock showed there; None if that is not known."""
        at = self._at[place]
        if math.isnan(at):
            return None
        with suppress(OverflowError):
            return _EPOCH + timedelta(seconds=at + self._offsets[place])
        return None

    def duration_s(self, place: int) -> float:
        """Seconds of a film."""
        return self._durations[place]

    def month(self, place: int) -> tuple[int, int] | None:
        """Year and month in which it was taken."""
        at = self._at[place]
        if math.isnan(at):
            return None
        day = int((at + self._offsets[place]) // _DAY_S)
        if day not in self._months:
            taken = self.taken(place)
            self._months[day] = (taken.year, taken.month) if taken else None
        return self._months[day]

    def chosen(self, wanted: int, unwanted: int) -> "array[int]":
        """The numbers of those that have all marks of `wanted`, and none of `unwanted`."""
        wanted, unwanted = int(wanted), int(unwanted)
        either = wanted | unwanted
        return array("I", (place for place, marks in enumerate(self.marks) if marks & either == wanted))


def _order(line: PhotoLine) -> tuple[float, int]:
    """By the clock of the place: a day abroad stays together."""
    if line.taken is None:
        return math.inf, -line.row
    return -(line.taken.timestamp() + _offset_of(line)), -line.row


def _offset_of(line: PhotoLine) -> int:
    offset = line.taken.utcoffset() if line.taken else None
    return int(offset.total_seconds()) if offset else 0
