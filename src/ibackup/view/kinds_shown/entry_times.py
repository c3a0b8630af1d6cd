"""The times of entries in words. They come from a phone's databases: some are missing, others no clock ever showed."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from ibackup.view import words

NO_DATE: Final = "Without a date"
_FIRST, _LAST = 1900, 2200  # years outside are shown as they are stored


def clock_of(moment: date | None) -> str:
    """The time of day; empty for a day without time."""
    return _said(words.clock, moment) if isinstance(moment, datetime) else ""


def moment_of(moment: date | None) -> str:
    """Day and time, or the day alone."""
    return _said(words.moment if isinstance(moment, datetime) else words.day, moment)


def whole_moment_of(moment: date | None) -> str:
    """Day and time in full, with the year."""
    return _said(words.whole_moment if isinstance(moment, datetime) else words.day, moment)


def short_day_of(moment: date | None) -> str:
    """The day in little space."""
    return _said(words.short_day, moment)


def day_heading(moment: date | None) -> str:
    """The day as a heading."""
    return _said(words.relative_day, moment) or NO_DATE


def month_heading(moment: date | None) -> str:
    """The month as a heading."""
    return _said(words.month, moment) or NO_DATE


def day_of(moment: date | None) -> date | None:
    """The day on this computer's calendar; that of the place for a moment without zone."""
    if not isinstance(moment, datetime):
        return moment
    try:
        return moment.date() if moment.tzinfo is None else moment.astimezone().date()
    except (OverflowError, OSError, ValueError):
        return moment.date()


def _said(say: Callable[..., str], moment: date | None) -> str:
    if moment is None:
        return ""
    if not _FIRST <= moment.year <= _LAST:
        return moment.isoformat()[:10]
    try:
        return say(moment)
    except (OverflowError, OSError, ValueError):  # Windows knows nothing before 1970
        return moment.isoformat()[:10]
