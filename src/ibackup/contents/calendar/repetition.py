"""Rules of repetition, as the value of an RRULE (RFC 5545), from what the phone stores.

Calendar keeps a text such as ``D=0TU,+2MO;O=7`` for the days, Reminders lists in JSON. Only parts that RFC 5545 knows
get through.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

_DAYS: Final = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_DAY: Final = re.compile(r"([+-]?\d{1,2})?(SU|MO|TU|WE|TH|FR|SA)")
_INTEGER: Final = re.compile(r"[+-]?\d{1,3}")
_NEVER: Final = 4000  # from this year on, an end is a stand-in for none
_MOST_COUNT: Final = 1_000_000
_MOST_PARTS: Final = 400
CALENDAR_FREQUENCIES: Final = {1: "DAILY", 2: "WEEKLY", 3: "MONTHLY", 4: "YEARLY"}
REMINDER_FREQUENCIES: Final = {0: "DAILY", 1: "WEEKLY", 2: "MONTHLY", 3: "YEARLY", 4: "HOURLY"}
"""As in the decompiled Reminders of a recent iOS; one program of others reads them so, too."""
_LISTS: Final = {
    "M": ("BYMONTHDAY", 31, True),
    "O": ("BYMONTH", 12, False),
    "S": ("BYSETPOS", 366, True),
    "Y": ("BYYEARDAY", 366, True),
    "W": ("BYWEEKNO", 53, True),
}
_ORDER: Final = ("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS")

Odd = Callable[[str], object]
"""Called with what cannot be read."""


def rule(
    frequency: str,
    interval: int,
    count: int,
    until: datetime | None,
    parts: dict[str, Sequence[str]],
    *,
    whole_days: bool = False,
    floating: bool = False,
) -> str:
    """The rule.

    Args:
        frequency: such as WEEKLY.
        interval: 1 or less for every time.
        count: how many times; 0 or less for no limit.
        until: the last moment at which it may begin; ignored if there is a count.
        parts: BYDAY and the like.
        whole_days: whether it begins on a day, without time; then so does the limit.
        floating: whether it begins at a time without zone; then so does the limit.
    """
    found = [f"FREQ={frequency}"]
    if 1 < interval <= _MOST_COUNT:
        found.append(f"INTERVAL={interval}")
    if 0 < count <= _MOST_COUNT:
        found.append(f"COUNT={count}")
    elif until is not None and until.year < _NEVER:
        form = "%Y%m%d" if whole_days else "%Y%m%dT%H%M%S" if floating else "%Y%m%dT%H%M%SZ"
        found.append(f"UNTIL={until.astimezone(UTC).strftime(form).rjust(len('20240101'), '0')}")
    found += [f"{name}={','.join(parts[name])}" for name in _ORDER if parts.get(name)]
    return ";".join(found)


def calendar_parts(specifier: str, odd: Odd) -> dict[str, Sequence[str]]:
    """The parts of Calendar's text, such as ``D=0TU,+2MO,-1FR;O=7``."""
    found: dict[str, Sequence[str]] = {}
    for part in filter(None, (each.strip() for each in specifier.split(";"))):
        key, _, values = part.partition("=")
        listed = [each.strip() for each in values.split(",")]
        if key == "D":
            found["BYDAY"] = _days(listed, odd)
        elif key in _LISTS:
            name, most, signed = _LISTS[key]
            found[name] = _numbers(listed, most, signed=signed, odd=odd)
        else:
            odd(part)
    return found


def reminder_parts(lists: dict[str, str], odd: Odd) -> dict[str, Sequence[str]]:
    """The parts from Reminders' lists in JSON.

    Args:
        lists: by the letters of Calendar's text. Days are objects with dayOfTheWeek (1 is Sunday) and weekNumber.
        odd: called with what cannot be read.
    """
    found: dict[str, Sequence[str]] = {}
    for key, text in lists.items():
        if not text:
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            odd(text[:40])
            continue
        listed = values if isinstance(values, list) else []
        if key == "D":
            found["BYDAY"] = _days([_day_of(each) for each in listed], odd)
        else:
            name, most, signed = _LISTS[key]
            found[name] = _numbers([str(each) for each in listed], most, signed=signed, odd=odd)
    return found


def _day_of(value: object) -> str:
    """A day of Reminders as Calendar would write it."""
    day, week = (
        (value.get("dayOfTheWeek"), value.get("weekNumber")) if isinstance(value, dict) else (value, 0)
    )
    if isinstance(day, int) and 1 <= day <= len(_DAYS):
        return f"{week if isinstance(week, int) else 0}{_DAYS[day - 1]}"
    return str(value)[:40]


def _days(listed: Iterable[str], odd: Odd) -> Sequence[str]:
    found: dict[str, None] = {}
    for each in listed:
        match = _DAY.fullmatch(each)
        number = int(match[1] or 0) if match else 0
        if match is None or abs(number) > 53 or len(found) >= _MOST_PARTS:
            odd(each[:40])
            continue
        found[f"{number or ''}{match[2]}"] = None
    return tuple(found)


def _numbers(listed: Iterable[str], most: int, *, signed: bool, odd: Odd) -> Sequence[str]:
    found: dict[str, None] = {}
    for each in listed:
        number = int(each) if _INTEGER.fullmatch(each) else 0
        if not 0 < abs(number) <= most or (number < 0 and not signed) or len(found) >= _MOST_PARTS:
            odd(each[:40])
            continue
        found[str(number)] = None
    return tuple(found)
