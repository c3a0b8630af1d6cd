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
from collections.abc import Callable
from typing import Final

from ibackup.apple import digests
from ibackup.base import slices
from ibackup.base.confined import Confined, Parts, Staged
from ibackup.device.devicelink.frames_and_chunks import broken, status_of
from ibackup.device.devicelink.link import BLOCK
from ibackup.device.folder.arrivals import Arrival, FileNotRead
from ibackup.device.folder.checkpoints import Checkpoints
from ibackup.device.folder.ledger_protocol import LedgerProtocol
from ibackup.device.folder.plain_writes import write_all, write_one

BLOCKS: Final = 6
"""The number of receive buffers; one is being filled, the others are being written or waiting."""

HELD_BODY: Final = 1 << 20
"""The most bytes kept in memory for a file that is held back."""

MOST_UNREADABLE: Final = 100_000
MOST_UNREADABLE_TEXT: Final = 64 << 20
"""Characters of their paths and reasons; a phone's are a few hundred for each."""

MOST_LOST: Final = 1000
"""The most files that this computer could not store; with more, the disk counts as not writable."""

MOST_HELD: Final = 16
"""Files of one list that are held back; a phone sends one, its Status.plist."""

_ID_DIGITS: Final = 40  # of a fileID, which names every file of the phone
_ANSWER_S: Final = 0.25
LOOK_EVERY: Final = 32 << 20
"""Bytes received between two checks of the free space."""

SPARED: Final = 64 << 20
"""Bytes left free for everybody else, and for ending in order. No phone comes near: each wants 128 MiB more than it
sends before it begins."""

DRAINED: Final = 1 << 30
"""So many bytes are taken and dropped after the disk failed, so that the phone hears why; then the line is cut."""

# Errors that concern only one file; any other error means that the disk is no longer writable.
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
        unreadable: what the phone could not read, by path; a file that came whole after all is not among them.
        lost: what the file system said of the files that could not be stored, by path; one that was stored after
            all is not among them. At most ``MOST_LOST``.
        disk_error: the first error that means that nothing can be stored any more, or one too many of the others.
        pulse: called a few times a second while the disk is waited for; may raise.
    """

    def __init__(
        self,
        confined: Confined,
        ledger: LedgerProtocol,
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
        self.unreadable: dict[str, FileNotRead] = {}
        self._unreadable_text = 0
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
        """Store complete files, drop incomplete ones, end the writing thread. Safe to call again."""
        self._submit(None)
        self._jobs.put(None)
        slices.join(self._thread)
        for file in [*self._held, *([self._file] if self._file else [])]:
            self._drop(file)
        self._held.clear()
        self._file = None

    # -- the receiving thread -------------------------------------------------------------------------------

    def begin(self, device_path: str, path: str) -> None:
        """A file begins."""
        parts = self._admit(path)
        self.last_file = device_path
        held = self._holds(parts)
        if held and len(self._held) >= MOST_HELD:
            raise broken(f"The phone sent its {parts[-1]} more than {MOST_HELD} times in one list.")
        digested = len(parts[-1]) == _ID_DIGITS and digests.may_have_one(device_path)
        self._file = Arrival(path, parts, held=held, digested=digested)

    def data(self, view: memoryview) -> None:
        """More bytes of the file."""
        self.bytes += len(view)
        self._views.append(view)

    def end(self, code: int, text: str) -> None:
        """The file is over."""
        file, self._file = self._file, None
        if file is None:
            return
        if code:
            file.unread = FileNotRead(file.path, self.last_file, text)
            self._note_unreadable(file.unread)
        else:
            self.files += 1
            self._forget_unreadable(file.path)
        # What came of a file is stored, even nothing: the phone keeps it in its list, and will want to move it. A torn
        # Status.plist is not, since that would only hide how far the phone is.
        keep = not code or not file.held
        if keep and file.held:
            self._held.append(file)
        self._batch.append((file, self._views, keep))
        self._views = []

    def _note_unreadable(self, file: FileNotRead) -> None:
        self._forget_unreadable(file.path)
        self._unreadable_text += file.length
        if len(self.unreadable) >= MOST_UNREADABLE or self._unreadable_text > MOST_UNREADABLE_TEXT:
            raise broken(f"The phone could not read more than {len(self.unreadable):,} files.")
        self.unreadable[file.path] = file

    def _forget_unreadable(self, path: str) -> None:
        if self.unreadable and (known := self.unreadable.pop(path, None)) is not None:
            self._unreadable_text -= known.length

    def offer(self) -> None:
        """Hand over what is there if the writing thread has nothing to do."""
        self._collect()
        if not self._under_way:
            self._submit(None)

    def swap(self, full: bytearray) -> bytearray:
        """Hand over everything; return a buffer for what comes next."""
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
        """Return when every complete file is in place; raises the same errors as ``finish``."""
        self._submit(None)
        while self._under_way:
            self._wait()
        self._collect()

    @property
    def is_idle(self) -> bool:
        """Whether the writing thread has nothing to do; raises the same errors as ``finish``."""
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
        """Wait a moment for a batch to finish."""
        try:
            self._back(self._done.get(timeout=_ANSWER_S))
        except queue.Empty:
            self.pulse()

    def _collect(self) -> None:
        """Count the finished batches; raise any error of the writing thread."""
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
        """Do everything for a file that came in one piece, as nearly all do."""
        staged = file.staged = self._confined.create()
        fd = staged.fd
        file.hasher = hashlib.sha256(view)
        if file.digested:
            file.sha1 = hashlib.sha1(view, usedforsecurity=False)
        file.size = len(view)
        if os.write(fd, view) < file.size:  # the disk is filling up
            os.lseek(fd, 0, os.SEEK_SET)
            write_one(fd, view)
        file.mtime = os.fstat(fd).st_mtime
        file.staged = Staged(-1, staged.name)
        os.close(fd)
        self.publish(file)

    def _store(self, file: Arrival, views: list[memoryview]) -> None:
        """Hash and write what has arrived."""
        staged = file.staged
        if staged is None:
            staged = file.staged = self._confined.create()
            # The digest is a checksum of stored data; where the computer forbids others, this one is allowed.
            file.hasher = hashlib.sha256()
            file.sha1 = hashlib.sha1(usedforsecurity=False) if file.digested else None
        for hasher in (file.hasher, file.sha1):
            if hasher is not None:
                for view in views:
                    hasher.update(view)
        if file.held:
            for view in views:
                file.body += view[: HELD_BODY - len(file.body)]
        if views:
            file.size += write_all(staged.fd, views)

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
        """Put a complete file in place; called from outside for files held back. Raises OSError."""
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
        sha1 = file.sha1.digest() if file.sha1 is not None else None
        self._ledger.stored(file.path, file.size, hasher.digest(), file.mtime, sha1)
        if file.unread is not None:
            self._ledger.could_not_read(file.path, file.unread.device_path, file.unread.text, file.size)
        self._checkpoints.stored(file.size)

    def _make_folders(self, parts: Parts) -> None:
        """Make the folders of a file, which the phone did not request."""
        for depth in range(1, len(parts)):
            self._confined.make_dir(parts[:depth])
            self._ledger.made_dir("/".join(parts[:depth]))

    def _fail(self, file: Arrival, error: OSError) -> None:
        self._drop(file)
        # Its traceback would keep the frames, and with them the bytes of every file that failed.
        self.lost[file.path] = error.with_traceback(None)
        self._failures[file.asked] = (status_of(error), error.strerror or type(error).__name__)
        many = max(len(self.lost), len(self._failures)) >= MOST_LOST
        if (many or error.errno not in _LOCAL) and self.disk_error is None:
            self.disk_error = error

    def _drop(self, file: Arrival) -> None:
        """Leave nothing of a file."""
        file.failed = True
        staged, file.staged = file.staged, None
        if staged is not None:
            with contextlib.suppress(OSError):  # a full disk may say so again at the close
                if staged.fd >= 0:
                    os.close(staged.fd)
            with contextlib.suppress(OSError):  # staging is emptied with the working copy
                self._confined.discard(staged)


def _nothing() -> None:
    """The default pulse, which does nothing."""
