"""The times in the apps' databases: several zeros and units, and values that no clock ever showed.

Nothing here raises: a value that cannot be a time gives None.
"""

import math
from datetime import UTC, datetime, timedelta

APPLE_EPOCH = 978_307_200  # 2001-01-01, seconds since 1970
_NANOSECONDS_FROM = 1e11  # larger values of Messages count nanoseconds; as seconds they are in the year 5169
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # seconds since 1970 of the years 1 and 9999


def from_unix(value: object) -> datetime | None:
    """The moment of a number of seconds since 1970; None for 0, NULL and everything that is not a time."""
    number = _number(value)
    if not number or not _FIRST <= number <= _LAST:
        return None
    try:
        return _UNIX + timedelta(seconds=number)
    except OverflowError:
        return None


def from_apple(value: object) -> datetime | None:
    """The moment of a number of seconds since 2001; None for 0, NULL and everything that is not a time."""
    number = _number(value)
    return from_unix(number + APPLE_EPOCH) if number else None


def from_messages(value: object) -> datetime | None:
    """The moment of a time in Messages: nanoseconds since 2001, or seconds in rows from before iOS 11."""
    number = _number(value)
    if not number:
        return None
    return from_apple(number / 1e9 if abs(number) > _NANOSECONDS_FROM else number)


def rfc3339(moment: datetime | None) -> str | None:
    """A moment as text in UTC, with milliseconds only if there are any: 2026-11-30T21:15:00Z."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    spec = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    try:
        number = float(value)
    except OverflowError:
        return 0.0
    return number if math.isfinite(number) else 0.0
