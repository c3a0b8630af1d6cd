"""Dates as people type them: a day in the computer's time zone, or a moment with its offset."""

from datetime import date, datetime, time, timedelta

import click


class DateValue(click.ParamType[datetime]):
    """A day like 2024-05-01, or a moment like 2024-05-01T12:00Z.

    Args:
        last: a day means its end, not its beginning.
    """

    name = "date"

    def __init__(self, *, last: bool = False) -> None:
        self._last = last

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, with its offset."""
        text = str(value).strip()
        try:
            if len(text) <= len("2024-05-01"):
                day = date.fromisoformat(text) + timedelta(days=1 if self._last else 0)
                return datetime.combine(day, time()).astimezone()
            return datetime.fromisoformat(text).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is not a date like 2024-05-01.", param, ctx)


FIRST_DAY = DateValue()
LAST_DAY = DateValue(last=True)
