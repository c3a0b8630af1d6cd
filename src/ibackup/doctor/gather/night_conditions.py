"""Parses the lines in which a phone records the periods when it was charging, locked and on Wi-Fi.

Fields, between bars: 0 start with its zone, 1 seconds, 2 enabled, 3 power, 4 locked, 5 Wi-Fi (as they were at the
end), 6 a backup was scheduled, 7 running, 8 seconds until due, 9 until retry, 10 since the last error, 11 failures,
12 and 13 that error, 14 charging type, 15 cellular, 16 expensive network, 17 cellular allowed, 18 short periods left
out before. Older versions end after 13; newer ones may have more. A line that does not fit is dropped.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import islice

from ibackup.apple import plist_values
from ibackup.doctor.evidence.noted_evidence import ConditionsWindow

_LEAST = 14
_MOST_LINES = 200
_LONGEST_LINE = 2048
_LONGEST_WINDOW = 10 * 365 * 86_400.0  # seconds
_FLAGS = {"0": False, "1": True}


def parse_windows(lines: Iterable[object]) -> tuple[ConditionsWindow, ...]:
    """Every readable line, newest first."""
    windows = [
        window
        for line in islice(lines, _MOST_LINES)
        if isinstance(line, str) and (window := parse_window(line)) is not None
    ]
    return tuple(sorted(windows, key=lambda each: each.start, reverse=True))


def parse_window(line: str) -> ConditionsWindow | None:
    """One line; None if it cannot be read."""
    fields = [field.strip() for field in line[:_LONGEST_LINE].split("|")]
    if len(fields) < _LEAST:
        return None
    start, seconds = plist_values.iso_time(fields[0]), _number(fields[1])
    states = [_FLAGS.get(field) for field in fields[2:6]]
    enabled, on_power, locked, on_wifi = states
    code = _whole(fields[13])
    if start is None or seconds is None or not 0 <= seconds <= _LONGEST_WINDOW or code is None:
        return None
    if enabled is None or on_power is None or locked is None or on_wifi is None:
        return None
    return ConditionsWindow(
        start=start,
        seconds=seconds,
        enabled=enabled,
        on_power=on_power,
        locked=locked,
        on_wifi=on_wifi,
        seconds_since_error=_number(fields[10]),
        error_domain=_shown(fields[12]),
        error_code=code,
        on_cellular=_FLAGS.get(_at(fields, 15)),
        expensive_network=_FLAGS.get(_at(fields, 16)),
        cellular_allowed=_FLAGS.get(_at(fields, 17)),
    )


def _at(fields: Sequence[str], place: int) -> str:
    return fields[place] if place < len(fields) else ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and abs(number) < 1e9 else None


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:80])
