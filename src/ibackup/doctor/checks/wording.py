"""Numbers and dates in words, for the checks' texts."""

from datetime import UTC, datetime


def day(moment: datetime) -> str:
    """The day in this computer's time zone: ``21 November 2026``."""
    local = moment.astimezone()
    return f"{local.day} {local:%B %Y}"


def when(moment: datetime, now: datetime) -> str:
    """A moment in everyday words: ``today at 02:10``, ``on 12 November at 23:40 (9 days ago)``."""
    local, today = moment.astimezone(), now.astimezone().date()
    clock = f"{local:%H:%M}"
    days = (today - local.date()).days
    if days == 0:
        return f"today at {clock}"
    if days == 1:
        return f"yesterday at {clock}"
    year = f" {local.year}" if local.year != today.year else ""
    if days == -1:
        return f"tomorrow at {clock}"
    if days < 0:
        return f"on {local.day} {local:%B}{year} at {clock}"
    return f"on {local.day} {local:%B}{year} at {clock} ({days} days ago)"


def until(moment: datetime, now: datetime) -> str:
    """A future moment, to follow "before": ``tomorrow at 02:10``, ``28 November at 02:10``."""
    return when(moment, now).removeprefix("on ")


def times(count: int) -> str:
    """``once``, ``twice``, ``4 times``."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def several(count: int, one: str, many: str | None = None) -> str:
    """``1 crash report``, ``3 crash reports``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def rfc3339(moment: datetime) -> str:
    """A moment for machines."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
