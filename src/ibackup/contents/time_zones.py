"""Time zones: by the names that databases give them, which may be anything, and the one of this computer."""

import os
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LOCAL_TIME: Final = "/etc/localtime"


@lru_cache(maxsize=1024)
def known_zone(name: str) -> ZoneInfo | None:
    """A time zone by its name; None if this computer does not know it."""
    try:
        return ZoneInfo(name) if name and name[0].isalpha() else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def local_zone() -> tzinfo:
    """This computer's zone, with summer time as it was at each moment.

    ``datetime.astimezone()`` gives a moment only the offset of that moment. As a zone for others, that offset is
    wrong for half of the year.
    """
    named = os.environ.get("TZ")
    if named is not None:
        return known_zone(named.removeprefix(":")) or SystemZone()
    with suppress(OSError, ValueError), open(_LOCAL_TIME, "rb") as rules:
        return ZoneInfo.from_file(rules)
    return SystemZone()


class SystemZone(tzinfo):
    """The zone of the system's own clock, for computers that do not say where its rules are; ten times slower."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """The difference from UTC at a moment of this zone's clocks."""
        if moment is None:
            return None
        with suppress(
            OverflowError, ValueError, OSError
        ):  # at the ends of the calendar; before 1970 on Windows
            return moment.replace(tzinfo=None).astimezone().utcoffset()
        return timedelta(seconds=-time.timezone)

    def dst(self, _moment: datetime | None) -> timedelta | None:
        """Unknown: the system says only the whole difference."""
        return None

    def tzname(self, _moment: datetime | None) -> str | None:
        """Unknown: names of zones are ambiguous."""
        return None

    def fromutc(self, moment: datetime) -> datetime:
        """The moment on this zone's clocks."""
        offset = timedelta(seconds=-time.timezone)
        with suppress(OverflowError, ValueError, OSError):
            offset = moment.replace(tzinfo=UTC).astimezone().utcoffset() or offset
        shown = moment + offset
        return shown if self.utcoffset(shown) == offset else shown.replace(fold=1)
