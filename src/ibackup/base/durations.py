"""How long something takes, in words. The tables and lines of the command line abbreviate units; nothing else does."""

import math
from datetime import timedelta


def duration_words(seconds: float) -> str:
    """A duration to the minute: ``30 seconds``, ``90 minutes``, ``2 hours 5 minutes``."""
    if seconds < 60:
        return _counted(round(seconds), "second")
    minutes = round(seconds / 60)
    if minutes < 120:
        return _counted(minutes, "minute")
    rest = f" {_counted(minutes % 60, 'minute')}" if minutes % 60 else ""
    return f"{_counted(minutes // 60, 'hour')}{rest}"


def at_least(seconds: float) -> str:
    """The same, rounded up to full minutes, for how long to wait: ``1 minute``, ``15 minutes``."""
    return duration_words(60 * max(math.ceil(seconds / 60), 1))


def rough_duration(span: timedelta | float) -> str:
    """About how long, in one unit: ``45 minutes``, ``7.5 hours``, ``9 days``."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < 90:
        return _counted(round(seconds), "second")
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.2g} hours"
    return f"{seconds / 86400:.0f} days"


def long_duration(span: timedelta) -> str:
    """About how long, for plans: ``about 9 days``, ``about 5 weeks``, ``about 7 months``, ``more than 10 years``."""
    days = span.days
    if days < 14:
        return f"about {_counted(days, 'day')}"
    if days < 60:
        return f"about {_counted(days // 7, 'week')}"
    if days < 730:
        return f"about {_counted(round(days / 30.44), 'month')}"
    return f"about {_counted(round(days / 365.25), 'year')}" if days < 3653 else "more than 10 years"


def clock_text(seconds: float) -> str:
    """Time that passes: ``0:07``, ``12:30``, ``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
