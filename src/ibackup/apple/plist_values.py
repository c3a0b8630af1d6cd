"""Property lists from a phone or from usbmuxd, reduced to the types they should have.

A value of the wrong type never raises: it counts as missing. Whatever a peer sends, it must not cause a
traceback.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ibackup.base.errors import ProtocolBroken
from ibackup.base.identities import JOINERS

Values = Mapping[str, object]

NOTHING: Values = {}
_APPLE_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_LONGEST_TEXT = 256
_TEN_YEARS = 315_360_000  # seconds
_LATEST = 253_402_300_799  # the last second of the year 9999
LARGEST_PLIST = 16 << 20  # bytes; far above anything lockdown or the small services send


def load_dict(data: bytes, sender: str) -> Values:
    """Parse a property list whose root must be a dictionary.

    Args:
        data: the plist, XML or binary.
        sender: who sent it, for the error: "usbmuxd", "the iPhone".

    Raises:
        ProtocolBroken: it is not a plist, too deep or too large, or its root is not a dictionary.
    """
    from ibackup.apple import plists
    from ibackup.apple.format_errors import FormatError

    try:
        root = plists.load(data, limit=LARGEST_PLIST, max_objects=500_000, part="The message")
    except FormatError as error:
        raise ProtocolBroken(f"{sender} sent a message that cannot be read.", why=error.why) from None
    values = mapping(root)
    if values is None:
        raise ProtocolBroken(f"{sender} sent a message that is not a dictionary.")
    return values


def mapping(value: object) -> Values | None:
    """The value as a dictionary with text keys, or None."""
    if not isinstance(value, dict):
        return None
    return {key: item for key, item in value.items() if isinstance(key, str)}


def sequence(value: object) -> list[object]:
    """The value as a list; empty if it is not one."""
    return list(value) if isinstance(value, list) else []


def text(values: Values, key: str) -> str | None:
    """A text as the peer sent it; None if missing, empty or of another type."""
    value = values.get(key)
    return value if isinstance(value, str) and value else None


def shown(values: Values, key: str) -> str | None:
    """A text that is safe to print: of limited length, and without characters that could control a terminal."""
    value = text(values, key)
    return printable(value) if value is not None else None


def printable(value: str) -> str:
    """The text without anything that a terminal would act on, shortened to a sensible length."""
    return "".join(char if char.isprintable() or char in JOINERS else "?" for char in value[:_LONGEST_TEXT])


def integer(values: Values, key: str) -> int | None:
    """A whole number; booleans do not count."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count(values: Values, key: str) -> int | None:
    """A whole number that cannot be negative (bytes, percent)."""
    value = integer(values, key)
    return value if value is not None and value >= 0 else None


def boolean(values: Values, key: str) -> bool | None:
    """A truth value; the numbers 0 and 1 count, since some domains use them."""
    value = values.get(key)
    if isinstance(value, bool):
        return value
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def data(values: Values, key: str) -> bytes | None:
    """Bytes; None if missing, empty or of another type."""
    value = values.get(key)
    return value if isinstance(value, bytes) and value else None


def phone_time(values: Values, key: str, now: datetime | None = None) -> datetime | None:
    """A time that a phone keeps in seconds since 1970 or since 2001, read as the phone itself does.

    It counts as Unix time, unless that is more than ten years ago: then it counts from 2001. None if missing,
    0 (never) or out of range.
    """
    value = values.get(key)
    if isinstance(value, datetime):
        return plausible(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LATEST:
        return None
    now = now or datetime.now(UTC)
    if now.timestamp() - value <= _TEN_YEARS:
        return plausible(datetime.fromtimestamp(value, UTC))
    return plausible(apple_time(values, key))


def plausible(moment: datetime | None) -> datetime | None:
    """The time in UTC, which is assumed if it has no zone; None if no phone existed then.

    A year 1 or 9999 would cause an error wherever it is shown in another time zone.
    """
    if moment is None or not 1980 <= moment.year <= 2100:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso_time(text: str) -> datetime | None:
    """A time in ISO 8601, converted to UTC; None if it is not a time, or not plausible."""
    try:
        return plausible(datetime.fromisoformat(text))
    except ValueError:
        return None


def apple_time(values: Values, key: str) -> datetime | None:
    """A time in seconds since 2001-01-01 UTC; None if missing, 0 (never) or out of range."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    try:
        return _APPLE_EPOCH + timedelta(seconds=value)
    except (OverflowError, ValueError):  # ValueError: not a number
        return None
