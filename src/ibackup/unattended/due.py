"""When: hours of the day, nights, when a phone is due, how long to pause. Pure functions over a moment and a time zone.

Moments are UTC. A window is laid out day by day and compared as moments, so that a day of 23 or 25 hours opens and
closes it once, like every other day.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from ibackup.config import PhoneRules, Window

_NOON = time(12)
_DAY = timedelta(days=1)
_SOON = timedelta(hours=1)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 300.0, 3600.0


def night_of(window: Window | None, moment: datetime, zone: tzinfo | None = None) -> str:
    """Which night a moment belongs to, as a date: the day on which its window opens, or the noon at which it begins.

    The hour before a window opens, in which somebody may wait for it, belongs to that night.
    """
    begins, before = _NOON, timedelta(0)
    if window is not None and not window.always:
        begins, before = window.start, _SOON
    day = moment.astimezone(zone).date()
    days = (day + _DAY, day, day - _DAY)
    return next(each for each in days if moment >= _at(each, begins, zone) - before).isoformat()


def closes(window: Window | None, moment: datetime, zone: tzinfo | None = None) -> datetime | None:
    """When the window closes in which this moment lies; None when it lies in none.

    A window that never closes, or none, closes at the end of time.
    """
    if window is None or window.always:
        return datetime.max.replace(tzinfo=UTC)
    day = moment.astimezone(zone).date()
    for begins in (day - _DAY, day):
        opened, closed = _span(window, begins, zone)
        if opened <= moment < closed:
            return closed
    return None


def ends(window: Window | None, moment: datetime, zone: tzinfo | None = None) -> datetime | None:
    """When the night is over to which this moment belongs, or which begins within the hour; None when it is neither."""
    closed = closes(window, moment, zone)
    if closed is not None:
        return closed
    begins = opens(window, moment, zone)
    return closes(window, begins, zone) if begins - moment <= _SOON else None


def is_open(window: Window | None, moment: datetime, zone: tzinfo | None = None) -> bool:
    """Whether a backup may begin at this moment; always without a window."""
    return closes(window, moment, zone) is not None


def opens(window: Window | None, moment: datetime, zone: tzinfo | None = None) -> datetime:
    """The first moment from this one on at which a backup may begin."""
    if window is None or is_open(window, moment, zone):
        return moment
    day = moment.astimezone(zone).date()
    starts = (_at(day + _DAY * ahead, window.start, zone) for ahead in range(3))
    return next(start for start in starts if start >= moment)


def is_due(rules: PhoneRules, newest: datetime | None, moment: datetime) -> bool:
    """Whether a phone is to be backed up.

    Args:
        rules: of this phone.
        newest: when its newest good backup was made; None for none.
        moment: the present one. A backup of the future (a clock was wrong) does not put off the next one for years.
    """
    return newest is None or moment - newest >= timedelta(seconds=rules.every_s) or newest - moment > _DAY


def is_stale(max_age_s: float, newest: datetime | None, moment: datetime) -> bool:
    """Whether the newest good backup is too old, or there is none."""
    return newest is None or moment - newest > timedelta(seconds=max_age_s)


def next_due(
    rules: PhoneRules, newest: datetime | None, moment: datetime, zone: tzinfo | None = None
) -> datetime:
    """When the next backup of a phone may begin, now or later."""
    if is_due(rules, newest, moment) or newest is None:
        return opens(rules.window, moment, zone)
    return opens(rules.window, max(moment, newest + timedelta(seconds=rules.every_s)), zone)


def pause_s(failures: int) -> float:
    """Seconds until a phone is tried again after so many failures one after the other: 5, 10, 20, 40, 60 minutes."""
    doublings = min(max(failures - 1, 0), 10)
    return min(_FIRST_PAUSE_S * (1 << doublings), _LONGEST_PAUSE_S)


def _span(window: Window, day: date, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """When the window opens on a day, and when it closes after that."""
    ends = day if window.end > window.start else day + _DAY
    return _at(day, window.start, zone), _at(ends, window.end, zone)


def _at(day: date, hour: time, zone: tzinfo | None) -> datetime:
    """A time of day as a moment. One that the clock leaves out is as it would have been; of two it is the first."""
    local = datetime.combine(day, hour, tzinfo=zone)
    return local.astimezone(UTC)
