"""A backup folder that a phone may read and nothing more: what a restore needs, and what a backup builds on."""

import errno
import os
from collections.abc import Callable, Iterable, Mapping

from ibackup.confined import Confined, Item, Parts
from ibackup.device import requests
from ibackup.device.frames import Status, broken, multi_status, status_of
from ibackup.device.link import DeviceLink
from ibackup.device.listings import encode_listing
from ibackup.device.paths import BackupPaths
from ibackup.device.sender import FileSender
from ibackup.errors import ConnectionLost

Failures = dict[str, tuple[int, str]]
"""What failed in a request, by the path exactly as it was asked for: status and text."""


class ServedFiles:
    """Answers the requests that only read.

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

    def close(self) -> None:
        """Let go of every descriptor."""
        self.confined.close()

    def handle(self, link: DeviceLink, request: requests.Request) -> None:
        """Do what the phone asks for and answer.

        Raises:
            PathRefused: it names a path that it may not have; nothing was touched.
            ProtocolBroken: it asks for something that is not for here.
            ConnectionLost: it is gone, or says goodbye.
        """
        match request:
            case requests.DownloadFiles():
                self._download(link, request.paths)
            case requests.ListDirectory():
                link.write(memoryview(encode_listing(self._list(request.path))))
            case requests.FreeSpace():
                self._tell_free_space(link)
            case requests.PurgeSpace():
                self.purge_bytes = request.wanted
                link.send_status(Status.GENERIC, "Nothing here can be purged.", 0)
            case requests.Disconnect():
                raise ConnectionLost(
                    "The phone ended the session before the job was done.",
                    why=f"It said: {request.reason[:200]!a}." if request.reason else "",
                    hint="Unlock the phone, check the cable and run the command again.",
                )
            case _:
                raise broken(f"The phone sent a {type(request).__name__} request, which has no place here.")

    def listing(self, parts: Parts) -> Iterable[Item]:
        """What a folder holds; nothing for one that is not there."""
        try:
            yield from self.confined.items(parts)
        except (FileNotFoundError, NotADirectoryError):
            return

    def locate(self, path: str) -> Parts | None:
        """Where a file is that the phone wants; None for one that is not here, and may be asked for all the same.

        Raises:
            PathRefused: it may not be asked for.
        """
        return self.paths.parse_inside(path)

    def send(self, sender: FileSender, parts: Parts) -> None:
        """Send the content of a file. Raises OSError."""
        fd = self.confined.open_file(parts)
        try:
            sender.data(fd)
        finally:
            os.close(fd)

    def could_not_read(self, parts: Parts, error: OSError) -> None:
        """A file that the phone asked for could not be sent; it is told so."""

    def _download(self, link: DeviceLink, paths: tuple[str, ...]) -> None:
        """Send files, all that can be sent whatever happens to the others."""
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

    def _list(self, path: str) -> Iterable[Item]:
        return self.listing(self.paths.parse(path))

    def _tell_free_space(self, link: DeviceLink) -> None:
        try:
            self.told_free = self._free_space()
        except OSError as error:
            link.send_status(*_failure(error), 0)
        else:
            link.send_status(Status.OK, "", self.told_free)


def answer(link: DeviceLink, failures: Mapping[str, tuple[int, str]]) -> None:
    """Answer a request for several files: all well, or what failed."""
    if failures:
        link.send_status(Status.MULTI, "Multi status", multi_status(failures))
    else:
        link.send_status(Status.OK, "", {})


def _failure(error: OSError) -> tuple[int, str]:
    # The phone need not know that something on the way to a missing file is no folder.
    code = Status.NOT_FOUND if error.errno == errno.ENOTDIR else status_of(error)
    return code, error.strerror or type(error).__name__
