"""How fast a phase moves, and how long it still takes: for a terminal's last line and for a page."""

from collections import deque
from time import monotonic

from ibackup.base.events import Progress

_RATE_OVER_S = 10.0
_LEFT_AFTER_S = 3.0  # too early to estimate how long it will take
_LEFT_AFTER_PERCENT = 0.5


class Pace:
    """The progress of one phase; ``move`` takes each event of it."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._first_at = monotonic()
        self._event: Progress | None = None
        self._samples: deque[tuple[float, int]] = deque()

    def move(self, event: Progress) -> None:
        """Take the latest figures."""
        now = monotonic()
        self._event = event
        if self._first is None:
            self._first, self._first_at = percent_of(event), now
        self._samples.append((now, event.bytes))

    @property
    def percent(self) -> float | None:
        """0 to 100: the phone's own figure if there is one, else based on the bytes; None if unknown."""
        return None if self._event is None else percent_of(self._event)

    def rate(self) -> float | None:
        """Bytes per second over the last seconds; None if it is too early to say."""
        now = monotonic()
        while len(self._samples) > 1 and now - self._samples[0][0] > _RATE_OVER_S:
            self._samples.popleft()
        if not self._samples:
            return None
        begun, count = self._samples[0]
        passed = now - begun
        return None if passed < 1 else (self._samples[-1][1] - count) / passed

    def left(self) -> float | None:
        """Seconds that this phase will still take; None if unknown.

        Based on the share done since it began here, because a phone that continues starts far from zero.
        """
        percent, passed = self.percent, monotonic() - self._first_at
        if percent is None or self._first is None:
            return None
        done = percent - self._first
        if passed < _LEFT_AFTER_S or done < _LEFT_AFTER_PERCENT or percent >= 100:
            return None
        return passed * (100 - percent) / done


def percent_of(event: Progress) -> float | None:
    """How far a phase is, 0 to 100; None if unknown."""
    percent = event.percent
    if percent is None and event.total_bytes:
        percent = 100 * event.bytes / event.total_bytes
    return None if percent is None else min(max(percent, 0.0), 100.0)
