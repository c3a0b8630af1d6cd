"""Ages, moments, sizes and numbers as the pages say them; templates use them as filters.

Moments are shown in this computer's time zone, those without a zone as they are. A figure and its unit keep
together: between them is a no-break space.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from ibackup.base import durations, sizes
from ibackup.base.counts import count_text, listed
from ibackup.export.message_html import calm

_MINUTES_UP_TO = timedelta(minutes=90)
_HOURS_UP_TO = timedelta(hours=20)
_DAYS_UP_TO = 60
_EVENING = 18
_MORNING = 4
_TOGETHER = "\u00a0"


def _local(moment: datetime) -> datetime:
    try:
        return moment if moment.tzinfo is None else moment.astimezone()
    except (
        OverflowError,
        ValueError,
    ):  # at the ends of the calendar, where only hostile or damaged times are
        return moment


def _now(like: datetime) -> datetime:
    return datetime.now() if like.tzinfo is None else datetime.now(UTC)  # noqa: DTZ005 - as the moment is


# -- ages ---------------------------------------------------------------------------------------------------


def age(moment: datetime, now: datetime | None = None) -> str:
    """How long ago: ``just now``, ``40 minutes ago``, ``9 hours ago``, ``last night``, ``12 days ago``.

    Minutes up to 90, hours up to 20, then calendar days of this computer's time zone. A moment ahead by more
    than a minute is ``in the future``: a clock is wrong, and no number would be true.
    """
    now = now or _now(moment)
    passed = now - moment
    if passed < timedelta(minutes=-1):
        return "in the future"
    if passed < timedelta(minutes=1):
        return "just now"
    if passed <= _MINUTES_UP_TO:
        return f"{count_text(int(passed / timedelta(minutes=1)), 'minute')} ago"
    if passed <= _HOURS_UP_TO:
        return f"{count_text(round(passed / timedelta(hours=1)), 'hour')} ago"
    local, today = _local(moment), _local(now).date()
    days = (today - local.date()).days
    if days == 0 or (days == 1 and local.hour >= _EVENING):
        return "last night" if days or local.hour < _MORNING else "today"
    if days == 1:
        return "yesterday"
    if days <= _DAYS_UP_TO:
        return f"{days} days ago"
    months = (today.year - local.year) * 12 + today.month - local.month - (today.day < local.day)
    return f"{months} months ago" if months < 24 else f"{months // 12} years ago"


def relative_day(day: date, now: datetime | None = None) -> str:
    """A day as the heading of a list: ``Today``, ``Yesterday``, ``Friday 27 November``; a moment counts as its day."""
    on = _local(day).date() if isinstance(day, datetime) else day
    today = _local(now or datetime.now(UTC)).date()
    known = {0: "Today", 1: "Yesterday", -1: "Tomorrow"}.get((today - on).days)
    return known or f"{on:%A} {_day(on, today)}"


# -- moments ------------------------------------------------------------------------------------------------


def clock(moment: datetime) -> str:
    """The time of day: ``22:14``."""
    return f"{_local(moment):%H:%M}"


def day(moment: date, now: datetime | None = None) -> str:
    """The day: ``28 November``, of another year ``28 November 2025``."""
    return _day(_date(moment), _today(moment, now))


def short_day(moment: date, now: datetime | None = None) -> str:
    """The same in little space: ``28 Nov``, ``28 Nov 2025``."""
    return _day(_date(moment), _today(moment, now), "%b")


def month(moment: date) -> str:
    """The month, always with its year, for headings: ``November 2026``."""
    return f"{_date(moment):%B %Y}"


def moment(moment: datetime, now: datetime | None = None) -> str:
    """Day and time: ``Sat 28 November, 22:14``; the year only if it is another one."""
    return f"{_local(moment):%a} {day(moment, now)}, {clock(moment)}"


def short_moment(moment: datetime, now: datetime | None = None) -> str:
    """The same in little space: ``28 Nov, 22:14``."""
    return f"{short_day(moment, now)}, {clock(moment)}"


def whole_moment(moment: datetime) -> str:
    """Everything, for print and for records: ``Saturday 28 November 2026, 22:14``."""
    local = _local(moment)
    return f"{local:%A} {local.day} {local:%B %Y}, {clock(moment)}"


def machine_time(moment: date) -> str:
    """For the ``datetime`` attribute of a ``time`` element."""
    return (
        _local(moment).isoformat(timespec="seconds") if isinstance(moment, datetime) else moment.isoformat()
    )


def window(after: datetime | None, before: datetime | None, now: datetime | None = None) -> str:
    """When something went that only two backups bound: ``between 20 Nov, 22:11 and 21 Nov, 22:45``.

    Args:
        after: the last backup that has it.
        before: the first one that does not.
        now: decides which years are written.
    """
    if after and before:
        return f"between {short_moment(after, now)} and {short_moment(before, now)}"
    if after:
        return f"after {short_moment(after, now)}"
    return f"before {short_moment(before, now)}" if before else "at a time that is not known"


def _date(moment: date) -> date:
    return _local(moment).date() if isinstance(moment, datetime) else moment


def _today(moment: date, now: datetime | None) -> date:
    naive = isinstance(moment, datetime) and moment.tzinfo is None and now is None
    return datetime.now().date() if naive else _local(now or datetime.now(UTC)).date()  # noqa: DTZ005


def _day(on: date, today: date, month_form: str = "%B") -> str:
    year = "" if on.year == today.year else f" {on.year}"
    return f"{on.day} {on.strftime(month_form)}{year}"


def list_day(moment: datetime, now: datetime | None = None) -> str:
    """The day in a list of the newest: ``22:14`` of today, ``Yesterday``, ``Friday``, ``24 Nov``."""
    passed = (_today(moment, now) - _date(moment)).days
    if passed == 0:
        return clock(moment)
    if passed == 1:
        return "Yesterday"
    return f"{_date(moment):%A}" if 1 < passed < 7 else short_day(moment, now)


def whole_day(moment: date) -> str:
    """The day with everything, for print: ``Friday 20 November 2026``."""
    on = _date(moment)
    return f"{on:%A} {on.day} {on:%B %Y}"


def day_key(moment: date) -> str:
    """The day for programs, equal for all moments of one day: ``2026-11-20``."""
    return _date(moment).isoformat()


# -- sizes, numbers, durations ------------------------------------------------------------------------------


def size(count: int) -> str:
    """Bytes: ``38.1 GB``."""
    return sizes.size_text(count).replace(" ", _TOGETHER)


def rough_size(count: float) -> str:
    """About how many bytes, in two digits: ``7.9 GB``."""
    return sizes.rough_size(count).replace(" ", _TOGETHER)


def number(count: int) -> str:
    """With separators: ``61,204``."""
    return f"{count:,}"


def percent(share: float) -> str:
    """A share of one in full percent, never 100 % before it is: ``32 %``."""
    return f"{min(int(share * 100), 100)}{_TOGETHER}%"


def time_left(seconds: float) -> str:
    """How long something still takes, never falsely exact: ``a minute``, ``about 8 minutes``, ``about 2 hours``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes == 1:
        return "a minute"
    if minutes < 90:
        # The longer it takes, the less is known about it.
        rounded = minutes if minutes <= 10 else round(minutes / 5) * 5
        return f"about {rounded} minutes"
    return f"about {count_text(round(minutes / 60), 'hour')}"


# -- addresses ----------------------------------------------------------------------------------------------


def with_query(address: str, **changed: object) -> str:
    """The same address with other parameters; an empty or missing value takes a parameter out."""
    parts = urlsplit(address)
    values = dict(parse_qsl(parts.query)) | {name: str(value or "") for name, value in changed.items()}
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{parts.path}?{query}" if query else parts.path


FILTERS: Mapping[str, Callable[..., str]] = {
    "age": age,
    "clock": clock,
    "clock_text": durations.clock_text,
    "counted": count_text,
    "calm": calm,
    "day": day,
    "day_key": day_key,
    "duration": durations.duration_words,
    "exact_size": sizes.exact_size,
    "list_day": list_day,
    "listed": listed,
    "long_duration": durations.long_duration,
    "machine_time": machine_time,
    "moment": moment,
    "month": month,
    "number": number,
    "percent": percent,
    "relative_day": relative_day,
    "rough_duration": durations.rough_duration,
    "rough_size": rough_size,
    "short_day": short_day,
    "short_moment": short_moment,
    "size": size,
    "time_left": time_left,
    "whole_day": whole_day,
    "whole_moment": whole_moment,
    "window": window,
    "with_query": with_query,
}
"""What templates write behind a bar: ``{{ backup.made | age }}``."""
