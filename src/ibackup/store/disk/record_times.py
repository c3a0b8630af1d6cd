"""Times as the store writes them: RFC 3339 in UTC inside records, and a compact form in the names of snapshots."""

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime

_ID = "%Y%m%dT%H%M%SZ"
_ID_SHAPE = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def now() -> datetime:
    """The present moment, UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def written(moment: datetime) -> str:
    """RFC 3339 with a ``Z``, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(text: str) -> datetime:
    """The moment of an RFC 3339 text. Raises ValueError, also if it has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"not a time with an offset: {text!r}")
    try:
        return _shown_anywhere(moment.astimezone(UTC))
    except OverflowError:
        raise ValueError(f"not a time that there can be: {text!r}") from None


def as_id(moment: datetime) -> str:
    """The name of a snapshot that began at this moment."""
    return moment.astimezone(UTC).strftime(_ID)


def from_id(text: str) -> datetime:
    """The moment in a snapshot's name. Raises ValueError when it is not such a name."""
    if not _ID_SHAPE.fullmatch(text):
        raise ValueError(f"not the name of a snapshot: {text!r}")
    return _shown_anywhere(datetime.strptime(text, _ID).replace(tzinfo=UTC))


def _shown_anywhere(moment: datetime) -> datetime:
    """The moment, if it is one in every time zone. Raises ValueError for the first and the last year that there are."""
    if not MINYEAR < moment.year < MAXYEAR:
        raise ValueError(f"not a time that there can be: {moment}")
    return moment


def is_id(text: str) -> bool:
    """Whether this is the name of a snapshot."""
    try:
        from_id(text)
    except ValueError:
        return False
    return True
