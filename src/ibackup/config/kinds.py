"""How values are written: durations, times of day, sizes, addresses. Each kind is read once, here."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from typing import Generic, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

_UDID = re.compile(r"[0-9A-Fa-f]{8}-?[0-9A-Fa-f]{16}|[0-9A-Fa-f]{40}")
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"([0-9]{1,6})\s?([kMGT]B)")
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day by the clock on the wall, over midnight where ``start`` is after ``end``; equal: always."""

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    @property
    def always(self) -> bool:
        """Whether it never closes."""
        return self.start == self.end


ALWAYS = Window(time(0), time(0))


def is_udid(text: str) -> bool:
    """Whether this is a phone's UDID, of the newer form (its dash may be missing) or the older one."""
    return _UDID.fullmatch(text) is not None


def same_udid(one: str, other: str) -> bool:
    """Whether two spellings name the same phone: case and the dash do not count."""
    return one.replace("-", "").lower() == other.replace("-", "").lower()


def duration_s(text: str) -> float | None:
    """Seconds of a duration as in ``30s``, ``90m``, ``36h``, ``7d``, ``8w`` or a bare ``0``; None for another text."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    return float(int(match[1]) * _SECONDS[match[2]]) if match else None


def size_bytes(text: str) -> int | None:
    """Bytes of a size as in ``500MB``, ``20GB`` or a bare ``0``; None for another text."""
    if text == "0":
        return 0
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _BYTES[match[2]] if match else None


def window(text: str) -> Window | None:
    """Hours of the day as in ``21:00-07:00``, or ``always``; None for another text."""
    if text == "always":
        return ALWAYS
    match = _WINDOW.fullmatch(text)
    if match is None:
        return None
    try:
        return Window(time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4])))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One way to write a value.

    Attributes:
        takes: what it takes, as the end of a sentence.
        read: the value of what TOML gives, None when it is not of this kind.
        is_path: whether a relative text starts at the folder of the config file.
    """

    takes: str
    read: Callable[[object], T | None]
    is_path: bool = False

    def from_text(self, text: str) -> T | None:
        """The value of an environment variable."""
        for value in (text, _TRUTHS.get(text.lower()), int(text) if _is_count(text) else None, text.split()):
            if value is not None and (found := self.read(value)) is not None:
                return found
        return None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _of_text(parse: Callable[[str], T | None]) -> Callable[[object], T | None]:
    return lambda value: parse(value) if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


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


TEXT: Kind[str] = Kind('a text in "quotes"', _of_text(lambda text: text))
PATH: Kind[str] = Kind(TEXT.takes, TEXT.read, is_path=True)
UDID: Kind[str] = Kind(
    "a UDID (`ibackup devices` shows it)", _of_text(lambda text: text if is_udid(text) else None)
)
COUNT: Kind[int] = Kind("a whole number, 0 or more", _count)
FLAG: Kind[bool] = Kind("true or false", _flag)
DURATION: Kind[float] = Kind("a duration as in 90m, 20h, 7d or 8w", _of_text(duration_s))
SIZE: Kind[int] = Kind("a size as in 500MB or 20GB", _of_text(size_bytes))
WINDOW: Kind[Window] = Kind('hours as in "21:00-07:00", or "always"', _of_text(window))
URL: Kind[str] = Kind('an address as in "https://hc.example/ping/…"', _of_text(_url))
URLS: Kind[tuple[str, ...]] = Kind('a list of addresses as in ["ntfys://…", "mailto://…"]', _urls)
