"""A few writers that work in parallel, each with a thread that gives it its jobs."""

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from ibackup.base import slices
from ibackup.explore.file_writer import Stopped, WriteJob, Written

_BATCH_FILES = 64
_TICK = 0.5  # seconds
_BATCH_BYTES = 4 * 1024 * 1024


class AnyWriter(Protocol):
    """A ``Writer``, or one in another process.

    Attributes:
        moved: bytes processed so far.
    """

    moved: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write_all(self, jobs: list[WriteJob]) -> list[Written]:
        """Extract files. Raises Stopped if the run was stopped."""

    def stop(self) -> None:
        """Stop the current file; called by another thread."""


_Done = tuple[list[WriteJob], list[Written]] | BaseException
Take = Callable[[list[WriteJob], list[Written]], None]


class Pool:
    """Gives jobs to writers, each with its own thread; the results come back to the calling thread.

    Args:
        make_writer: called in each thread.
        take: called with each finished batch, by ``add`` and ``finish``, and twice a second with nothing.
        count: the number of writers.
    """

    def __init__(self, make_writer: Callable[[], AnyWriter], take: Take, count: int) -> None:
        self._make_writer = make_writer
        self._take = take
        self._jobs: queue.Queue[list[WriteJob] | None] = queue.Queue(maxsize=2 * count)
        self._done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._writers: list[AnyWriter] = []
        self._waiting: list[WriteJob] = []
        self._waiting_bytes = 0
        self._under_way = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"extract-{number}", daemon=True)
            for number in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for writer in list(self._writers):
            writer.stop()
        while True:  # no waiting job is begun any more
            try:
                self._jobs.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            slices.join(thread)

    @property
    def moved(self) -> int:
        """Bytes processed so far, including those of unfinished files."""
        return sum(writer.moved for writer in list(self._writers))

    def add(self, job: WriteJob) -> None:
        """Hand over one job. Raises any error of a writer."""
        self._waiting.append(job)
        self._waiting_bytes += job.size
        if len(self._waiting) >= _BATCH_FILES or self._waiting_bytes >= _BATCH_BYTES:
            self._send()

    def finish(self) -> None:
        """Wait until everything is done. Raises any error of a writer."""
        self._send()
        while self._under_way:
            try:
                self._took(self._done.get(timeout=_TICK))
            except queue.Empty:
                self._take([], [])

    def _send(self) -> None:
        if not self._waiting:
            return
        batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
        while True:
            try:
                self._jobs.put(batch, timeout=_TICK)
                break
            except queue.Full:
                self._take([], [])
                self._collect()  # also notices if no thread is left to take it
        self._under_way += 1
        self._collect()

    def _collect(self) -> None:
        while True:
            try:
                done = self._done.get_nowait()
            except queue.Empty:
                return
            self._took(done)

    def _took(self, done: _Done) -> None:
        if isinstance(done, BaseException):
            raise done
        self._under_way -= 1
        self._take(*done)

    def _work(self) -> None:
        try:
            with self._make_writer() as writer:
                self._writers.append(writer)
                while (batch := self._jobs.get()) is not None and not self._stop.is_set():
                    self._done.put((batch, writer.write_all(batch)))
        except Stopped:
            pass  # nobody waits for it
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self._done.put(error)
