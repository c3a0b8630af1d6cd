"""What a phone may read during a restore: one backup, which is never changed."""

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Literal

from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.fitting import MOST_UNRECORDED
from ibackup.base.confined import Confined, FolderItem, Parts, PathRefused
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.frames_and_chunks import LinkStatus
from ibackup.device.devicelink.link import DeviceLink
from ibackup.device.devicelink.receive_blocks import ReceiveBlock, private_block
from ibackup.device.devicelink.sender import FileSender
from ibackup.device.folder.served_files import ServedFiles, answer

Stage = Literal["untouched", "sending", "sent"]

_COPY: Final = re.compile(r"-\d{8}-\d{6}", re.ASCII)
MOST_COPIES: Final = 16  # of its own backup; a phone asks for one
MOST_NAMED: Final = 10_000  # files that are wrong are counted beyond that, and not named

_READ_ONLY: Final = (LinkStatus.GENERIC, "A restore only reads the backup.")

Expected = Callable[[str], bytes | None]
"""The SHA-256 of a file by its path below the backup folder, or None."""


def is_content(path: str) -> bool:
    """Whether a path is that of one of the phone's files, not one of the backup's own."""
    return FILE_ID.fullmatch(path.rpartition("/")[2]) is not None


def _nobody_knows(_path: str) -> None:
    """There is no seal."""


class RestoredFiles(ServedFiles):
    """Answers what a phone asks for during a restore.

    A phone that wants a copy of its own backup kept is told that there is one: what is served is a backup that nobody
    changes, so that nothing has to be copied. One that wants something changed in the backup is told that it cannot be,
    and may go on: a restore that is cut off in the middle leaves half a phone.

    Args:
        confined: the folder in Apple's format, whatever its name.
        source: the identifier under which the phone asks for it.
        target: the phone's own, under which it may look for a backup of itself.
        free_space: bytes free, for a phone that asks.
        expected: checksums to hold against what is sent.
        files: how many files of the phone's the backup has.
        most: how many bytes a file may have, by its path; a longer one is not sent.
        never_came: files that the backup never had; when the phone asks for one, nothing has been lost here.

    Attributes:
        sent_files, content_bytes: whole files of the phone's that were sent, and bytes of such.
        unreadable: files that could not be sent, by their path in the backup, and why; the phone was told.
        changed: files that are not what they were when they were sealed; they were sent.
    """

    def __init__(
        self,
        confined: Confined,
        source: str,
        target: str,
        *,
        free_space: Callable[[], int],
        expected: Expected = _nobody_knows,
        files: int = 0,
        most: Callable[[str], int] = lambda _path: MOST_UNRECORDED,
        never_came: AbstractSet[str] = frozenset(),
    ) -> None:
        super().__init__(confined, source, free_space=free_space)
        self._target = target
        self._expected = expected
        self._files = files
        self._most = most
        self._never_came = never_came
        self._copies: set[str] = set()
        self._begun = False
        self.sent_files = self.content_bytes = 0
        self.unreadable: dict[str, str] = {}
        self.changed: dict[str, None] = {}

    @property
    def moved(self) -> tuple[int, int]:
        """See ``ServedFiles``: of what was sent."""
        return self.sent_files, self.sent_bytes

    @property
    def stage(self) -> Stage:
        """How far it is: the phone asked only for lists, or also for its files, or all of them were sent."""
        if self._files and self.sent_files >= self._files:
            return "sent"
        return "sending" if self._begun else "untouched"

    def handle(self, link: DeviceLink, request: requests.PhoneRequest) -> None:
        """Do what the phone asks and answer; see ``ServedFiles.handle``."""
        match request:
            case requests.CopyItem():
                self._copy(link, request)
            case requests.UploadFiles():
                self._drop(link)
            case requests.CreateDirectory():
                self.paths.parse(request.path)
                link.send_status(*_READ_ONLY)
            case requests.MoveItems():
                for _, target in request.moves:
                    self.paths.parse_inside(target)
                self._leave(link, [source for source, _ in request.moves])
            case requests.RemoveItems():
                self._leave(link, request.paths)
            case _:
                super().handle(link, request)

    def locate(self, path: str) -> Parts | None:
        """See ``ServedFiles.locate``; of the phone's own backups, none is here but the one that is restored."""
        return None if self._is_elsewhere(path) else super().locate(path)

    def send(self, sender: FileSender, parts: Parts) -> None:
        """Send the content of a file, and compare it with the seal. Raises OSError."""
        path = "/".join(parts)
        content = is_content(path)
        self._begun = self._begun or content
        wanted, before = self._expected(path), sender.sent
        try:
            fd = self.confined.open_file(parts)
        except PathRefused as error:
            # The folder is at fault, not the phone, which knows nothing about links.
            raise OSError(errno.ELOOP, error.why) from error
        try:
            if wanted is None:
                sender.data(fd, self._most(path))
            else:
                checksum = hashlib.sha256()
                sender.data(fd, self._most(path), checksum.update)
                if checksum.digest() != wanted and len(self.changed) < MOST_NAMED:
                    self.changed[path] = None
        finally:
            os.close(fd)
            self.content_bytes += (sender.sent - before) if content else 0
        self.sent_files += content

    def could_not_read(self, parts: Parts, error: OSError) -> None:
        """Record what the phone does not get; a missing file whose name it merely tries does not count."""
        path = "/".join(parts)
        known = (is_content(path) and path not in self._never_came) or self._expected(path) is not None
        if known and len(self.unreadable) < MOST_NAMED:
            self.unreadable[path] = error.strerror or type(error).__name__

    # -- the phone's own backup -------------------------------------------------------------------------------

    def _is_elsewhere(self, path: str) -> bool:
        top = path.partition("/")[0]
        return top in self._copies or (top == self._target and top != self.paths.udid)

    def _list(self, path: str) -> Iterable[FolderItem]:
        return () if self._is_elsewhere(path) else super()._list(path)

    def _copy(self, link: DeviceLink, request: requests.CopyItem) -> None:
        source, target = request.source.rstrip("/"), request.target.rstrip("/")
        if source in (self._target, self.paths.udid):
            if not target.startswith(source) or not _COPY.fullmatch(target[len(source) :]):
                raise PathRefused(request.target, "is no name of a copy: a restore only reads")
            if target not in self._copies and len(self._copies) >= MOST_COPIES:
                raise PathRefused(request.target, "is one of too many copies")
            self._copies.add(target)
            link.send_status(LinkStatus.OK, "", {})
        else:
            self.paths.parse_inside(source)
            self.paths.parse_inside(target)
            link.send_status(*_READ_ONLY)

    def _drop(self, link: DeviceLink) -> None:
        """Take what belongs into the copy that was not made, and keep nothing."""
        dropped = _Nowhere(self._copies, self.paths.parse_inside)
        link.receive_files(dropped)
        answer(link, dropped.refused)

    def _leave(self, link: DeviceLink, paths: Sequence[str]) -> None:
        """Answer for each that it was not changed. Raises PathRefused for anything outside the backup."""
        for path in paths:
            self.paths.parse_inside(path)
        answer(link, dict.fromkeys(paths, _READ_ONLY))


class _Nowhere:
    """Takes files for copies that nobody keeps; ``refused`` are those that were meant for elsewhere in the backup."""

    last_file = ""

    def __init__(self, copies: set[str], parse: Callable[[str], Parts]) -> None:
        self._allowed = {f"{folder}/Info.plist" for folder in copies}
        self._parse = parse
        self.refused: dict[str, tuple[int, str]] = {}

    def begin(self, device_path: str, path: str) -> None:
        self.last_file = device_path
        if path not in self._allowed:
            self._parse(path)
            if len(self.refused) < MOST_NAMED:
                self.refused[path] = _READ_ONLY

    def data(self, buffer: memoryview, start: int, stop: int) -> None:
        pass

    def end(self, code: int, text: str) -> None:
        pass

    def offer(self) -> None:
        pass

    def swap(self, full: ReceiveBlock) -> ReceiveBlock:  # noqa: ARG002 - its views are needed by nobody
        return private_block()

    def finish(self) -> None:
        pass
