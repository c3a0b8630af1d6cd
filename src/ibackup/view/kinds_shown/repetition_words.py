"""Rules of repetition in words: ``FREQ=WEEKLY;INTERVAL=2;BYDAY=MO`` is "every 2 weeks, on Monday"."""

import calendar
from datetime import date
from typing import Final

from ibackup.base.counts import listed
from ibackup.view.kinds_shown.entry_times import moment_of

_EACH: Final = {
    "HOURLY": "hour",
    "DAILY": "day",
    "WEEKLY": "week",
    "MONTHLY": "month",
    "YEARLY": "year",
}
_DAYS: Final = dict(zip(("MO", "TU", "WE", "TH", "FR", "SA", "SU"), calendar.day_name, strict=True))
_PLACES: Final = {
    1: "first",
    2: "second",
    3: "third",
    4: "fourth",
    5: "fifth",
    -1: "last",
    -2: "last but one",
}
_MOST: Final = 12  # values of a list that are named


def repetition_words(rule: str) -> str:
    """A rule in the middle of a sentence: "every month, on the last Friday, until 31 December 2024"."""
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    unit = _EACH.get(parts.get("FREQ", ""), "")
    if not unit:
        return "in a way that ibackup cannot put into words"
    often = parts.get("INTERVAL", "1")
    said = [f"every {unit}" if often == "1" else f"every {often} {unit}s"]
    said += [
        words
        for words in (
            _on_days(parts.get("BYDAY", ""), _numbers(parts.get("BYSETPOS", ""))),
            _months(_numbers(parts.get("BYMONTH", ""))),
            _numbered("day", "of the month", parts.get("BYMONTHDAY", "")),
            _numbered("day", "of the year", parts.get("BYYEARDAY", "")),
            _numbered("week", "of the year", parts.get("BYWEEKNO", "")),
        )
        if words
    ]
    if "COUNT" in parts:
        said.append(f"{parts['COUNT']} times")
    elif until := _until(parts.get("UNTIL", "")):
        said.append(f"until {until}")
    return ", ".join(said)


def _on_days(days: str, places: list[int]) -> str:
    named = []
    for day in days.split(",")[:_MOST] if days else ():
        number, name = day[:-2], _DAYS.get(day[-2:], "")
        place = _PLACES.get(int(number), f"{number}.") if number.lstrip("+-").isdecimal() else ""
        if name:
            named.append(f"the {place} {name}" if place else name)
    if not named:
        return ""
    if not places:
        return f"on {listed(named)}"
    of = listed([_PLACES.get(each, f"{each}.") for each in places[:_MOST]])
    return f"on the {of} of {listed(named)}"


def _months(months: list[int]) -> str:
    named = [calendar.month_name[each] for each in months if 1 <= each <= 12]
    return f"in {listed(named)}" if named else ""


def _numbered(what: str, of: str, values: str) -> str:
    numbers = _numbers(values)[:_MOST]
    if not numbers:
        return ""
    if numbers == [-1]:
        return f"on the last {what} {of}"
    named = [str(each) if each > 0 else f"{-each} from the end" for each in numbers]
    return f"on {what}{'' if len(named) == 1 else 's'} {listed(named)} {of}"


def _numbers(values: str) -> list[int]:
    return [int(each) for each in values.split(",") if each.lstrip("+-").isdecimal()]


def _until(value: str) -> str:
    try:
        return moment_of(date(int(value[:4]), int(value[4:6]), int(value[6:8])))
    except ValueError:
        return ""
