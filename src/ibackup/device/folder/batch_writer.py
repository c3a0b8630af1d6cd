"""Takes batches of steps and has them done in order: by a thread, and once there are many small files, by a process.

The thread does the steps itself, or sends those for small files to the process. Then a second thread receives the
outcomes. Either way, one thread at a time accounts for what became of the files, in the order of the batches.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from ibackup.base import isolated, slices
from ibackup.base.confined import Confined, Parts
from ibackup.device.devicelink.receive_blocks import ReceiveBlock, ReceiveBlocks
from ibackup.device.folder.file_storing import FileStorer, Move, Outcome, Step
from ibackup.device.folder.storing_process import StoringProcess

MANY_FILES: Final = 2000
"""After so many small files, a process pays."""

SMALL: Final = 64 << 10
"""Bytes of a file. Larger ones are stored by the thread: hashing and writing them leaves the interpreter to others."""

BLOCKS: Final = 8
"""The number of receive buffers; one is being filled, the others are being written or waiting."""

_LOOK_S: Final = 0.001
_ENDING_S: Final = 10.0  # for a process to remove what it did not complete


class _Job(NamedTuple):
    """Steps, and the buffer with their bytes; whether the buffer may be used again afterwards."""

    steps: list[Step]
    block: ReceiveBlock
    full: bool


class _Sent(NamedTuple):
    """A job that is accounted for later: what became of the steps done here, and whether others were sent."""

    job: _Job
    outcomes: list[Outcome]
    sent: bool


class BatchWriter:
    """Has batches of steps done by another thread, or another process.

    Args:
        confined: the folder; used by the thread while batches are under way, free in between.
        account: called with the outcomes of a batch, by one other thread at a time.
        gives_up: whether nothing is to be stored any more; asked before each batch.
        keeps: descriptors that a process keeps open; without any, there is no process.

    Attributes:
        storer: does what is done in this process.
        crash: the first error of a thread; nothing is stored any more.
    """

    def __init__(
        self,
        confined: Confined,
        account: Callable[[list[Outcome]], None],
        gives_up: Callable[[], bool],
        keeps: Sequence[int],
    ) -> None:
        self.storer = FileStorer(confined)
        self.crash: BaseException | None = None
        self._confined = confined
        self._account = account
        self._gives_up = gives_up
        self._keeps = keeps
        self._blocks = ReceiveBlocks(BLOCKS)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._sent: queue.SimpleQueue[_Sent | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[ReceiveBlock | None] = queue.SimpleQueue()
        self._free: list[ReceiveBlock] = []
        self.handed_over = self.under_way = 0  # batches
        self._files = 0  # small ones, so far
        self._passed_on = self._ended = 0  # jobs, since there is a process
        self._in_process: set[Parts] = set()  # what it may still have to store
        self._began: Parts = ()  # the last file of which a part was stored here
        self._moved = False
        self._process: StoringProcess | None = None
        self._may_start = bool(keeps) and isolated.can_help() and self._blocks.fd >= 0
        self._starting: StoringProcess | None = None
        self._receiving: threading.Thread | None = None
        self._thread = threading.Thread(target=self._work, name="ibackup-writer")
        self._thread.start()

    # -- in the thread that hands over ----------------------------------------------------------------------

    def hand_over(self, steps: list[Step], block: ReceiveBlock, *, full: bool) -> None:
        """Have steps done. Until ``collect`` has counted them, nobody may change the buffer.

        Args:
            steps: what to do.
            block: the buffer that they speak of.
            full: it may be used again afterwards.
        """
        self.under_way += 1
        self.handed_over += 1
        self._jobs.put(_Job(steps, block, full))

    def free_block(self) -> ReceiveBlock | None:
        """A buffer that nobody uses; None if there is none now."""
        if self._free:
            return self._free.pop()
        return self._blocks.make()

    def wait(self, seconds: float) -> bool:
        """Wait for a batch to end; whether one has."""
        try:
            self._back(self._done.get(timeout=seconds))
        except queue.Empty:
            return False
        return True

    def collect(self) -> None:
        """Count the batches that have ended; raise any error of a thread."""
        while self._done.qsize():
            self._back(self._done.get())
        if self.crash is not None:
            raise self.crash

    def _back(self, block: ReceiveBlock | None) -> None:
        self.under_way -= 1
        if block is not None:
            self._free.append(block)

    def folders_moved(self) -> None:
        """Others have moved or removed folders; call this only while nothing is under way."""
        self._moved = True

    def rename(self, moves: list[Move]) -> Iterator[bool]:
        """Move files; call this only while nothing is under way, and take all that it says.

        Yields for each whether it was moved: then the caller accounts for it. The others are left to the caller, and
        without a process, all are.

        Raises:
            IbackupError: the process has died.
        """
        if self._process is None:
            return repeat(False, len(moves))
        return self._process.rename(moves, moved=self._take_moved())

    def _take_moved(self) -> bool:
        moved, self._moved = self._moved, False
        return moved

    def close(self) -> None:
        """Do what was handed over, drop incomplete files, end threads and process. Safe to call again."""
        self._jobs.put(None)
        slices.join(self._thread)
        if self._receiving is not None:
            slices.join(self._receiving)
        if self._process is not None:
            self._process.end(_ENDING_S)
        if self._starting is not None:
            self._starting.end()
        self.storer.close()
        while self._done.qsize():
            self._back(self._done.get())
        self._free.clear()
        self._blocks.close()

    # -- in the thread that does the steps or sends them ----------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            ended = _Sent(job, [], sent=False)
            try:
                ended = self._do(job)
            except BaseException as error:  # noqa: BLE001 - raised again by ``collect``
                self.crash = self.crash or error
            if self._receiving is None:
                self._finish(ended)
            else:
                self._passed_on += 1
                self._sent.put(ended)
            del job, ended
        if self._process is not None:
            self._process.send_no_more()
            self._sent.put(None)

    def _do(self, job: _Job) -> _Sent:
        if self.crash is not None or self._gives_up():
            self.storer.broken = True  # drops what it is given
            return _Sent(job, self.storer.apply(job.block.view, job.steps), sent=False)
        process = self._process or self._try_process(job)
        if process is None:
            return _Sent(job, self.storer.apply(job.block.view, job.steps), sent=False)
        there = [step for step in job.steps if _is_small(step)]
        here = [step for step in job.steps if not _is_small(step)] if len(there) < len(job.steps) else []
        if self._ended == self._passed_on:
            self._in_process.clear()
        self._in_process.update(place[0] for _, place, _, _ in there if place is not None)
        if here and self._may_be_sent(here):
            # A phone that sends a file twice means the later one, so these cannot be divided.
            while self._ended < self._passed_on:
                time.sleep(_LOOK_S)
            here, there = job.steps, []
        outcomes = self.storer.apply(job.block.view, here) if here else []
        if there:
            process.send(there, job.block.number, moved=self._take_moved())
        return _Sent(job, outcomes, sent=bool(there))

    def _may_be_sent(self, here: list[Step]) -> bool:
        """Whether one of these files is among those that the process may still have to store."""
        places = [self._began, *(place[0] for _, place, _, _ in here if place is not None)]
        self._began = places[-1]
        return not self._in_process.isdisjoint(places)

    def _try_process(self, job: _Job) -> StoringProcess | None:
        """The process, once it pays and is ready."""
        if self._starting is None:
            if not self._may_start:
                return None
            self._files += sum(map(_is_small, job.steps))
            if self._files < MANY_FILES:
                return None
            self._may_start = False
            try:
                self._starting = StoringProcess(self._confined, (self._blocks.fd, BLOCKS), self._keeps)
            except OSError:
                return None
        try:
            if not self._starting.is_ready():
                return None
        except EOFError:  # it could not even load: go on without it
            self._starting.end()
            self._starting = None
            return None
        self._process, self._starting = self._starting, None
        self._receiving = threading.Thread(target=self._receive, name="ibackup-outcomes")
        self._receiving.start()
        return self._process

    # -- in the thread that accounts ------------------------------------------------------------------------

    def _receive(self) -> None:
        while (ended := self._sent.get()) is not None:
            self._finish(ended)
            self._ended += 1

    def _finish(self, ended: _Sent) -> None:
        try:
            outcomes = ended.outcomes
            if ended.sent and self._process is not None and self.crash is None:
                outcomes = [*outcomes, *self._process.receive()]
            self._account(outcomes)
        except BaseException as error:  # noqa: BLE001 - raised again by ``collect``
            self.crash = self.crash or error
        self._done.put(ended.job.block if ended.job.full else None)


def _is_small(step: Step) -> bool:
    """Whether this is all of a small file, which is not held back."""
    _, place, ranges, ended = step
    return (
        bool(ended) and place is not None and not place[2] and sum(ranges[1::2]) - sum(ranges[::2]) <= SMALL
    )
