"""A job in its worker process, as the server sees it."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import IO

from ibackup.base import isolated
from ibackup.base.errors import IbackupError
from ibackup.base.event_lines import event_of
from ibackup.base.events import PhaseStarted, Progress
from ibackup.base.exit_codes import ExitCode
from ibackup.base.pace import Pace
from ibackup.view.running import worker
from ibackup.view.running.job_order import JobKind, JobOrder, RestoreWork, Work
from ibackup.view.running.job_outcome import JobOutcome
from ibackup.view.running.job_state import JobState

_LONGEST_LINE = 4 << 20  # bytes; findings and notes are limited, so no line of ours is longer
_DIED = JobOutcome(
    ExitCode.FAILED,
    "The job ended without a word.",
    "The computer may have been short of memory, or someone ended its process.",
    "Finished backups are untouched. Try again.",
)


class RunningJob:
    """One job, from its start until its outcome was seen.

    Args:
        order: what to do; its passwords go to the worker and are not kept.
        changed: called from another thread whenever the state has changed.
        ended: called with the job from another thread, once its outcome is known, before ``changed``.

    Attributes:
        udid: the phone's.
        kind: of the job.
        snapshot: the id of the backup it is about, or ``latest``; empty if it is about none.
        only_looks: a restore that only checks whether it would work.

    Raises:
        IbackupError: no process can be started.
    """

    def __init__(
        self,
        order: JobOrder,
        changed: Callable[[], None],
        ended: Callable[["RunningJob"], None] = lambda _job: None,
    ) -> None:
        self.udid = order.udid
        self.kind: JobKind = order.kind
        self.snapshot = _snapshot(order.work)
        self.only_looks = isinstance(order.work, RestoreWork) and order.work.only_check
        self._changed, self._ended = changed, ended
        self._lock = threading.Lock()
        self._pace = Pace()
        self._state = JobState.at_start(order.kind, time.time())
        self._process = _start()
        self._reader = threading.Thread(target=self._read, name="ibackup job", daemon=True)
        self._send(order.to_line())
        self._reader.start()

    @property
    def state(self) -> JobState:
        """How it is now."""
        return self._state

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._state.is_over

    @property
    def pid(self) -> int:
        """Of its process; it holds the phone's lock."""
        return self._process.pid

    def stop(self) -> None:
        """Stop it as Ctrl-C does; returns at once. Nothing happens if it is over."""
        with self._lock:
            if self._state.is_over or self._state.stopping:
                return
            self._state = self._state.asked_to_stop()
        self._close(self._process.stdin)
        self._changed()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end; whether it has ended."""
        self._reader.join(seconds)
        return not self._reader.is_alive()

    # -- the worker -------------------------------------------------------------------------------------------

    def _send(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # it is gone already; its outcome says so
            if self._process.stdin is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()

    def _read(self) -> None:
        outcome = None
        stream = self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            while stream is not None and (line := stream.readline(_LONGEST_LINE)):
                outcome = self._take(line) or outcome
        self._close(stream)
        self._close(self._process.stdin)
        self._process.wait()
        with self._lock:
            self._state = self._state.ended(outcome or _DIED, time.time())
        self._ended(self)
        self._changed()

    def _take(self, line: bytes) -> JobOutcome | None:
        """Take one line; returns the outcome if it is that."""
        try:
            members = json.loads(line)
            outcome = JobOutcome.of_line(members)
            if outcome is not None:
                return outcome
            event = event_of(members)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if event is not None:
            if isinstance(event, PhaseStarted):
                self._pace = Pace()
            elif isinstance(event, Progress):
                self._pace.move(event)
            with self._lock:
                self._state = self._state.after(event, self._pace, time.time())
            self._changed()
        return None

    @staticmethod
    def _close(pipe: IO[bytes] | None) -> None:
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _start() -> isolated.Process:
    what = "The job could not be started."
    if not isolated.can_start():
        raise IbackupError(what, why="This build of ibackup cannot start another process.")
    try:
        return isolated.start(worker.PROGRAM)
    except OSError as error:
        raise IbackupError(what, why=f"The computer reported: {error.strerror}.") from None


def _snapshot(work: Work) -> str:
    return str(getattr(work, "snapshot", ""))
