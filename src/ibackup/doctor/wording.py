"""Figures and moments in words, for texts that the checks make."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta


def size(count: float) -> str:
    """Bytes in decimal units: ``7.9 GB``."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 99.5 else f"{value:.2g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def day(moment: datetime) -> str:
    """The day in this computer's time zone: ``21 November 2026``."""
    local = moment.astimezone()
    return f"{local.day} {local:%B %Y}"


def when(moment: datetime, now: datetime) -> str:
    """A moment as people say it: ``today at 02:10``, ``on 12 November at 23:40 (9 days ago)``."""
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
    """A moment to come, to follow "before": ``tomorrow at 02:10``, ``28 November at 02:10``."""
    return when(moment, now).removeprefix("on ")


def lasting(span: timedelta | float) -> str:
    """How long: ``45 minutes``, ``7.5 hours``, ``9 days``."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < 90:
        return several(round(seconds), "second")
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.2g} hours"
    return f"{seconds / 86400:.0f} days"


def times(count: int) -> str:
    """``once``, ``twice``, ``4 times``."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def several(count: int, one: str, many: str | None = None) -> str:
    """``1 crash report``, ``3 crash reports``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else list(parts))


def rfc3339(moment: datetime) -> str:
    """A moment for machines."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
