"""The working copy as the phone sees it: answers every DeviceLink request of a backup.

Order is what counts here: the phone's own order of operations is its transaction log. Whatever a request asked for
is done before the next one is begun, and when its answer goes out; only the last files of a list may be written
while the phone sends its next list, which is answered after that. Status.plist, which says how far the phone is,
comes last of its list, after a barrier that makes everything before it durable.
"""

import contextlib
import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Final

from ibackup.apple.format_errors import FormatError
from ibackup.apple.plists import StatusPlist
from ibackup.base import descriptors, disks
from ibackup.base.confined import Confined, FolderItem, Parts, PathRefused, shown
from ibackup.base.errors import IbackupError, NoRoom
from ibackup.base.events import Caution, Observer, ignore
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.frames_and_chunks import NO_ROOM_ERRNOS, LinkStatus, status_of
from ibackup.device.devicelink.link import DeviceLink
from ibackup.device.folder.arrivals import Arrival, FileNotRead
from ibackup.device.folder.checkpoints import Checkpoints
from ibackup.device.folder.ledger_protocol import LedgerProtocol
from ibackup.device.folder.plain_writes import pieces_of, write_all
from ibackup.device.folder.receiver import Receiver
from ibackup.device.folder.served_files import Failures, ServedFiles, answer

_log = logging.getLogger(__name__)

STATUS_PLIST: Final = ("Status.plist",)
SNAPSHOT: Final = ("Snapshot",)
_READ_BY_A_BACKUP: Final = frozenset(["Info.plist", "Status.plist", "Manifest.plist", "Manifest.db"])

_CHANGES: Final = (requests.MoveItems, requests.RemoveItems, requests.CreateDirectory, requests.CopyItem)
_WRITES: Final = (requests.UploadFiles, *_CHANGES)
_MOST_UNKNOWN: Final = 10_000
_MOST_LISTINGS: Final = 64 << 20  # bytes kept of them; 300,000 files take half
_MOST_MADE: Final = 20_000  # folders; a backup has 514
_CAUTIONED_UNKNOWN: Final = 5
_MOST_FOLDERS: Final = 544  # kept open: all 514 of a backup
_PLENTY: Final = 1 << 30


def _nothing() -> None:
    """The default checkpoint, which does nothing."""


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
        ready: called before the first request that changes something; returns when what is listed is there, too.
        barrier: called with the SnapshotState before a Status.plist is put in place that says "moving", "removing"
            or "finished" ("unknown" when it cannot be read); returns when everything before it is durable.
        observer: is told what is odd.
        settled: called with the SnapshotState after such a Status.plist was put in place; returns when it is durable.
        checkpoint: called now and then, from either thread but never while the other uses the ledger; makes durable
            what has come so far.
        keeps: descriptors that a second process keeps open, see ``BatchWriter``.

    Attributes:
        state: the SnapshotState that the phone stored last, empty before.
        is_full: whether the phone called this a full backup, None before it did.
        failed_here: something that the phone asked for, but for the files themselves, could not be done.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        staging: str | os.PathLike[str],
        udid: str,
        ledger: LedgerProtocol,
        *,
        free_space: Callable[[], int],
        barrier: Callable[[str], None],
        ready: Callable[[], None] = _nothing,
        observer: Observer = ignore,
        settled: Callable[[str], None] = _nothing_more,
        checkpoint: Callable[[], None] = _nothing,
        keeps: Sequence[int] = (),
    ) -> None:
        confined = Confined(root, staging, max_open=descriptors.share(_MOST_FOLDERS))
        super().__init__(confined, udid, free_space=free_space)
        self._root = root
        self._ledger = ledger
        self._ready = ready
        self._barrier = barrier
        self._observer = observer
        self._settled = settled
        self._checkpoints = Checkpoints(checkpoint)
        self._receiving = False
        self.state = ""
        self.is_full: bool | None = None
        self.failed_here = False
        self._kept_back = 0
        self._listings: dict[str, tuple[int, bytes]] = {}
        self._kept_listings = 0  # bytes of them, so far
        self._told_unreadable = False
        self._made = 0  # folders that it asked for
        self._unknown: dict[str, None] = {}
        self._disk_error: OSError | None = None
        self._forbidden: OSError | None = None
        self._not_read: tuple[str, OSError] | None = None
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
                keeps=keeps,
            )
        except BaseException:
            confined.close()
            raise

    def close(self) -> None:
        """End the writing thread, drop unfinished files, close every descriptor. Safe to call again."""
        self._receiver.close()
        super().close()

    # -- what was done --------------------------------------------------------------------------------------

    @property
    def received_bytes(self) -> int:
        """Bytes of files received so far."""
        return self._receiver.bytes

    @property
    def received_files(self) -> int:
        """Complete files received so far."""
        return self._receiver.files

    @property
    def moved(self) -> tuple[int, int]:
        """See ``ServedFiles``: of what has come."""
        return self.received_files, self.received_bytes

    @property
    def last_file(self) -> str:
        """Where on the phone the last file came from."""
        return self._receiver.last_file

    @property
    def unknown(self) -> tuple[str, ...]:
        """Paths that the format does not know and the phone stored anyway."""
        return tuple(self._unknown)

    @property
    def unreadable(self) -> tuple[FileNotRead, ...]:
        """What the phone could not read, in the order in which it reported it."""
        return tuple(self._receiver.unreadable.values())

    def drop_unread(self) -> None:
        """Remove incomplete files: a phone that continues would think that they were sent.

        Not once it has begun to move files, because then it only finishes, and the files that it moves must
        be there.
        """
        for file in self.unreadable if self.state in {"", "uploading"} else ():
            with contextlib.suppress(OSError, IbackupError):  # report the error that ended the run
                self._receiver.drain()
                self._remove(tuple(file.path.split("/")))

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
        if error.errno == errno.EFBIG or (error.errno in NO_ROOM_ERRNOS and self._is_format()):
            raise disks.too_large(error) from error
        if error.errno in NO_ROOM_ERRNOS:
            raise NoRoom(
                "The disk is full: the backup could not be written.",
                why=f"The system reported: {reason}.",
                hint="Free some space, then run the command again. Your snapshots are unchanged.",
            ) from error
        raise IbackupError(
            "The backup could not be written to the disk.",
            why=f"The system reported: {reason}.",
            hint="Check the disk and its cable, then run the command again. Your snapshots are unchanged.",
        ) from error

    def _is_format(self) -> bool:
        """Whether a disk that calls itself full is not: some systems say so of a file that is too large for it."""
        return not disks.holds_large_files(self._root) and self._free_space() > _PLENTY

    # -- requests -------------------------------------------------------------------------------------------

    def handle(self, link: DeviceLink, request: requests.PhoneRequest) -> None:
        """Do what the phone asks for and answer.

        Raises:
            PathRefused: it names a path that it may not have; nothing of this request was done.
            ProtocolBroken: it sent what the protocol does not allow.
            ConnectionLost: it is gone, or says goodbye.
            IbackupError: the ledger or the barrier failed.
        """
        parse = self.paths.parse_inside
        if isinstance(request, _WRITES):
            self._ready()
        if isinstance(request, requests.UploadFiles):
            self._upload(link)
            return
        self._receiver.drain()
        if self._receiver.disk_error is not None and isinstance(request, _CHANGES):
            # The ledger may not know it yet.
            link.send_status(*_said(self._receiver.disk_error), {})
            return
        match request:
            case requests.MoveItems():
                self._move_all(link, [(old, parse(old), self._admit(new)) for old, new in request.moves])
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

    def locate(self, path: str) -> Parts | None:
        """Where a file is that a backup needs: what describes the one before. All else is not for a phone to read."""
        parts = self.paths.parse_inside(path)
        if parts[-1] in _READ_BY_A_BACKUP and parts[:-1] in ((), SNAPSHOT):
            return parts
        self._kept_back += 1
        if self._kept_back == 1:
            self._observer(
                Caution(
                    f"The phone asked for {shown(path)}, which no backup needs. ibackup refused it.",
                    "If this is not your own phone, disconnect it.",
                )
            )
        return None

    def could_not_read(self, parts: Parts, error: OSError) -> None:
        """Record it, unless what the phone asked for is missing or not a file."""
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL}:
            self._not_read = self._not_read or ("/".join(parts), error)

    def _check_read(self) -> None:
        """End the run: a phone that cannot have what is here takes it for gone, and builds a backup on that."""
        if self._not_read is not None:
            path, error = self._not_read
            raise IbackupError(
                f"The phone asked for {shown(path)} from the previous backup, but it could not be read.",
                why=f"The system reported: {error.strerror or type(error).__name__}.",
                hint="Run the command again. If the problem persists, run `ibackup verify`: what it finds damaged is "
                "sent again.",
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

    def listing(self, parts: Parts) -> Iterable[FolderItem]:
        """The content of a folder, from the ledger."""
        return self._ledger.listing("/".join(parts))

    def encoded_listing(self, path: str) -> bytes:
        """See ``ServedFiles``. A phone asks for each folder twice, and most have not changed by then."""
        folder = "/".join(self.paths.parse(path))
        version = self._ledger.version(folder)
        known, data = self._listings.get(folder, (0, b""))
        if version and known == version:
            return data
        data = super().encoded_listing(path)
        if version and self._kept_listings + len(data) <= _MOST_LISTINGS:
            self._kept_listings += len(data)
            self._listings[folder] = version, data
        return data

    def _upload(self, link: DeviceLink) -> None:
        """Take what comes, however much was announced: phones say 0 for a single file, and less than they send.

        What bounds it is the room there is, see ``Receiver``.
        """
        receiver = self._receiver
        receiver.pulse = link.pulse
        self._receiving = True
        link.receive_files(receiver)
        self._receiving = False
        self.pulse()
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
            if not self._told_unreadable:
                self._told_unreadable = True
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
            link.send_status(LinkStatus.OK)

    def _is_fatal(self, error: OSError) -> bool:
        """Whether nothing can be written any more; recorded, because the backup cannot succeed then."""
        self.failed_here = True
        fatal = error.errno in NO_ROOM_ERRNOS or error.errno in {errno.EIO, errno.EROFS}
        if fatal and self._disk_error is None:
            self._disk_error = error
        if error.errno in {errno.EACCES, errno.EPERM}:
            self._forbidden = error
        return fatal

    # -- the file system ------------------------------------------------------------------------------------

    def _move_all(self, link: DeviceLink, moves: list[tuple[str, Parts, Parts]]) -> None:
        """Move everything, by another process if no folder is among it of which a descriptor is kept here."""
        keeps = self.confined.keeps
        pairs = [(source, target) for _, source, target in moves]
        here = any(source == target or keeps(source) or keeps(target) for source, target in pairs)
        left = list[tuple[str, Callable[[], None]]]()
        moved = repeat(False) if here else self._receiver.rename(pairs)
        for (asked, source, target), is_moved in zip(moves, moved, strict=False):
            if is_moved:
                self._ledger.moved("/".join(source), "/".join(target))
            else:
                left.append((asked, partial(self._move, source, target)))
        self._each(link, left)

    def _move(self, source: Parts, target: Parts) -> None:
        if source == target:
            self.confined.item(source)  # raises when it is missing; else it is where it shall be
            return
        self._receiver.folders_moved()
        try:
            self.confined.rename(source, target)
        except FileNotFoundError:
            self.confined.item(source)  # raises when it is the source that is missing
            self._make_dir(target[:-1])
            self.confined.rename(source, target)
        self._ledger.moved("/".join(source), "/".join(target))

    def _remove(self, parts: Parts) -> None:
        self._receiver.folders_moved()
        self.confined.remove(parts)
        self._ledger.removed("/".join(parts))

    def _make_dir(self, parts: Parts) -> None:
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            known = self._ledger.get(path)
            if known is None:
                if self._made >= _MOST_MADE:
                    raise PathRefused(path, "is one of too many folders")
                self._made += 1
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
            self._write(target, pieces_of(fd, link.pulse))
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
                    size += write_all(file.fileno(), [memoryview(piece)])
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
                    f"The phone stores {shown(path)}, which ibackup does not know.",
                    "It is kept, sealed and restored like everything else; please report it.",
                )
            )


def _is_status(parts: Parts) -> bool:
    return parts == STATUS_PLIST


def _said(error: OSError) -> tuple[LinkStatus, str]:
    return status_of(error), error.strerror or type(error).__name__
