"""One queue for all unattended runs of this computer: whoever has the turn backs up one phone, the others wait."""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime

from ibackup.errors import IbackupError, PhoneBusy
from ibackup.store import durable
from ibackup.store.lock import PhoneLock
from ibackup.store.trouble import telling
from ibackup.unattended.clock import Clock

_NAME = "turn.lock"
_LOOK_EVERY_S = 10.0


@contextlib.contextmanager
def my_turn(folder: str, clock: Clock, *, until: datetime | None = None) -> Iterator[bool]:
    """Have the turn inside the block; yields False when another run has it, for longer than we wait.

    Args:
        folder: the user's state.
        clock: how time passes.
        until: how long to wait for it; None takes it now or not at all.
    """
    lock = PhoneLock(os.path.join(folder, _NAME))
    while True:
        try:
            with telling("The state of unattended runs could not be written."):
                durable.make_dir(folder, parents=True)
            lock.acquire()
            break
        except PhoneBusy:
            left = 0.0 if until is None else (until - clock.now()).total_seconds()
            if left <= 0:
                yield False
                return
            clock.pause(min(left, _LOOK_EVERY_S))
        except IbackupError:
            break  # without a place for it there is no queue; that is no reason not to back up
    try:
        yield True
    finally:
        lock.release()
