"""Where things stand in the plots of the timeline; ``templates/plots.html`` draws them as SVG.

Coordinates are those of a picture of ``WIDTH``; y grows downwards.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from ibackup.base.counts import count_text
from ibackup.view import words
from ibackup.view.thread_beads import Bead, nights_between

WIDTH = 960
_LEFT, _RIGHT = 104.0, 936.0
_TOP, _BOTTOM = 40.0, 196.0
_NEAR = timedelta(days=30)
_NEAR_SHARE = 2 / 3
_LETTER = 8.0
"""How wide a letter of a label is, about."""
GROWTH_HEIGHT = 320
_GROWTH_BOTTOM, _GROWTH_RIGHT = 280.0, 740.0
_LINE_ROOM = 19.0


@dataclass(frozen=True, slots=True)
class AxisMark:
    """A line across the plot and what it means; ``text`` is empty for a line alone."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class PlotPoint:
    """One backup in the plot of sizes."""

    bead: Bead
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class PlotLine:
    """From one backup to the next; ``missed`` nights lie between them."""

    x1: float
    y1: float
    x2: float
    y2: float
    missed: int
    text: str


@dataclass(frozen=True, slots=True)
class SizePlot:
    """Every backup by its day and size."""

    points: tuple[PlotPoint, ...]
    lines: tuple[PlotLine, ...]
    days: tuple[AxisMark, ...]
    sizes: tuple[AxisMark, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One app's line: ``path`` is the ``d`` of an SVG path, ``text_y`` where its name stands."""

    name: str
    size: int
    path: str
    end_x: float
    end_y: float
    text_y: float
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class GrowthPlot:
    """Sizes of apps over time, the largest first."""

    series: tuple[Series, ...]
    days: tuple[AxisMark, ...]
    sizes: tuple[AxisMark, ...]


class TimeScale:
    """Days to x. If there are many, the last month takes two thirds of the width: what is near matters most.

    Args:
        first: at the left edge.
        last: at the right edge.
        left: x of the first moment.
        right: x of the last one.
    """

    def __init__(self, first: datetime, last: datetime, left: float = _LEFT, right: float = _RIGHT) -> None:
        self.first, self.last = first, max(last, first + timedelta(seconds=1))
        self._left, self._right = left, right
        far = self.last - self.first > _NEAR * 1.5
        self._bend = self.last - _NEAR if far else self.first
        self._bend_x = right - (right - left) * _NEAR_SHARE if far else left

    def x(self, moment: datetime) -> float:
        """Where a moment is."""
        if moment < self._bend:
            share = (moment - self.first) / (self._bend - self.first)
            return round(self._left + (self._bend_x - self._left) * max(share, 0), 1)
        share = (moment - self._bend) / (self.last - self._bend)
        return round(self._bend_x + (self._right - self._bend_x) * min(share, 1), 1)

    def marks(self) -> tuple[AxisMark, ...]:
        """Beginnings of months, and of weeks where there is room for them."""
        near = max(self.first, self._bend)
        months = [each for each in _days(self.first, self.last) if each.day == 1]
        found = [AxisMark(self.x(each), f"{each:%b}" if each.month > 1 else f"{each:%Y}") for each in months]
        found += [
            AxisMark(self.x(each), str(each.day) if months else f"{each.day} {each:%b}")
            for each in _days(near, self.last)
            if each.day in (8, 15, 22)
        ]
        return tuple(_with_room(sorted(found, key=lambda mark: mark.at)))


def size_plot(beads: Sequence[tuple[Bead, datetime, int]], missed: Collection[date]) -> SizePlot | None:
    """The plot of sizes; None without a backup.

    Args:
        beads: each with its moment and its size in bytes, oldest first.
        missed: the nights without a backup, by the day on which they began.
    """
    if not beads:
        return None
    local = [(bead, moment.astimezone(), size) for bead, moment, size in beads]
    scale = TimeScale(local[0][1], local[-1][1])
    sizes, to_y = _axis([size for _, _, size in local], _TOP, _BOTTOM, from_zero=False)
    points = tuple(PlotPoint(bead, scale.x(moment), to_y(size)) for bead, moment, size in local)
    lines = []
    for (_, before, _), (_, after, _), one, other in zip(local, local[1:], points, points[1:], strict=False):
        nights = nights_between(before, after, missed)
        lines.append(
            PlotLine(one.x, one.y, other.x, other.y, nights, count_text(nights, "night") if nights else "")
        )
    return SizePlot(points, tuple(lines), scale.marks(), sizes)


def growth_plot(
    totals: Sequence[tuple[datetime, Mapping[str, int]]], names: Mapping[str, str]
) -> GrowthPlot | None:
    """The plot of the apps that are largest in the newest of these backups.

    Args:
        totals: when each backup was made, and the bytes of each app in it by the app's key; oldest first.
        names: of the apps, by their keys.
    """
    if len(totals) < 2:
        return None
    local = [(moment.astimezone(), sizes) for moment, sizes in totals]
    scale = TimeScale(local[0][0], local[-1][0], right=_GROWTH_RIGHT)
    newest = local[-1][1]
    largest = sorted(newest, key=lambda key: (-newest[key], key))[:7]
    marks, to_y = _axis(
        [sizes.get(key, 0) for _, sizes in local for key in largest], _TOP, _GROWTH_BOTTOM, from_zero=True
    )
    series = []
    text_ys = _apart([to_y(newest[key]) for key in largest])
    for key, text_y in zip(largest, text_ys, strict=True):
        dots = tuple((scale.x(moment), to_y(sizes[key])) for moment, sizes in local if key in sizes)
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in dots)
        series.append(Series(names.get(key, key), newest[key], path, *dots[-1], text_y, dots))
    return GrowthPlot(tuple(series), scale.marks(), marks)


def _axis(
    values: Iterable[int], top: float, bottom: float, *, from_zero: bool
) -> tuple[tuple[AxisMark, ...], Callable[[int], float]]:
    """Round numbers beside the plot, and where a value is."""
    found = list(values)
    least, most = (0 if from_zero else min(found)), max(*found, 1)
    step = _round_step((most - least) or most)
    low, high = math.floor(least / step) * step, math.ceil(most / step) * step
    if high == low:
        high += step

    def to_y(value: int) -> float:
        return round(bottom - (bottom - top) * (value - low) / (high - low), 1)

    at = [low + step * n for n in range(round((high - low) / step) + 1)]
    every = 2 if len(at) > 5 else 1
    return tuple(
        AxisMark(to_y(each), "" if n % every else words.size(each)) for n, each in enumerate(at)
    ), to_y


def _round_step(span: int) -> int:
    """A step of 1, 2 or 5 times a power of ten that divides a span into about five."""
    rough = max(span / 5, 1)
    power: int = 10 ** math.floor(math.log10(rough))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= rough)


def _apart(ys: Sequence[float]) -> list[float]:
    """The same heights, moved down where two texts would cover each other; the order stays."""
    found: list[float] = []
    for y in ys:
        found.append(max(y, found[-1] + _LINE_ROOM) if found else y)
    over = found[-1] - _GROWTH_BOTTOM if found else 0
    if over > 0:
        found[-1] -= over
        for n in range(len(found) - 2, -1, -1):
            found[n] = min(found[n], found[n + 1] - _LINE_ROOM)
    return found


def _with_room(marks: Iterable[AxisMark]) -> Iterable[AxisMark]:
    free = -math.inf
    for each in marks:
        if each.at >= free:
            free = each.at + _LETTER * (len(each.text) + 1)
            yield each
        else:
            yield AxisMark(each.at, "")


def _days(first: datetime, last: datetime) -> Iterable[datetime]:
    """The midnights between two moments, in the zone of the first."""
    zone = first.tzinfo or UTC
    for ahead in range((last.date() - first.date()).days + 1):
        each = datetime.combine(first.date() + timedelta(days=ahead), datetime.min.time(), zone)
        if first <= each <= last:
            yield each
