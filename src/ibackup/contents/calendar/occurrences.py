"""When an event that repeats takes place, within a few weeks.

Each day is asked whether a rule has it. So no rule takes long, not even one of a damaged or hostile calendar that
never comes true. Rules that count days of the year, weeks of the year, or positions in a set are left to words: hardly
any calendar has them.
"""

import calendar
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final

from ibackup.contents.calendar.event_types import Event, Moment

_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_KNOWN: Final = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH"}
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY: Final = timedelta(days=1)


class DayBudget:
    """How many days may still be asked, for all events of a page together."""

    def __init__(self, days: int = 400_000) -> None:
        self._left = days

    def take(self) -> bool:
        """Whether one more may be asked."""
        self._left -= 1
        return self._left >= 0


def occurrences(event: Event, first: date, last: date, budget: DayBudget) -> Iterator[Event]:
    """An event as it takes place again, from one day to another by its own calendar, in no special order.

    Its own time is not among them, nor are those that do not take place or have a changed event in their place.
    """
    start = event.start
    if start is None or not event.rules:
        return
    begun = start.date() if isinstance(start, datetime) else start
    rules = [rule for text in event.rules if (rule := _Rule.parse(text, begun)) is not None]
    except_on = set(event.except_on)
    days = {day for rule in rules for day in rule.days(first, last, budget)}
    for day in days:
        with suppress(OverflowError, ValueError, TypeError):
            again = _on(start, day)
            if again == start or again in except_on or not any(rule.lasts_until(again) for rule in rules):
                continue
            end = None if event.end is None else again + (event.end - start)
            yield replace(event, start=again, end=end)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule: the value of an RRULE (RFC 5545) whose event begins on a day."""

    begun: date
    frequency: str
    interval: int
    count: int
    until: str
    weekdays: frozenset[tuple[int, int]]
    """Each with its number within the month or year, 0 for all."""
    month_days: frozenset[int]
    months: frozenset[int]

    @classmethod
    def parse(cls, text: str, begun: date) -> "_Rule | None":
        parts = dict(part.partition("=")[::2] for part in text.split(";"))
        frequency = parts.get("FREQ", "")
        if frequency not in _FREQUENCIES or not parts.keys() <= _KNOWN:
            return None
        try:
            weekdays = frozenset(
                (_WEEKDAYS.index(each[-2:]), int(each[:-2] or 0)) for each in _list(parts.get("BYDAY", ""))
            )
            made = cls(
                begun,
                frequency,
                max(int(parts.get("INTERVAL", 1)), 1),
                int(parts.get("COUNT", 0)),
                parts.get("UNTIL", ""),
                weekdays,
                frozenset(map(int, _list(parts.get("BYMONTHDAY", "")))),
                frozenset(map(int, _list(parts.get("BYMONTH", "")))),
            )
        except ValueError:
            return None
        return made if made._is_plain else None

    @property
    def _is_plain(self) -> bool:
        """Whether it means the same to everyone."""
        numbered = any(number for _, number in self.weekdays)
        if self.frequency in ("DAILY", "WEEKLY"):
            return not numbered and not (self.month_days and self.frequency == "WEEKLY")
        return not (numbered and self.month_days) and not (self.count and not self._has(self.begun))

    def days(self, first: date, last: date, budget: DayBudget) -> Iterator[date]:
        """Its days from one to another, without regard to its end."""
        day = self.begun if self.count else max(first, self.begun)
        found = 0
        while day <= last and budget.take():
            if self._has(day):
                found += 1
                if self.count and found > self.count:
                    return
                if day >= first:
                    yield day
            if day == date.max:
                return
            day += _DAY

    def lasts_until(self, moment: Moment) -> bool:
        """Whether it has not ended at a moment."""
        if not self.until:
            return True
        until = datetime.strptime(self.until[:8], "%Y%m%d").date()  # noqa: DTZ007 - a day alone
        if not isinstance(moment, datetime):
            return moment <= until
        at = time.fromisoformat(self.until[9:15]) if len(self.until) > 8 else time.max
        end = datetime.combine(until, at)
        return moment.replace(tzinfo=None) - (moment.utcoffset() or timedelta()) <= end

    def _has(self, day: date) -> bool:
        if self.months and day.month not in self.months:
            return False
        begun, interval = self.begun, self.interval
        in_month = calendar.monthrange(day.year, day.month)[1]
        if self.frequency == "DAILY":
            turn = (day - begun).days
        elif self.frequency == "WEEKLY":
            turn = (day.toordinal() - day.weekday() - begun.toordinal() + begun.weekday()) // 7
        elif self.frequency == "MONTHLY":
            turn = 12 * (day.year - begun.year) + day.month - begun.month
        else:
            turn = day.year - begun.year
        if turn % interval:
            return False
        if self.month_days and not self.month_days & {day.day, day.day - in_month - 1}:
            return False
        if self.weekdays:
            of_year = self.frequency == "YEARLY" and not self.months
            number = day.timetuple().tm_yday if of_year else day.day
            whole = 365 + calendar.isleap(day.year) if of_year else in_month
            places = {0, (number - 1) // 7 + 1, -((whole - number) // 7 + 1)}
            return any((day.weekday(), place) in self.weekdays for place in places)
        return bool(self.month_days) or self._is_as_begun(day)

    def _is_as_begun(self, day: date) -> bool:
        """Whether a day has what the first one had, if the rule does not say which days it means."""
        if self.frequency == "DAILY":
            return True
        if self.frequency == "WEEKLY":
            return day.weekday() == self.begun.weekday()
        same_month = self.frequency == "MONTHLY" or bool(self.months) or day.month == self.begun.month
        return day.day == self.begun.day and same_month


def _list(text: str) -> list[str]:
    return text.split(",") if text else []


def _on(start: Moment, day: date) -> Moment:
    """The same time on another day."""
    return datetime.combine(day, start.timetz()) if isinstance(start, datetime) else day
