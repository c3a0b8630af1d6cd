"""The working copy as the phone sees it: answers every DeviceLink request of a backup.

Order is what counts here: the phone's own order of operations is its transaction log. Whatever a request asked for
is done before the next one is begun, and when its answer goes out; only the last files of a list may be written
while the phone sends its next list, which is answered after that. Status.plist, which says how far the phone is,
comes last of its list, after a barrier that makes everything before it durable.
"""

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, Self

from ibackup.confined import Confined, Item, Parts, PathRefused, Staged, shown
from ibackup.device import requests
from ibackup.device.checkpoints import Checkpoints
from ibackup.device.frames import NO_ROOM_ERRNOS, Status, status_of
from ibackup.device.ledger import Ledger
from ibackup.device.link import DeviceLink
from ibackup.device.receiver import Arrival, Receiver, Unreadable
from ibackup.device.serving import Failures, ServedFiles, answer
from ibackup.errors import IbackupError, NoRoom
from ibackup.events import Caution, Observer, ignore
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.plists import StatusPlist

_log = logging.getLogger(__name__)

STATUS_PLIST: Final = ("Status.plist",)
SNAPSHOT: Final = ("Snapshot",)

_CHANGES: Final = (requests.MoveItems, requests.RemoveItems, requests.CreateDirectory, requests.CopyItem)
_MOST_UNKNOWN: Final = 10_000
_CAUTIONED_UNKNOWN: Final = 5
_COPY_BYTES: Final = 1 << 20
# A phone announces what files had when it looked; encryption and a file that grows add a little.
_SLACK_BYTES: Final = 1 << 20
_SLACK_BYTES_PER_FILE: Final = 64


def _nothing() -> None:
    """The checkpoint of those who do not care."""


def _nothing_more(_state: str) -> None:
    """The same, after a Status.plist."""


class WorkingFiles(ServedFiles):
    """Answers every request of a backup; a context manager that ends its thread and closes its descriptors.

    Args:
        root: the ``<UDID>`` folder of the working copy.
        staging: where files are made before they are renamed into place; on the same file system.
        udid: as the phone spells it.
        ledger: is told of everything that is stored, moved and removed; answers the listings.
        free_space: bytes free.
        barrier: called with the SnapshotState before a Status.plist is put in place that says "moving", "removing"
            or "finished" ("unknown" when it cannot be read); returns when everything before it is durable.
        observer: is told what is odd.
        settled: called with the SnapshotState after such a Status.plist was put in place; returns when it is durable.
        checkpoint: called now and then, from either thread but never while the other uses the ledger; makes durable
            what has come so far.

    Attributes:
        state: the SnapshotState that the phone stored last, empty before.
        is_full: whether the phone called this a full backup, None before it did.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        staging: str | os.PathLike[str],
        udid: str,
        ledger: Ledger,
        *,
        free_space: Callable[[], int],
        barrier: Callable[[str], None],
        observer: Observer = ignore,
        settled: Callable[[str], None] = _nothing_more,
        checkpoint: Callable[[], None] = _nothing,
    ) -> None:
        confined = Confined(root, staging, max_open=_open_folders())
        super().__init__(confined, udid, free_space=free_space)
        self._ledger = ledger
        self._barrier = barrier
        self._observer = observer
        self._settled = settled
        self._checkpoints = Checkpoints(checkpoint)
        self._receiving = False
        self.state = ""
        self.is_full: bool | None = None
        self._unknown: dict[str, None] = {}
        self._disk_error: OSError | None = None
        self._forbidden: OSError | None = None
        self._not_read: tuple[str, OSError] | None = None
        self._announced = 0
        self._said_more = False
        try:
            self._receiver = Receiver(
                confined,
                ledger,
                admit=self._admit,
                holds=_is_status,
                settle=self._settle_status,
                checkpoints=self._checkpoints,
                free_space=free_space,
                give_up=self.check_disk,
            )
        except BaseException:
            confined.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the writing thread, drop what is half done, let go of every descriptor. Safe to call again."""
        self._receiver.close()
        super().close()

    # -- what was done --------------------------------------------------------------------------------------

    @property
    def received_bytes(self) -> int:
        """Bytes of files that have come, up to this moment."""
        return self._receiver.bytes

    @property
    def received_files(self) -> int:
        """Files that have come whole, up to this moment."""
        return self._receiver.files

    @property
    def last_file(self) -> str:
        """Where on the phone the last file came from."""
        return self._receiver.last_file

    @property
    def unknown(self) -> tuple[str, ...]:
        """Paths that the format does not know and the phone stored all the same."""
        return tuple(self._unknown)

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """What the phone could not read, in the order in which it said so."""
        return tuple(self._receiver.unreadable.values())

    def check_disk(self, *, given_up: bool = False) -> None:
        """Raise NoRoom or IbackupError when the disk refused a write, or a file was not stored for another reason.

        Args:
            given_up: the phone has, so that anything that was forbidden here is why.
        """
        self._receiver.drain()
        lost = next(iter(self._receiver.lost.values()), None)
        error = (
            self._disk_error or self._receiver.disk_error or lost or (self._forbidden if given_up else None)
        )
        if error is None:
            return
        reason = error.strerror or type(error).__name__
        if error.errno in NO_ROOM_ERRNOS:
            raise NoRoom(
                "The disk is full: the backup could not be written.",
                why=f"It said: {reason}.",
                hint="Make room and run the command again; finished snapshots are untouched.",
            ) from error
        raise IbackupError(
            "The backup could not be written to the disk.",
            why=f"It said: {reason}.",
            hint="Check the disk and its cable, then run the command again; finished snapshots are untouched.",
        ) from error

    # -- requests -------------------------------------------------------------------------------------------

    def handle(self, link: DeviceLink, request: requests.Request) -> None:
        """Do what the phone asks for and answer.

        Raises:
            PathRefused: it names a path that it may not have; nothing of this request was done.
            ProtocolBroken: it sent what the protocol does not allow.
            ConnectionLost: it is gone, or says goodbye.
            IbackupError: the ledger or the barrier failed.
        """
        parse = self.paths.parse_inside
        if isinstance(request, requests.UploadFiles):
            self._upload(link, request)
            return
        self._receiver.drain()
        if self._receiver.disk_error is not None and isinstance(request, _CHANGES):
            # It may not have been told yet.
            link.send_status(*_said(self._receiver.disk_error), {})
            return
        match request:
            case requests.MoveItems():
                moves = [(old, parse(old), self._admit(new)) for old, new in request.moves]
                self._each(link, [(asked, partial(self._move, old, new)) for asked, old, new in moves])
            case requests.RemoveItems():
                removals = [(path, parse(path)) for path in request.paths]
                self._each(link, [(asked, partial(self._remove, parts)) for asked, parts in removals])
            case requests.CreateDirectory():
                parts = self.paths.parse(request.path)
                self._notice_unknown(parts)
                self._single(link, lambda: self._make_dir(parts))
            case requests.CopyItem():
                source, target = parse(request.source), self._admit(request.target)
                self._single(link, lambda: self._copy(source, target, link))
            case _:
                super().handle(link, request)
                self._check_read()

    def could_not_read(self, parts: Parts, error: OSError) -> None:
        """Note it, unless what the phone asked for is not there or no file."""
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL}:
            self._not_read = self._not_read or ("/".join(parts), error)

    def _check_read(self) -> None:
        """End the run: a phone that cannot have what is here takes it for gone, and builds a backup on that."""
        if self._not_read is not None:
            path, error = self._not_read
            raise IbackupError(
                f"The phone asked for {shown(path)} of the backup before, and it could not be read.",
                why=f"The system said: {error.strerror or type(error).__name__}.",
                hint="Run the command again. If it stays, run `ibackup verify`: what it finds damaged is sent again.",
            ) from error

    def pulse(self) -> None:
        """Call now and then while nothing else of this object runs: also a phone that pauses loses nothing."""
        if not self._receiving and self._receiver.is_idle:
            self._checkpoints.make_if_due()

    def write_own(self, path: str, data: bytes) -> None:
        """Store a file of our own, Info.plist, relative to the ``<UDID>`` folder; durable with the next barrier.

        Raises:
            OSError: it could not be written.
        """
        parts = self.paths.parse_inside(f"{self.paths.udid}/{path}")
        self._write(parts, iter([data]))

    def listing(self, parts: Parts) -> Iterable[Item]:
        """What a folder holds, from the ledger."""
        return self._ledger.listing("/".join(parts))

    def _upload(self, link: DeviceLink, request: requests.UploadFiles) -> None:
        receiver = self._receiver
        receiver.pulse = link.pulse
        self._announced += request.total or 0
        self._receiving = True
        link.receive_files(receiver)
        self._receiving = False
        self.pulse()
        allowed = self._announced + _SLACK_BYTES + _SLACK_BYTES_PER_FILE * receiver.files
        if receiver.bytes > allowed and self._announced and not self._said_more:
            self._said_more = True
            self._observer(
                Caution(
                    "The phone sends more than it announced.", "Watch the free space; the backup goes on."
                )
            )
        if receiver.disk_error is not None:
            link.send_status(*_said(receiver.disk_error), {})
        else:
            answer(link, receiver.failures())

    def _settle_status(self, file: Arrival) -> None:
        """Put a Status.plist in place, once everything that it speaks of is durable."""
        state = "unknown"
        try:
            status = StatusPlist.parse(bytes(file.body))
            state = status.snapshot_state
            if state == "uploading":
                self.is_full = status.is_full_backup
        except FormatError as error:
            self._observer(Caution(f"The phone stored a Status.plist that cannot be read: {error.why}"))
        if state != "uploading":
            self._barrier(state)
            self._checkpoints.passed()
        self._receiver.publish(file)
        _log.debug("Status.plist says %s", ascii(state[:40]))
        if state != "uploading":
            # Or what the phone does next could reach the disk before the word that it was going to.
            self._settled(state)
        self.state = state

    def _each(self, link: DeviceLink, steps: list[tuple[str, Callable[[], None]]]) -> None:
        """Do one thing for each path; one that fails does not stop the others, unless the disk does."""
        failures: Failures = {}
        for asked, step in steps:
            try:
                step()
            except OSError as error:
                failures[asked] = _said(error)
                if self._is_fatal(error):
                    link.send_status(*failures[asked], {})
                    return
        link.pulse()
        answer(link, failures)

    def _single(self, link: DeviceLink, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as error:
            self._is_fatal(error)
            link.send_status(*_said(error))
        else:
            link.send_status(Status.OK)

    def _is_fatal(self, error: OSError) -> bool:
        """Whether nothing can be written any more; noted, since the backup cannot succeed then."""
        fatal = error.errno in NO_ROOM_ERRNOS or error.errno in {errno.EIO, errno.EROFS}
        if fatal and self._disk_error is None:
            self._disk_error = error
        if error.errno in {errno.EACCES, errno.EPERM}:
            self._forbidden = error
        return fatal

    # -- the file system ------------------------------------------------------------------------------------

    def _move(self, source: Parts, target: Parts) -> None:
        if source == target:
            self.confined.item(source)  # raises when it is missing; else it is where it shall be
            return
        try:
            self.confined.rename(source, target)
        except FileNotFoundError:
            self.confined.item(source)  # raises when it is the source that is missing
            self._make_dir(target[:-1])
            self.confined.rename(source, target)
        self._ledger.moved("/".join(source), "/".join(target))

    def _remove(self, parts: Parts) -> None:
        self.confined.remove(parts)
        self._ledger.removed("/".join(parts))

    def _make_dir(self, parts: Parts) -> None:
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            known = self._ledger.get(path)
            if known is None:
                self.confined.make_dir(parts[:depth])
                self._ledger.made_dir(path)
            elif known.kind != "directory":
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)

    def _copy(self, source: Parts, target: Parts, link: DeviceLink) -> None:
        if target[: len(source)] == source:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), "/".join(target))
        if self.confined.item(source).kind == "directory":
            self._make_dir(target)
            for item in list(self.confined.items(source)):
                self._copy((*source, item.name), (*target, item.name), link)
            return
        fd = self.confined.open_file(source)
        try:
            self._make_dir(target[:-1])
            self._write(target, _pieces(fd, link.pulse))
        finally:
            os.close(fd)

    def _write(self, parts: Parts, pieces: Iterator[bytes]) -> None:
        """Write a file that does not come from the phone."""
        hasher = hashlib.sha256()
        size = 0
        staged = self.confined.create()
        try:
            with open(staged.fd, "wb", buffering=0) as file:
                for piece in pieces:
                    hasher.update(piece)
                    size += _write_all(staged, piece)
                mtime = os.fstat(file.fileno()).st_mtime
            self.confined.publish(staged, parts)
        except BaseException:
            self.confined.discard(staged)
            raise
        self._ledger.stored("/".join(parts), size, hasher.digest(), mtime)

    # -- paths ----------------------------------------------------------------------------------------------

    def _admit(self, path: str) -> Parts:
        """The place of something that the phone stores."""
        parts = self.paths.blob(path)
        if parts is None:
            parts = self.paths.parse_inside(path)
            self._notice_unknown(parts)
        return parts

    def _notice_unknown(self, parts: Parts) -> None:
        if self.paths.is_known(parts):
            return
        path = "/".join(parts)
        if path in self._unknown:
            return
        if len(self._unknown) >= _MOST_UNKNOWN:
            raise PathRefused(path, "is one of too many that the format does not know")
        self._unknown[path] = None
        if len(self._unknown) <= _CAUTIONED_UNKNOWN:
            self._observer(
                Caution(
                    f"The phone stores {shown(path)}, which is not known here.",
                    "It is kept, sealed and restored like everything else; please report it.",
                )
            )


def _is_status(parts: Parts) -> bool:
    return parts == STATUS_PLIST


def _said(error: OSError) -> tuple[Status, str]:
    return status_of(error), error.strerror or type(error).__name__


def _pieces(fd: int, pulse: Callable[[], None]) -> Iterator[bytes]:
    while piece := os.read(fd, _COPY_BYTES):
        yield piece
        pulse()


def _write_all(staged: Staged, piece: bytes) -> int:
    view = memoryview(piece)
    while view:
        view = view[os.write(staged.fd, view) :]
    return len(piece)


def _open_folders() -> int:
    """How many folders may be kept open: all 514 of a backup where the system allows it."""
    try:
        import resource
    except ImportError:  # Windows, where none are kept open
        return 64
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 544 if soft == resource.RLIM_INFINITY else max(16, min(544, soft // 2))
