"""The fast receive path: files are hashed and written by others while the next ones arrive in this thread.

The thread that reads the phone (the caller's) hands over batches: receive buffers, and what to do with their bytes.
The ``BatchWriter`` has the least done that the promises allow for each file: create it in staging, write, close, rename
into place. Then its thread tells the ledger. A buffer is used again when its batch is through; there are few, so that
a slow disk slows the phone down instead of filling the memory. Batches are worked on in order.

A list counts as received before its last files are in place: the phone goes on while they are written. Everybody
else waits for them (``drain``): requests that are no list of files, and a list that has a file that is held back.

A disk that fails must neither stop the phone in the middle of a frame nor lock the threads: the first failure is
kept, what follows is read and dropped, and the phone is told at the end of that list or of the next.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ibackup.apple import digests
from ibackup.base.confined import Confined, Parts
from ibackup.device.devicelink.frames_and_chunks import broken, status_of
from ibackup.device.devicelink.receive_blocks import ReceiveBlock
from ibackup.device.folder.arrivals import Arrival, FileNotRead
from ibackup.device.folder.batch_writer import BatchWriter
from ibackup.device.folder.checkpoints import Checkpoints
from ibackup.device.folder.file_storing import LOCAL, Move, Outcome, Step
from ibackup.device.folder.ledger_protocol import LedgerProtocol

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


class Receiver:
    """Stores the files of UploadFiles messages; a BlockSink for DeviceLink.receive_files.

    Args:
        confined: the working copy; used by the writing thread while a list is received, free in between.
        ledger: is told of each stored file.
        admit: checks a path from the phone and takes it apart, or raises.
        holds: whether a file is held back until all others of its list are in place.
        settle: called for each file held back, in the thread that receives; publishes it.
        checkpoints: told of each file; while a list is received, made by the thread that tells the ledger.
        free_space: bytes free; asked by that thread.
        give_up: called in the thread that receives when a phone does not stop sending to a disk that failed; raises.
        keeps: see ``BatchWriter``.

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
        keeps: Sequence[int] = (),
    ) -> None:
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
        # Filled by the receiving thread.
        self._numbers = 0
        self._file: Arrival | None = None
        self._block: ReceiveBlock | None = None
        self._ranges: list[int] = []
        self._steps: list[Step] = []
        self._held: list[Arrival] = []
        self._under_way: dict[int, Arrival] = {}  # the files that the writer has not accounted for
        self._earlier = 0  # batches of earlier lists
        self._known_folders: set[Parts] = set()  # to the ledger
        self._writer = BatchWriter(confined, self._account, self._is_over, keeps)

    def close(self) -> None:
        """Store complete files, drop incomplete ones, end the writer. Safe to call again."""
        self._submit()
        self._writer.close()
        self._held.clear()
        self._file = self._block = None

    # -- the receiving thread -------------------------------------------------------------------------------

    def begin(self, device_path: str, path: str) -> None:
        """A file begins."""
        parts = self._admit(path)
        self.last_file = device_path
        held = self._holds(parts)
        if held and len(self._held) >= MOST_HELD:
            raise broken(f"The phone sent its {parts[-1]} more than {MOST_HELD} times in one list.")
        self._numbers += 1
        file = self._file = Arrival(self._numbers, path, parts, held=held)
        if self.disk_error is None:
            self._under_way[file.number] = file

    def data(self, _buffer: memoryview, start: int, stop: int) -> None:
        """More bytes of the file, in the buffer that the last ``swap`` returned."""
        self.bytes += stop - start
        self._ranges += (start, stop)

    def end(self, code: int, text: str) -> None:
        """The file is over."""
        file = self._file
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
        if not keep:
            self._under_way.pop(file.number, None)
        elif file.held:
            self._held.append(file)
        self._step(file, ended=keep)
        self._file = None

    def _step(self, file: Arrival, *, ended: bool | None) -> None:
        place = None
        if not file.begun:
            file.begun = True
            name = file.parts[-1]
            digested = len(name) == _ID_DIGITS and digests.may_have_one(self.last_file)
            place = (file.parts, digested, file.held)
        if file.held and self._block is not None:
            for at in range(0, len(self._ranges), 2):
                view = self._block.view[self._ranges[at] : self._ranges[at + 1]]
                file.body += view[: HELD_BODY - len(file.body)]
        self._steps.append((file.number, place, self._ranges, ended))
        self._ranges = []

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
        """Hand over what is there if the writer has nothing to do."""
        self._writer.collect()
        if not self._writer.under_way:
            self._submit()

    def swap(self, _full: ReceiveBlock) -> ReceiveBlock:
        """Hand over everything; return a buffer for what comes next."""
        if self.disk_error is not None:
            self._failed_at = self._failed_at or self.bytes
            if self.bytes - self._failed_at > DRAINED:
                self._give_up()
        self._submit(full=True)  # the link's first buffer is its own: no step speaks of it
        writer = self._writer
        writer.collect()
        while (block := writer.free_block()) is None:
            self._wait()
        self._block = block
        return block

    def finish(self) -> None:
        """Return when the files of earlier lists are in place; of this one, too, if any is held back: these come last.

        Raises:
            PathRefused: a link is where a folder should be.
            IbackupError: the ledger cannot be written.
        """
        writer = self._writer
        self._submit()
        while writer.handed_over - writer.under_way < self._earlier:
            self._wait()
        writer.collect()
        self._earlier = writer.handed_over
        if self._held:
            self.drain()
        while self._held:
            file = self._held[0]
            if file.number in writer.storer.coming:  # otherwise it could not be stored
                try:
                    self._settle(file)
                except OSError as error:
                    self._fail(file, error)
            del self._held[0]

    def drain(self) -> None:
        """Return when every complete file is in place; raises the same errors as ``finish``."""
        self._submit()
        while self._writer.under_way:
            self._wait()
        self._writer.collect()

    @property
    def is_idle(self) -> bool:
        """Whether the writer has nothing to do; raises the same errors as ``finish``."""
        self._writer.collect()
        return not self._writer.under_way

    def folders_moved(self) -> None:
        """Something was moved or removed here, perhaps a folder."""
        self._known_folders.clear()
        self._writer.folders_moved()

    def rename(self, moves: list[Move]) -> Iterator[bool]:
        """See ``BatchWriter``; everything must be in place."""
        self._known_folders.clear()
        return self._writer.rename(moves)

    def failures(self) -> dict[str, tuple[int, str]]:
        """The files that could not be stored since this was last asked, by the path as it was asked for."""
        failed = {}
        while self._failures:  # the other thread may add some
            path, said = self._failures.popitem()
            failed[path] = said
        return failed

    def publish(self, file: Arrival) -> None:
        """Put a file in place that was held back. Raises OSError."""
        self._account([self._writer.storer.publish(file.number)])

    def _submit(self, *, full: bool = False) -> None:
        if self._ranges and self._file is not None:
            self._step(self._file, ended=None)
        if self._block is not None and (self._steps or full):
            self._writer.hand_over(self._steps, self._block, full=full)
            self._steps = []

    def _wait(self) -> None:
        """Wait a moment for a batch to end."""
        if not self._writer.wait(_ANSWER_S):
            self.pulse()

    # -- the thread that accounts for a batch ---------------------------------------------------------------

    def _account(self, outcomes: list[Outcome]) -> None:
        """Tell the ledger what became of the files of a batch."""
        stored, under_way = self._ledger.stored, self._under_way
        for number, size, mtime, sha256, sha1, code, text in outcomes:
            file = under_way.pop(number, None)
            if file is None:
                continue
            if not sha256:
                if self.disk_error is None:
                    self._fail(file, OSError(code, text))
                continue
            if file.parts[:-1] not in self._known_folders:  # perhaps one that the phone did not request
                self._known_folders.add(file.parts[:-1])
                for depth in range(1, len(file.parts)):
                    self._ledger.made_dir("/".join(file.parts[:depth]))
            if self.lost:
                self.lost.pop(file.path, None)
            stored(file.path, size, sha256, mtime, sha1)
            if file.unread is not None:
                self._ledger.could_not_read(file.path, file.unread.device_path, file.unread.text, size)
            self._checkpoints.stored(size)
        self._look_for_room()
        self._checkpoints.make_if_due()

    def _is_over(self) -> bool:
        return self.disk_error is not None

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

    def _fail(self, file: Arrival, error: OSError) -> None:
        # Its traceback would keep the frames, and with them the bytes of every file that failed.
        self.lost[file.path] = error.with_traceback(None)
        self._failures[file.asked] = (status_of(error), error.strerror or type(error).__name__)
        many = max(len(self.lost), len(self._failures)) >= MOST_LOST
        if (many or error.errno not in LOCAL) and self.disk_error is None:
            self.disk_error = error


def _nothing() -> None:
    """The default pulse, which does nothing."""
