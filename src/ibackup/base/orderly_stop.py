"""How a run ends when it is told to: Ctrl-C, or another signal that ends programs."""

import os
import signal
import time
from types import FrameType

from ibackup.base.exit_codes import ExitCode

_STUCK_SECONDS = 10.0


class OrderlyStop:
    """The first Ctrl-C ends a run in an orderly way; further ones do not interrupt that.

    If the end takes long (a disk that does not answer), the next one ends the program at once. Nothing is lost: a
    run can be interrupted anywhere.
    """

    def __init__(self) -> None:
        self._first: float | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle one signal."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise KeyboardInterrupt
        if now - self._first > _STUCK_SECONDS:
            os._exit(ExitCode.INTERRUPTED)


def stopping_signals() -> list[signal.Signals]:
    """The signals that end a run; an ignored signal (under nohup, in the background) stays ignored."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    known = [number for name in names if isinstance(number := getattr(signal, name, None), signal.Signals)]
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]
