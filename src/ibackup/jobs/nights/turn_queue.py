"""Turns: one queue for all unattended runs of this computer, and one run at a time for each phone."""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime

from ibackup.base.errors import IbackupError, PhoneBusy
from ibackup.jobs.nights.clock import Clock
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.lock import PhoneLock

_QUEUE = "turn.lock"
_LOOK_EVERY_S = 10.0


class Turn:
    """A phone's turn: the others wait until it ends, or is passed on because the phone is silent."""

    def __init__(self, queue: PhoneLock | None) -> None:
        self._queue = queue

    def pass_on(self) -> None:
        """Let the next phone have its turn; this one continues anyway."""
        if self._queue is not None:
            self._queue.release()


@contextlib.contextmanager
def my_turn(folder: str, udid: str, clock: Clock, *, until: datetime | None = None) -> Iterator[Turn | None]:
    """Have a phone's turn inside the block; yields None if another run has it for longer than we wait.

    Args:
        folder: the user's state.
        udid: the phone.
        clock: how time passes.
        until: how long to wait for it; None means now or not at all.
    """
    with contextlib.ExitStack() as held:
        try:
            with telling("The state of unattended runs could not be written."):
                durable.make_dir(folder, parents=True)
            # The phone's own lock first: waiting for it must not block the others.
            for name in (f"turn-{udid}.lock", _QUEUE):
                lock = _acquired(os.path.join(folder, name), clock, until)
                held.callback(lock.release)
        except PhoneBusy:
            yield None
            return
        except IbackupError:
            yield Turn(None)  # without a place for the lock there is no queue; that must not stop a backup
            return
        yield Turn(lock)


def _acquired(path: str, clock: Clock, until: datetime | None) -> PhoneLock:
    lock = PhoneLock(path)
    while True:
        try:
            lock.acquire()
        except PhoneBusy:
            left = 0.0 if until is None else (until - clock.now()).total_seconds()
            if left <= 0:
                raise
            clock.pause(min(left, _LOOK_EVERY_S))
        else:
            return lock
