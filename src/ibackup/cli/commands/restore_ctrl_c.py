"""Ctrl-C in the middle of a restore.

The first one only warns, because a half-restored phone is worse than a slow restore.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from ibackup.base.events import Caution, Event, Observer, PhaseStarted

_Handler = Callable[[int, FrameType | None], object]


class SecondThought:
    """An observer that passes everything on, and handles Ctrl-C inside the ``with`` block.

    Args:
        observer: gets every event.
        phases: during which a second Ctrl-C is needed.
        warning: what to print after the first.
    """

    def __init__(self, observer: Observer, phases: frozenset[str], warning: Caution) -> None:
        self._observer = observer
        self._phases = phases
        self._warning = warning
        self._armed = False
        self._asked = self._warned = False
        self._before: _Handler | None = None

    def __call__(self, event: Event) -> None:
        """Pass an event on; a signal handler must not print, so the warning waits for the next event."""
        if isinstance(event, PhaseStarted):
            self._armed = event.phase in self._phases
        self._observer(event)
        if self._asked and not self._warned:
            self._warned = True
            self._observer(self._warning)

    def __enter__(self) -> Self:
        before = signal.getsignal(signal.SIGINT)
        if callable(before) and threading.current_thread() is threading.main_thread():
            self._before = before
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._armed and not self._asked:
            self._asked = True
        elif self._before is not None:
            self._before(number, frame)
