"""Time as a parameter: the present moment, whose days count, and how to let time pass."""

import select
import time
from datetime import UTC, datetime, tzinfo
from typing import Protocol

_SLICE_S = 30.0


class Waitable(Protocol):
    """Something that the system can tell is readable: a socket."""

    def fileno(self) -> int:
        """Its descriptor."""


class Clock(Protocol):
    """What time it is, and the passing of time."""

    @property
    def zone(self) -> tzinfo | None:
        """Whose days and hours count; None: this computer's."""

    def now(self) -> datetime:
        """The present moment, UTC."""

    def pause(self, seconds: float, until: Waitable | None = None) -> bool:
        """Let time pass; less of it, and True, as soon as ``until`` is readable."""


class SystemClock:
    """The computer's own.

    A computer that slept has not waited meanwhile by its monotonic clock, on which every sleep is measured. So a long
    pause is taken in slices, and the clock on the wall ends it.
    """

    zone: tzinfo | None = None

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC)

    def pause(self, seconds: float, until: Waitable | None = None) -> bool:
        """Let time pass; a clock that was set back does not make it longer than it was to be."""
        end, longest = time.time() + seconds, time.monotonic() + seconds
        while True:
            left = min(end - time.time(), longest - time.monotonic())
            if left <= 0:
                return False
            if until is None:
                time.sleep(min(left, _SLICE_S))
            elif select.select([until], [], [], min(left, _SLICE_S))[0]:
                return True
