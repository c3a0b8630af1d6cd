"""When to make received data durable, so that a power cut costs a minute and the disk is not slowed down."""

import time
from collections.abc import Callable
from typing import Final

EVERY_BYTES: Final = 512 << 20
EVERY_S: Final = 60.0


class Checkpoints:
    """Calls ``make`` once so many bytes of whole files have come since it was last called, or after so many seconds.

    A file that is still on its way does not count, and does not hold back those before it. For one thread at a time.

    Args:
        make: makes durable all that is complete, and the record that says so.
    """

    def __init__(
        self, make: Callable[[], None], *, every_bytes: int | None = None, every_s: float | None = None
    ) -> None:
        self._make = make
        self._every_bytes = EVERY_BYTES if every_bytes is None else every_bytes
        self._every_s = EVERY_S if every_s is None else every_s
        self._files = self._bytes = 0
        self._since = 0.0

    def stored(self, size: int) -> None:
        """A file is complete."""
        if not self._files:
            self._since = time.monotonic()
        self._files += 1
        self._bytes += size

    def make_if_due(self) -> None:
        """Make a checkpoint if it is time. Call this only while nobody else uses the record."""
        if self._files and (
            self._bytes >= self._every_bytes or time.monotonic() - self._since >= self._every_s
        ):
            self.passed()
            self._make()

    def passed(self) -> None:
        """Everything is already durable."""
        self._files = self._bytes = 0
