"""When: hours of the day, nights, when a turn may begin, how long to pause. Pure functions of a moment and a zone.

Moments are UTC. A window is computed day by day and compared as moments, so it opens and closes once even on a day
of 23 or 25 hours.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from ibackup.config.config_schema import PhoneRules
from ibackup.config.value_kinds import HoursWindow
from ibackup.store.freshness import is_due

_NOON = time(12)
_DAY = timedelta(days=1)
_SOON = timedelta(hours=1)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 300.0, 3600.0


def night_of(window: HoursWindow | None, moment: datetime, zone: tzinfo | None = None) -> str:
    """The night of a moment, as a date: the day on which its window opens, or the noon at which the night begins.

    The hour before a window opens, when a run may wait for it, belongs to that night.
    """
    begins, before = _NOON, timedelta(0)
    if window is not None and not window.always:
        begins, before = window.start, _SOON
    day = moment.astimezone(zone).date()
    days = (day + _DAY, day, day - _DAY)
    return next(each for each in days if moment >= _at(each, begins, zone) - before).isoformat()


def closes(window: HoursWindow | None, moment: datetime, zone: tzinfo | None = None) -> datetime | None:
    """When the window that contains this moment closes; None outside any window.

    Without a window, or with one that never closes, this is the end of time.
    """
    if window is None or window.always:
        return datetime.max.replace(tzinfo=UTC)
    day = moment.astimezone(zone).date()
    for begins in (day - _DAY, day):
        opened, closed = _span(window, begins, zone)
        if opened <= moment < closed:
            return closed
    return None


def ends(window: HoursWindow | None, moment: datetime, zone: tzinfo | None = None) -> datetime | None:
    """The end of the night that this moment belongs to or that begins within the hour; None otherwise."""
    closed = closes(window, moment, zone)
    if closed is not None:
        return closed
    begins = opens(window, moment, zone)
    return closes(window, begins, zone) if begins - moment <= _SOON else None


def is_open(window: HoursWindow | None, moment: datetime, zone: tzinfo | None = None) -> bool:
    """Whether a backup may begin at this moment; always, without a window."""
    return closes(window, moment, zone) is not None


def opens(window: HoursWindow | None, moment: datetime, zone: tzinfo | None = None) -> datetime:
    """The first moment, now or later, at which a backup may begin."""
    if window is None or is_open(window, moment, zone):
        return moment
    day = moment.astimezone(zone).date()
    starts = (_at(day + _DAY * ahead, window.start, zone) for ahead in range(3))
    return next(start for start in starts if start >= moment)


def next_due(
    rules: PhoneRules, newest: datetime | None, moment: datetime, zone: tzinfo | None = None
) -> datetime:
    """When the next backup of a phone may begin, now or later."""
    if newest is None or is_due(newest, rules.every_s, moment):
        return opens(rules.window, moment, zone)
    return opens(rules.window, max(moment, newest + timedelta(seconds=rules.every_s)), zone)


def next_turn(
    rules: PhoneRules,
    newest: datetime | None,
    starts: datetime | None,
    moment: datetime,
    zone: tzinfo | None = None,
) -> datetime | None:
    """When the next unattended backup of a phone may begin; None if nothing starts one.

    Args:
        rules: its hours, and how often.
        newest: the date of its newest good backup.
        starts: when the schedule starts next.
        moment: now.
        zone: this computer's by default.
    """
    return None if starts is None else max(next_due(rules, newest, moment, zone), starts)


def pause_s(failures: int) -> float:
    """Seconds until a phone is tried again after a number of failures in a row: 5, 10, 20, 40, 60 minutes."""
    doublings = min(max(failures - 1, 0), 10)
    return min(_FIRST_PAUSE_S * (1 << doublings), _LONGEST_PAUSE_S)


def _span(window: HoursWindow, day: date, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """When the window opens on a day, and when it then closes."""
    ends = day if window.end > window.start else day + _DAY
    return _at(day, window.start, zone), _at(ends, window.end, zone)


def _at(day: date, hour: time, zone: tzinfo | None) -> datetime:
    """A time of day as a moment.

    A time that the clock skips counts as it would have been; of two equal times, the first counts.
    """
    local = datetime.combine(day, hour, tzinfo=zone)
    return local.astimezone(UTC)
