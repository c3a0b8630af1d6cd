"""How values are written in options, the config file and the environment: durations, sizes, times of day, addresses.

Only this module reads and writes them.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import time
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from ibackup.base.udids import is_udid

T = TypeVar("T")

_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"([0-9]{1,6})(?:[.,]([0-9]{1,3}))?\s*([kMGT]B)", re.IGNORECASE)
_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_MOST = 999_999  # of a unit
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

EVENING, MORNING = time(21, 30), time(7)
"""When scheduled backups start by default, and when a night that has no hours of its own ends."""


@dataclass(frozen=True, slots=True)
class HoursWindow:
    """Hours of the day in local time, across midnight if ``start`` is after ``end``; always if they are equal."""

    start: time
    end: time

    def __str__(self) -> str:
        return "always" if self.always else f"{self.start:%H:%M}-{self.end:%H:%M}"

    @property
    def always(self) -> bool:
        """Whether it covers the whole day."""
        return self.start == self.end


ALWAYS = HoursWindow(time(0), time(0))


def duration_s(text: str) -> float | None:
    """Seconds of a duration such as ``30s``, ``90m``, ``36h``, ``7d``, ``8w`` or ``0``; None for any other text."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    return float(int(match[1]) * _SECONDS[match[2]]) if match else None


def written_duration(seconds: float) -> str:
    """The shortest way to write a duration: ``20h``, ``7d``, ``0``."""
    whole = int(seconds)
    units = [(unit, size) for unit, size in _SECONDS.items() if unit != "w"]
    return next(
        (f"{whole // size}{unit}" for unit, size in reversed(units) if whole and whole % size == 0), "0"
    )


def size_bytes(text: str) -> int | None:
    """Bytes of a size such as ``500MB``, ``4.2 GB`` or ``0``; None for any other text."""
    text = text.strip()
    if text == "0":
        return 0
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    unit = _BYTES[match[3].upper()]
    return int(match[1]) * unit + int((match[2] or "").ljust(3, "0")) * (unit // 1000)


def written_size(count: int) -> str:
    """A size as ``size_bytes`` takes it: ``500MB``, ``0``; a fraction only if there is no other way."""
    units = [(f"{unit[0].lower() if unit == 'KB' else unit[0]}B", size) for unit, size in _BYTES.items()]
    for unit, size in reversed(units):
        if count and count % size == 0 and count // size <= _MOST:
            return f"{count // size}{unit}"
    for unit, size in reversed(units):
        if count and count % (size // 1000) == 0:
            return f"{count // size}.{count % size // (size // 1000):03d}".rstrip("0") + unit
    return "0"


def time_of_day(text: str) -> time | None:
    """A time as in ``21:30``; None for any other text."""
    match = _CLOCK.fullmatch(text)
    try:
        return time(int(match[1]), int(match[2])) if match else None
    except ValueError:
        return None


def window(text: str) -> HoursWindow | None:
    """Hours of the day as in ``21:00-07:00``, or ``always``; None for any other text."""
    if text == "always":
        return ALWAYS
    match = _WINDOW.fullmatch(text)
    if match is None:
        return None
    try:
        return HoursWindow(time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4])))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class ValueKind(Generic[T]):
    """One way to write a value.

    Attributes:
        noun: what it is, with its article.
        read: converts a TOML value; None if it is not of this kind.
        write: the text that ``read`` takes.
        placeholder: stands for the value in help.
        examples: how it is written.
        is_bare: whether TOML has it without quotes.
        is_path: whether a relative path starts at the config file's folder.
    """

    noun: str
    read: Callable[[object], T | None]
    write: Callable[[T], str] = str
    placeholder: str = "TEXT"
    examples: str = ""
    is_bare: bool = False
    is_path: bool = False

    @property
    def takes(self) -> str:
        """What it accepts, as the end of a sentence."""
        return f"{self.noun} as in {self.examples}" if self.examples else self.noun

    @property
    def wish(self) -> str:
        """What it accepts, as the end of a sentence about what it is not."""
        return f"{self.noun}; write {self.examples}" if self.examples else self.noun

    def from_text(self, text: str) -> T | None:
        """The value of an option or an environment variable."""
        for value in (text, _TRUTHS.get(text.lower()), int(text) if _is_count(text) else None, text.split()):
            if value is not None and (found := self.read(value)) is not None:
                return found
        return None

    def in_toml(self, value: T) -> str:
        """The value as TOML has it."""
        if isinstance(value, tuple):
            return f"[{', '.join(_quoted(str(each)) for each in value)}]"
        return self.write(value) if self.is_bare else _quoted(self.write(value))


def _quoted(text: str) -> str:
    """A basic string of TOML; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _of_text(parse: Callable[[str], T | None]) -> Callable[[object], T | None]:
    return lambda value: parse(value) if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _lock_days(value: object) -> int | None:
    days = _count(value)
    return days if days is not None and days <= 3650 else None


def _limit(text: str) -> float | None:
    seconds = duration_s(text)
    return seconds if seconds and seconds <= 7 * _SECONDS["d"] else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _url(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return text if valid and text.isprintable() and " " not in text else None


def _urls(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    texts = tuple(
        each for each in value if isinstance(each, str) and each.isprintable() and _SCHEME.fullmatch(each)
    )
    return texts if len(texts) == len(value) else None


_COPY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_REPOSITORY = re.compile(r"[0-9a-f]{64}")
MOST_PARTS = 256  # restic tells the parts apart by the first byte of a name


def _copy_name(text: str) -> str | None:
    return text if _COPY_NAME.fullmatch(text) else None


def _repository_id(text: str) -> str | None:
    return text if _REPOSITORY.fullmatch(text) else None


def _names(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    texts = tuple(each for each in value if isinstance(each, str) and each and each.isprintable())
    return texts if len(texts) == len(value) else None


def _parts(value: object) -> int | None:
    count = _count(value)
    return count if count is not None and count <= MOST_PARTS else None


TEXT: ValueKind[str] = ValueKind('text in "quotes"', _of_text(lambda text: text))
COMMAND: ValueKind[str] = replace(TEXT, placeholder="COMMAND")
FILE: ValueKind[str] = replace(TEXT, placeholder="FILE", is_path=True)
FOLDER: ValueKind[str] = replace(FILE, placeholder="FOLDER")
UDID: ValueKind[str] = ValueKind(
    "a UDID (`ibackup devices` shows it)", _of_text(lambda text: text if is_udid(text) else None)
)
COUNT: ValueKind[int] = ValueKind("a whole number, 0 or more", _count, placeholder="N", is_bare=True)
LOCK_DAYS: ValueKind[int] = ValueKind(  # nobody can end such a lock early
    "a number of days from 0 to 3650", _lock_days, placeholder="N", is_bare=True
)
FLAG: ValueKind[bool] = ValueKind("true or false", _flag, lambda flag: str(flag).lower(), is_bare=True)
DURATION: ValueKind[float] = ValueKind(
    "a duration", _of_text(duration_s), written_duration, "TIME", "30s, 90m, 36h, 7d or 8w"
)
LIMIT: ValueKind[float] = ValueKind(
    "a duration from 1s to 7d", _of_text(_limit), written_duration, "TIME", "90s, 10m or 4h"
)
SIZE: ValueKind[int] = ValueKind("a size", _of_text(size_bytes), written_size, "SIZE", "500MB, 4.2GB or 1TB")
WINDOW: ValueKind[HoursWindow] = ValueKind(
    "a range of hours", _of_text(window), placeholder="HOURS", examples='"21:00-07:00", or "always"'
)
TIME_OF_DAY: ValueKind[time] = ValueKind(
    "a time of day", _of_text(time_of_day), lambda at: f"{at:%H:%M}", "HH:MM", "21:30"
)
URL: ValueKind[str] = ValueKind('an address such as "https://hc.example/ping/…"', _of_text(_url))
URLS: ValueKind[tuple[str, ...]] = ValueKind('a list of addresses such as ["ntfys://…", "mailto://…"]', _urls)
COPY_NAME: ValueKind[str] = ValueKind(
    "a name of at most 32 letters from a to z, digits and hyphens", _of_text(_copy_name), placeholder="NAME"
)
ENGINES = ("restic", "rclone")
ENGINE: ValueKind[str] = ValueKind(
    '"restic" or "rclone"', _of_text(lambda text: text if text in ENGINES else None), placeholder="ENGINE"
)
REPOSITORY_ID: ValueKind[str] = ValueKind("64 hexadecimal digits", _of_text(_repository_id))
NAMES: ValueKind[tuple[str, ...]] = ValueKind('a list of names such as ["ann", "bob"]', _names)
PARTS: ValueKind[int] = ValueKind(
    f"a whole number from 0 to {MOST_PARTS}", _parts, placeholder="N", is_bare=True
)
