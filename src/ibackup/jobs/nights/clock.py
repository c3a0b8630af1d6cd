"""Time as a parameter: the current time, the time zone, and how to wait."""

import select
import sys
import time
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from ibackup.base import slices

_SLICE_S = 30.0


class Waitable(Protocol):
    """Something that the system can report as readable: a socket."""

    def fileno(self) -> int:
        """Its descriptor."""


class Clock(Protocol):
    """The current time, and waiting."""

    @property
    def zone(self) -> tzinfo | None:
        """The time zone for days and hours; None: this computer's."""

    def now(self) -> datetime:
        """The current time, UTC."""

    def pause(self, seconds: float, *until: Waitable) -> bool:
        """Wait; returns early, with True, once one of ``until`` is readable."""


class SystemClock:
    """The computer's own.

    The monotonic clock, which measures every sleep, stands still while the computer is asleep. So a long pause is
    split into slices, and the wall clock ends it.
    """

    zone: tzinfo | None = None

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC)

    def pause(self, seconds: float, *until: Waitable) -> bool:
        """Wait; setting the clock back does not make the wait longer."""
        end, longest = time.time() + seconds, time.monotonic() + seconds
        # Ctrl-C ends a sleep everywhere, but on Windows no wait for a socket.
        on_a_socket = slices.SLICE_S if sys.platform == "win32" else _SLICE_S
        while True:
            left = min(end - time.time(), longest - time.monotonic())
            if left <= 0:
                return False
            if not until:
                time.sleep(min(left, _SLICE_S))
            elif select.select(until, [], [], min(left, on_a_socket))[0]:
                return True
