"""All jobs of the server: one at a time for each phone, kept until their end was seen."""

import threading
from collections.abc import Callable

from ibackup.base.errors import PhoneBusy
from ibackup.base.events import Observer, ignore
from ibackup.base.udids import plain_udid
from ibackup.jobs.restore.restore_request import HALF_RESTORED
from ibackup.store.disk.lock import Holder
from ibackup.store.phone_folder import PhoneFolder
from ibackup.view.running.job_order import JobOrder
from ibackup.view.running.running_job import RunningJob

_LOOK_EVERY_S = 0.5


class JobBoard:
    """The jobs; used from any thread.

    Args:
        ended: called with each job that has ended, from another thread.
    """

    def __init__(self, ended: Callable[[RunningJob], None] = lambda _job: None) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._jobs: dict[str, RunningJob] = {}
        self._closed = False
        self._version = 0

    @property
    def version(self) -> int:
        """Grows whenever a job has changed: who waits for news compares it."""
        return self._version

    @property
    def is_closed(self) -> bool:
        """Whether the server ends."""
        return self._closed

    def start(self, order: JobOrder) -> RunningJob:
        """Start a job; the last one of this phone is forgotten.

        Raises:
            PhoneBusy: a job of this phone is running.
            IbackupError: no process can be started.
        """
        plain = plain_udid(order.udid)
        with self._lock:
            before = self._jobs.get(plain)
            if before is not None and not before.is_over:
                raise PhoneBusy(
                    "Something is already running for this phone.",
                    hint="Wait until it has finished, or stop it first.",
                )
            if self._closed:
                raise PhoneBusy("ibackup is ending.")
            job = self._jobs[plain] = RunningJob(order, self.bump, self._ended)
        self.bump()
        return job

    def of(self, udid: str) -> RunningJob | None:
        """The job of a phone: one that runs, or one whose end was not seen yet."""
        return self._jobs.get(plain_udid(udid))

    def all(self) -> list[RunningJob]:
        """The jobs of all phones."""
        return list(self._jobs.values())

    def seen(self, udid: str) -> None:
        """Forget a job that is over: someone has seen how it ended."""
        with self._lock:
            job = self.of(udid)
            if job is not None and job.is_over:
                del self._jobs[plain_udid(udid)]
        self.bump()

    def outside(self, folder: PhoneFolder) -> Holder | None:
        """Who else works with a phone now: a night, or a command in a terminal; None if nobody does."""
        holder = folder.holder()
        if holder is None:
            return None
        ours = {job.pid for job in self.all()}
        return None if holder.is_here and holder.pid in ours else holder

    def close(self, hurry: Callable[[], bool] = lambda: False, observe: Observer = ignore) -> None:
        """Stop all jobs as Ctrl-C does, and wait for their end; no job starts any more.

        A phone that would be left half restored is restored to its end first, as a terminal does at the first Ctrl-C.

        Args:
            hurry: whether that one is to be stopped anyway; asked again and again.
            observe: gets a warning if there is one.
        """
        with self._lock:
            self._closed = True
        halves = [job for job in self.all() if job.state.must_not_stop]
        for job in self.all():
            if job not in halves:
                job.stop()
        if halves:
            observe(HALF_RESTORED)
        for job in halves:
            while not job.wait(_LOOK_EVERY_S) and not hurry():
                pass
            job.stop()
        for job in self.all():
            job.wait()
        self.bump()

    def bump(self) -> None:
        """Say that there is news, so that open pages look again."""
        with self._lock:
            self._version += 1
