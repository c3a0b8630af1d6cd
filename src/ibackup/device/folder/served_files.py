"""A backup folder that a phone may only read: what a restore needs, and what a backup builds on."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping

from ibackup.apple.fitting import MOST_UNRECORDED
from ibackup.base.closeable import Closeable
from ibackup.base.confined import Confined, FolderItem, Parts
from ibackup.base.errors import ConnectionLost
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.frames_and_chunks import LinkStatus, broken, multi_status, status_of
from ibackup.device.devicelink.link import DeviceLink
from ibackup.device.devicelink.sender import FileSender
from ibackup.device.folder.allowed_paths import BackupPaths
from ibackup.device.folder.directory_listings import encode_listing

Failures = dict[str, tuple[int, str]]
"""What failed in a request, by the path exactly as requested: status and text."""


class ServedFiles(Closeable):
    """Answers the requests that only read; a context manager that closes its descriptors.

    Args:
        confined: the ``<UDID>`` folder.
        udid: as the phone spells it; every path begins with it.
        free_space: bytes free, for a phone that asks.

    Attributes:
        sent_bytes: bytes of files sent so far.
        purge_bytes: what the phone asked to make free, None when it did not.
        told_free: the free space that the phone was told last, None when it did not ask.
    """

    def __init__(self, confined: Confined, udid: str, *, free_space: Callable[[], int]) -> None:
        self.confined = confined
        self.paths = BackupPaths(udid)
        self._free_space = free_space
        self.sent_bytes = 0
        self.purge_bytes: int | None = None
        self.told_free: int | None = None

    @property
    def moved(self) -> tuple[int, int]:
        """How many whole files have passed, as far as they are counted, and bytes of files."""
        return 0, self.sent_bytes

    def close(self) -> None:
        """Close every descriptor."""
        self.confined.close()

    def handle(self, link: DeviceLink, request: requests.PhoneRequest) -> None:
        """Do what the phone asks and answer.

        Raises:
            PathRefused: it names a forbidden path; nothing was changed.
            ProtocolBroken: it asks for something that does not belong here.
            ConnectionLost: the phone is gone, or says goodbye.
        """
        match request:
            case requests.DownloadFiles():
                self._download(link, request.paths)
            case requests.ListDirectory():
                link.send_encoded(self.encoded_listing(request.path))
            case requests.FreeSpace():
                self._tell_free_space(link)
            case requests.PurgeSpace():
                self.purge_bytes = request.wanted
                link.send_status(LinkStatus.GENERIC, "Nothing here can be purged.", 0)
            case requests.Disconnect():
                raise ConnectionLost(
                    "The phone ended the session before the job was done.",
                    why=f"It said: {request.reason[:200]!a}." if request.reason else "",
                    hint="Unlock the phone, run the command again, and enter its passcode as soon as it asks.",
                )
            case _:
                raise broken(f"The phone sent a {type(request).__name__} request, which has no place here.")

    def listing(self, parts: Parts) -> Iterable[FolderItem]:
        """The content of a folder; nothing for a missing one."""
        try:
            yield from self.confined.items(parts)
        except (FileNotFoundError, NotADirectoryError):
            return

    def encoded_listing(self, path: str) -> bytes:
        """The answer to a request for the content of a folder."""
        return encode_listing(self._list(path))

    def locate(self, path: str) -> Parts | None:
        """Where a file is that the phone wants; None for one that is not here, and may be asked for anyway.

        Raises:
            PathRefused: it may not be asked for.
        """
        return self.paths.parse_inside(path)

    def send(self, sender: FileSender, parts: Parts) -> None:
        """Send the content of a file. Raises OSError."""
        fd = self.confined.open_file(parts)
        try:
            sender.data(fd, MOST_UNRECORDED)
        finally:
            os.close(fd)

    def could_not_read(self, parts: Parts, error: OSError) -> None:
        """Report to the phone that a file it asked for could not be sent."""

    def _download(self, link: DeviceLink, paths: tuple[str, ...]) -> None:
        """Send every file that can be sent, whatever happens to the others."""
        wanted = [(path, self.locate(path)) for path in paths]
        sender = link.file_sender()
        failures: Failures = {}
        for path, parts in wanted:
            sender.begin(path)
            try:
                if parts is None:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                self.send(sender, parts)
            except OSError as error:
                failures[path] = _failure(error)
                sender.end(-failures[path][0], failures[path][1])
                if parts is not None:
                    self.could_not_read(parts, error)
            else:
                sender.end()
            link.pulse()
        sender.finish()
        self.sent_bytes += sender.sent
        answer(link, failures)

    def _list(self, path: str) -> Iterable[FolderItem]:
        return self.listing(self.paths.parse(path))

    def _tell_free_space(self, link: DeviceLink) -> None:
        try:
            self.told_free = self._free_space()
        except OSError as error:
            link.send_status(*_failure(error), 0)
        else:
            link.send_status(LinkStatus.OK, "", self.told_free)


def answer(link: DeviceLink, failures: Mapping[str, tuple[int, str]]) -> None:
    """Answer a request for several files: success, or what failed."""
    if failures:
        link.send_status(LinkStatus.MULTI, "Multi status", multi_status(failures))
    else:
        link.send_status(LinkStatus.OK, "", {})


def _failure(error: OSError) -> tuple[int, str]:
    # The phone need not know that something on the way to a missing file is no folder.
    code = LinkStatus.NOT_FOUND if error.errno == errno.ENOTDIR else status_of(error)
    return code, error.strerror or type(error).__name__


@contextlib.contextmanager
def nothing_to_show(udid: str) -> Iterator[ServedFiles]:
    """An empty folder, for a phone that looks for a backup and must find none."""
    with (
        tempfile.TemporaryDirectory(prefix="ibackup-") as folder,
        ServedFiles(Confined(folder), udid, free_space=lambda: shutil.disk_usage(folder).free) as files,
    ):
        yield files
