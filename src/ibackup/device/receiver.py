"""The fast receive path: files are hashed and written in one thread while the next ones arrive in another.

The thread that reads the phone (the caller's) hands over batches: views into receive buffers, and what to do with
them. The writing thread does the least the promises allow for each file: create it in staging, write, close,
rename into place, tell the ledger. A buffer is used again when its batch is through; there are few, so that a slow
disk slows the phone down instead of filling the memory. Batches are worked on in order.

A list counts as received before its last files are in place: the phone goes on while they are written. Everybody
else waits for them (``drain``): requests that are no list of files, and a list that has a file that is held back.

A disk that fails must neither stop the phone in the middle of a frame nor lock the threads: the first failure is
kept, what follows is read and dropped, and the phone is told at the end of that list or of the next.
"""

import contextlib
import errno
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ibackup.confined import Confined, Parts, Staged
from ibackup.device.checkpoints import Checkpoints
from ibackup.device.frames import broken, status_of
from ibackup.device.ledger import Ledger
from ibackup.device.link import BLOCK

BLOCKS: Final = 6
"""Receive buffers in all; one is being filled, the others are being written or wait for it."""

HELD_BODY: Final = 1 << 20
"""Of a file that is held back so many bytes are kept in memory."""

MOST_UNREADABLE: Final = 100_000
_EXPECTED: Final = "backup_manifest.db"
_MOST_VIEWS: Final = 512  # of one write; Linux takes up to 1024
_ANSWER_S: Final = 0.25
LOOK_EVERY: Final = 32 << 20
"""Bytes received between two looks at the free space."""

SPARED: Final = 64 << 20
"""Bytes left free for everybody else, and for ending in order. No phone comes near: each wants 128 MiB more than it
sends before it begins."""

DRAINED: Final = 1 << 30
"""So many bytes are taken and dropped after the disk failed, so that the phone hears why; then the line is cut."""

_HAS_WRITEV: Final = hasattr(os, "writev")

# What concerns one file only; any other error says that the disk cannot be written any more.
_LOCAL: Final = frozenset(
    [
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.ENAMETOOLONG,
        errno.EACCES,
        errno.EPERM,
    ]
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that the phone could not read.

    Attributes:
        path: where it would have been stored, relative to the ``<UDID>`` folder.
        device_path: where it is on the phone.
        code: the negated DeviceLink status, 11 for an input/output error.
        text: what the phone said.
        expected: no phone can read this one, and no backup misses it.
    """

    path: str
    device_path: str
    code: int
    text: str

    @property
    def expected(self) -> bool:  # noqa: D102 - see the class
        return self.device_path.endswith(_EXPECTED)


class _Hasher(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class Arrival:
    """A file on its way in. The writing thread owns it until the list is over."""

    __slots__ = ("asked", "body", "failed", "hasher", "held", "mtime", "parts", "path", "size", "staged")

    def __init__(self, asked: str, parts: Parts, *, held: bool) -> None:
        self.asked = asked  # the path as the phone wrote it
        self.parts = parts
        self.path = "/".join(parts)
        self.held = held
        self.staged: Staged | None = None
        self.hasher: _Hasher | None = None
        self.size = 0
        self.mtime = 0.0
        self.failed = False
        self.body = bytearray()


_Step = tuple[
    Arrival, list[memoryview], bool | None
]  # more of a file; then True: complete, False: to be dropped
_Batch = list[_Step]


class Receiver:
    """Stores the files of UploadFiles messages; a BlockSink for DeviceLink.receive_files.

    Args:
        confined: the working copy; used by the writing thread while a list is received, free in between.
        ledger: is told of each stored file.
        admit: checks a path from the phone and takes it apart, or raises.
        holds: whether a file is held back until all others of its list are in place.
        settle: called for each file held back, in the thread that receives; publishes it.
        checkpoints: told of each file; while a list is received, made by the writing thread.
        free_space: bytes free; asked by the writing thread.
        give_up: called in the thread that receives when a phone does not stop sending to a disk that failed; raises.

    Attributes:
        last_file: where the last file that began came from on the phone.
        files: files that have come whole so far.
        bytes: bytes of files that have come so far.
        unreadable: what the phone could not read, by path; a file that came after all is not among them.
        lost: what the file system said of the files that could not be stored, by path; one that was stored after
            all is not among them.
        disk_error: the first error that means that nothing can be stored any more.
        pulse: called a few times a second while the disk is waited for; may raise.
    """

    def __init__(
        self,
        confined: Confined,
        ledger: Ledger,
        *,
        admit: Callable[[str], Parts],
        holds: Callable[[Parts], bool],
        settle: Callable[[Arrival], None],
        checkpoints: Checkpoints,
        free_space: Callable[[], int],
        give_up: Callable[[], None],
    ) -> None:
        self._confined = confined
        self._ledger = ledger
        self._admit = admit
        self._holds = holds
        self._settle = settle
        self._checkpoints = checkpoints
        self._free_space = free_space
        self._give_up = give_up
        self._looked_at = 0
        self._failed_at = 0
        self.last_file = ""
        self.files = self.bytes = 0
        self.unreadable: dict[str, Unreadable] = {}
        self._failures: dict[str, tuple[int, str]] = {}
        self.lost: dict[str, OSError] = {}
        self.disk_error: OSError | None = None
        self.pulse: Callable[[], None] = _nothing
        self._crash: BaseException | None = None
        # Filled by the receiving thread.
        self._file: Arrival | None = None
        self._views: list[memoryview] = []
        self._batch: _Batch = []
        self._held: list[Arrival] = []
        # Between the threads.
        self._jobs: queue.SimpleQueue[tuple[_Batch, bytearray | None] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[bytearray | None] = queue.SimpleQueue()
        self._handed_over = self._under_way = 0  # batches
        self._earlier = 0  # batches of earlier lists
        self._free: list[bytearray] = []
        self._made = 1  # the link has one already
        self._thread = threading.Thread(target=self._work, name="ibackup-writer")
        self._thread.start()

    def close(self) -> None:
        """Store what has come whole, drop what has not, end the writing thread. Safe to call again."""
        self._submit(None)
        self._jobs.put(None)
        self._thread.join()
        for file in [*self._held, *([self._file] if self._file else [])]:
            self._drop(file)
        self._held.clear()
        self._file = None

    # -- the receiving thread -------------------------------------------------------------------------------

    def begin(self, device_path: str, path: str) -> None:
        """A file starts."""
        parts = self._admit(path)
        self.last_file = device_path
        self._file = Arrival(path, parts, held=self._holds(parts))

    def data(self, view: memoryview) -> None:
        """More of it."""
        self.bytes += len(view)
        self._views.append(view)

    def end(self, code: int, text: str) -> None:
        """It is over."""
        file, self._file = self._file, None
        if file is None:
            return
        if code:
            if len(self.unreadable) >= MOST_UNREADABLE:
                raise broken(f"The phone could not read more than {MOST_UNREADABLE:,} files.")
            self.unreadable[file.path] = Unreadable(file.path, self.last_file, code, text)
        else:
            self.files += 1
            if self.unreadable:
                self.unreadable.pop(file.path, None)
            if file.held:
                self._held.append(file)
        self._batch.append((file, self._views, not code))
        self._views = []

    def offer(self) -> None:
        """Hand over what there is when the writing thread has nothing to do."""
        self._collect()
        if not self._under_way:
            self._submit(None)

    def swap(self, full: bytearray) -> bytearray:
        """Hand over everything; a buffer for what comes next."""
        if self.disk_error is not None:
            self._failed_at = self._failed_at or self.bytes
            if self.bytes - self._failed_at > DRAINED:
                self._give_up()
        self._submit(full)
        self._collect()
        while not self._free:
            if self._made < BLOCKS:
                self._made += 1
                return bytearray(BLOCK)
            self._wait()
        return self._free.pop()

    def finish(self) -> None:
        """Return when the files of earlier lists are in place; of this one, too, if any is held back: these come last.

        Raises:
            PathRefused: a link is where a folder should be.
            IbackupError: the ledger cannot be written.
        """
        self._submit(None)
        while self._handed_over - self._under_way < self._earlier:
            self._wait()
        self._collect()
        self._earlier = self._handed_over
        if self._held:
            self.drain()
        while self._held:
            file = self._held[0]
            if not file.failed:
                try:
                    self._settle(file)
                except OSError as error:
                    self._fail(file, error)
            del self._held[0]

    def drain(self) -> None:
        """Return when every file that has come whole is in place; raises as ``finish``."""
        self._submit(None)
        while self._under_way:
            self._wait()
        self._collect()

    @property
    def is_idle(self) -> bool:
        """Whether the writing thread has nothing to do; raises as ``finish``."""
        self._collect()
        return not self._under_way

    def failures(self) -> dict[str, tuple[int, str]]:
        """The files that could not be stored since this was last asked, by the path as it was asked for."""
        failed = {}
        while self._failures:  # the other thread may add some
            path, said = self._failures.popitem()
            failed[path] = said
        return failed

    def _submit(self, block: bytearray | None) -> None:
        if self._views and self._file is not None:
            self._batch.append((self._file, self._views, None))
            self._views = []
        if self._batch or block is not None:
            self._jobs.put((self._batch, block))
            self._under_way += 1
            self._handed_over += 1
            self._batch = []

    def _wait(self) -> None:
        """Wait a moment for a batch to be through."""
        try:
            self._back(self._done.get(timeout=_ANSWER_S))
        except queue.Empty:
            self.pulse()

    def _collect(self) -> None:
        """Take note of the batches that are through; raise what the writing thread met."""
        while self._done.qsize():
            self._back(self._done.get())
        if self._crash is not None:
            raise self._crash

    def _back(self, block: bytearray | None) -> None:
        self._under_way -= 1
        if block is not None:
            self._free.append(block)

    # -- the writing thread ---------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch, block = job
            try:
                self._apply(batch)
                self._look_for_room()
                self._checkpoints.make_if_due()
            except BaseException as error:  # noqa: BLE001 - raised again in the receiving thread, see _collect
                self._crash = self._crash or error
            batch.clear()
            self._done.put(block)
            del batch, block, job

    def _look_for_room(self) -> None:
        """Stop in time, whatever the phone had said would come."""
        if self.bytes - self._looked_at < LOOK_EVERY or self.disk_error is not None:
            return
        self._looked_at = self.bytes
        try:
            if self._free_space() >= SPARED:
                return
        except OSError as error:
            self.disk_error = error
        else:
            self.disk_error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _apply(self, batch: _Batch) -> None:
        for file, views, ended in batch:
            if file.failed:
                continue
            if self.disk_error is not None or self._crash is not None or ended is False:
                self._drop(file)
                continue
            try:
                if ended and len(views) == 1 and file.staged is None and not file.held:
                    self._store_whole(file, views[0])
                    continue
                self._store(file, views)
                if ended:
                    self._complete(file)
            except OSError as error:
                self._fail(file, error)
            except BaseException:
                self._drop(file)
                raise

    def _store_whole(self, file: Arrival, view: memoryview) -> None:
        """Do all that there is to do for a file that came in one piece, as nearly all do."""
        staged = file.staged = self._confined.create()
        fd = staged.fd
        file.hasher = hashlib.sha256(view)
        file.size = len(view)
        if os.write(fd, view) < file.size:  # the disk is filling up
            os.lseek(fd, 0, os.SEEK_SET)
            _write_one(fd, view)
        file.mtime = os.fstat(fd).st_mtime
        file.staged = Staged(-1, staged.name)
        os.close(fd)
        self.publish(file)

    def _store(self, file: Arrival, views: list[memoryview]) -> None:
        """Hash and write what has come."""
        staged = file.staged
        if staged is None:
            staged = file.staged = self._confined.create()
            # The digest is a checksum of stored data; where the computer forbids others, this one is allowed.
            file.hasher = hashlib.sha256()
        hasher = file.hasher
        if hasher is not None:
            for view in views:
                hasher.update(view)
        if file.held:
            for view in views:
                file.body += view[: HELD_BODY - len(file.body)]
        if views:
            file.size += _write(staged.fd, views)

    def _complete(self, file: Arrival) -> None:
        """Close the file and, unless it is held back, put it in place."""
        staged = file.staged
        if staged is None:
            return
        file.mtime = os.fstat(staged.fd).st_mtime
        if file.held:
            os.fsync(staged.fd)  # a torn one must not take the place of one that is whole
        file.staged = Staged(-1, staged.name)
        os.close(staged.fd)
        if not file.held:
            self.publish(file)

    def publish(self, file: Arrival) -> None:
        """Put a complete file in place; called from outside for those held back. Raises OSError."""
        staged, hasher = file.staged, file.hasher
        if staged is None or hasher is None:
            return
        try:
            self._confined.publish(staged, file.parts)
        except FileNotFoundError:
            self._make_folders(file.parts)
            self._confined.publish(staged, file.parts)
        file.staged = None
        if self.lost:
            self.lost.pop(file.path, None)
        self._ledger.stored(file.path, file.size, hasher.digest(), file.mtime)
        self._checkpoints.stored(file.size)

    def _make_folders(self, parts: Parts) -> None:
        """The folders of a file, which the phone did not ask for."""
        for depth in range(1, len(parts)):
            self._confined.make_dir(parts[:depth])
            self._ledger.made_dir("/".join(parts[:depth]))

    def _fail(self, file: Arrival, error: OSError) -> None:
        self._drop(file)
        self._blame(file, error)
        if error.errno not in _LOCAL and self.disk_error is None:
            self.disk_error = error

    def _blame(self, file: Arrival, error: OSError) -> None:
        self.lost[file.path] = error
        self._failures[file.asked] = (status_of(error), error.strerror or type(error).__name__)

    def _drop(self, file: Arrival) -> None:
        """Leave nothing of a file behind."""
        file.failed = True
        staged, file.staged = file.staged, None
        if staged is not None:
            with contextlib.suppress(OSError):  # a full disk may say so again at the close
                if staged.fd >= 0:
                    os.close(staged.fd)
            with contextlib.suppress(OSError):  # staging is emptied with the working copy
                self._confined.discard(staged)


def _nothing() -> None:
    """The pulse of those who do not care."""


def _write(fd: int, views: Sequence[memoryview]) -> int:
    """Write all of it in as few calls as possible; how many bytes that were."""
    total = 0
    if len(views) > 1 and _HAS_WRITEV:
        for first in range(0, len(views), _MOST_VIEWS):
            group = views[first : first + _MOST_VIEWS]
            wanted = sum(map(len, group))
            done = os.writev(fd, group)
            if done < wanted:  # the disk is filling up, or the group exceeds what one call may write
                for view in group:
                    if done < len(view):
                        _write_one(fd, view[done:])
                    done = max(0, done - len(view))
            total += wanted
    else:
        for view in views:
            total += len(view)
            done = os.write(fd, view)
            if done < len(view):
                _write_one(fd, view[done:])
    return total


def _write_one(fd: int, view: memoryview) -> None:
    while len(view):
        view = view[os.write(fd, view) :]
