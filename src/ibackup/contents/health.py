"""Health by day: steps, heart rate, sleep and the like, without the single measurements.

A phone and a watch both count a walk, so their steps are not added: of each hour, the source that counted most is
taken. Measurements are in the unit that Health stores, which is not always the one that it shows.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import Enum, auto
from functools import cache
from typing import Final, NamedTuple

from ibackup.apple.app_places import HEALTH
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, AppTable, Cell, number, text
from ibackup.contents.app_times import APPLE_EPOCH
from ibackup.contents.gaps import Gaps
from ibackup.contents.only_encrypted import note_if_not_encrypted
from ibackup.contents.time_zones import known_zone

PART: Final = "health"
NO_TIME: Final = "measurements without a usable time"
_DELETED: Final = 2
_FIRST, _LAST = -3_155_760_000, 7_258_118_400  # seconds since 1970 of the years 1870 and 2200
_HOUR: Final = 3600


class _How(Enum):
    """How a day's measurements become its figures."""

    SUM = auto()
    LEVEL = auto()
    SLEEP = auto()
    TIME = auto()


class _Kind(NamedTuple):
    name: str
    unit: str
    how: _How
    factor: float = 1.0


_KINDS: Final = {
    1: _Kind("body fat", "%", _How.LEVEL, 100),
    2: _Kind("height", "m", _How.LEVEL),
    3: _Kind("weight", "kg", _How.LEVEL),
    5: _Kind("heart rate", "per minute", _How.LEVEL, 60),
    7: _Kind("steps", "", _How.SUM),
    8: _Kind("walking and running distance", "m", _How.SUM),
    9: _Kind("resting energy", "kcal", _How.SUM),
    10: _Kind("active energy", "kcal", _How.SUM),
    12: _Kind("flights climbed", "", _How.SUM),
    14: _Kind("blood oxygen", "%", _How.LEVEL, 100),
    15: _Kind("blood glucose", "as stored", _How.LEVEL),
    16: _Kind("systolic blood pressure", "mmHg", _How.LEVEL),
    17: _Kind("diastolic blood pressure", "mmHg", _How.LEVEL),
    61: _Kind("respiratory rate", "per minute", _How.LEVEL, 60),
    62: _Kind("body temperature", "°C", _How.LEVEL),
    63: _Kind("sleep", "h", _How.SLEEP),
    75: _Kind("exercise", "min", _How.SUM),
    76: _Kind("workouts", "min", _How.TIME),
    79: _Kind("workouts", "min", _How.TIME),
    83: _Kind("cycling distance", "m", _How.SUM),
    99: _Kind("mindfulness", "min", _How.TIME),
    118: _Kind("resting heart rate", "per minute", _How.LEVEL, 60),
    124: _Kind("VO2 max", "ml/(kg min)", _How.LEVEL),
    139: _Kind("heart rate variability", "ms", _How.LEVEL),
}
_STAGES: Final = {0: "in bed", 1: "asleep", 2: "awake", 3: "core", 4: "deep", 5: "REM"}


@dataclass(frozen=True, slots=True)
class HealthFigures:
    """What Health says of one kind on one day.

    Attributes:
        kind: "steps", "heart rate", or "type N" for a kind that ibackup does not know.
        unit: of the figures; empty for numbers.
        day: YYYY-MM-DD where the person was.
        figures: "sum" of what is counted; "average", "least" and "most" of what is measured; hours by stage of
            sleep; "minutes" of what takes time.
        samples: how many measurements are behind it.
    """

    kind: str
    unit: str
    day: str
    figures: dict[str, float]
    samples: int

    @property
    def id(self) -> str:
        """Stable from snapshot to snapshot."""
        return f"{self.kind} {self.day}"


@dataclass(slots=True)
class _Day:
    samples: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    by_name: dict[str, float] = field(default_factory=dict)
    by_hour: dict[tuple[int, int], float] = field(default_factory=dict)  # of hour and source

    def level(self, value: float) -> None:
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)

    def figures(self, how: _How) -> dict[str, float]:
        if how is _How.SUM:
            best: dict[int, float] = {}
            for (hour, _), value in self.by_hour.items():
                best[hour] = max(best.get(hour, 0.0), value)
            return {"sum": sum(best.values())}
        if how is _How.LEVEL:
            return {"average": self.total / self.samples, "least": self.least, "most": self.most}
        return dict(self.by_name)


def health_by_day(backup: Backup, gaps: Gaps, zone: tzinfo = UTC) -> Iterator[HealthFigures]:
    """The figures of every kind and day, by kind and then by day.

    Args:
        backup: unlocked.
        gaps: takes what cannot be read; and why there is nothing, if only an encrypted backup can have it.
        zone: for measurements that do not say where they were made.

    Raises:
        NoRoom: there is no space for a temporary copy.
        FormatError: the backup's list of files is damaged.
    """
    database = AppDatabase.of(backup, [HEALTH], PART, gaps)
    if database is None:
        note_if_not_encrypted(backup, PART, gaps)
        return
    try:
        days = _Reading(database, gaps, zone).days()
    finally:
        database.close()
    for name, day in sorted(days):
        kind, found = days[name, day]
        yield HealthFigures(name, kind.unit, day, found.figures(kind.how), found.samples)


class _Reading:
    """Reads the tables side by side: all are in the order of the measurements' numbers."""

    def __init__(self, database: AppDatabase, gaps: Gaps, zone: tzinfo) -> None:
        self._gaps = gaps
        self._zone = zone
        self._days: dict[tuple[str, str], tuple[_Kind, _Day]] = {}
        self._samples = database.table("samples")
        self._quantities = _Beside(database.table("quantity_samples"), "quantity")
        self._values = _Beside(database.table("category_samples"), "value")
        self._objects = _Beside(database.table("objects"), "type", "provenance")
        self._provenances: dict[int, tuple[int, tzinfo]] = {}
        table = database.table("data_provenances")
        for row, source, name in table.select("source_id", "tz_name") if table else ():
            self._provenances[number(row)] = (number(source), known_zone(text(name)) or zone)
        if self._samples is None:
            gaps.add(PART, "the database has no table of measurements that ibackup knows", damage=True)

    def days(self) -> dict[tuple[str, str], tuple[_Kind, _Day]]:
        columns = ("data_type", "start_date", "end_date")
        for row, kind, start, end in self._samples.select(*columns) if self._samples else ():
            key = number(row)
            state, provenance = self._objects.at(key)
            if number(state) == _DELETED:
                continue
            begun, ended = _unix(start), _unix(end)
            if begun is None:
                self._gaps.add(PART, NO_TIME, text(start)[:40])
                continue
            source, zone = self._provenances.get(number(provenance), (0, self._zone))
            self._take(key, number(kind), begun, max(begun, ended or begun), source, zone)
        return self._days

    def _take(self, key: int, code: int, begun: float, ended: float, source: int, zone: tzinfo) -> None:
        kind = _KINDS.get(code) or _unknown(code)
        (quantity,), (value,) = self._quantities.at(key), self._values.at(key)
        # A night belongs to the day on which it ends.
        moment = datetime.fromtimestamp(ended if kind.how is _How.SLEEP else begun, zone)
        if kind.how in (_How.SLEEP, _How.TIME):
            day = self._day(kind, moment)
            seconds = ended - begun
            name = (
                _STAGES.get(number(value), f"stage {number(value)}") if kind.how is _How.SLEEP else "minutes"
            )
            amount = seconds / (_HOUR if kind.how is _How.SLEEP else 60)
            day.by_name[name] = day.by_name.get(name, 0.0) + amount
        elif not isinstance(quantity, (int, float)) or not math.isfinite(quantity):
            if quantity is not None:
                self._gaps.add(PART, "measurements that are no numbers", text(quantity)[:40])
        elif kind.how is _How.SUM:
            day = self._day(kind, moment)
            place = (moment.hour, source)
            day.by_hour[place] = day.by_hour.get(place, 0.0) + quantity * kind.factor
        else:
            self._day(kind, moment).level(quantity * kind.factor)

    def _day(self, kind: _Kind, moment: datetime) -> _Day:
        """The day that a measurement belongs to, which has one more now."""
        key = (kind.name, moment.date().isoformat())
        found = self._days.setdefault(key, (kind, _Day()))[1]
        found.samples += 1
        return found


class _Beside:
    """Columns of a table whose rows have the numbers of the measurements, read in step with these."""

    def __init__(self, table: AppTable | None, *columns: str) -> None:
        self._rows = iter(table.select(*columns)) if table is not None else iter(())
        self._nothing: tuple[Cell, ...] = (None,) * len(columns)
        self._next: tuple[Cell, ...] | None = next(self._rows, None)

    def at(self, key: int) -> tuple[Cell, ...]:
        """The row of this number; the numbers asked for must ascend."""
        while self._next is not None and number(self._next[0]) < key:
            self._next = next(self._rows, None)
        if self._next is None or self._next[0] != key:
            return self._nothing
        return self._next[1:]


@cache
def _unknown(code: int) -> _Kind:
    return _Kind(f"type {code}", "as stored", _How.LEVEL)


def _unix(cell: Cell) -> float | None:
    """A moment in seconds since 1970; None if a person could not have measured anything then."""
    if not isinstance(cell, (int, float)) or not math.isfinite(cell):
        return None
    found = float(cell) + APPLE_EPOCH
    return found if _FIRST <= found <= _LAST else None
