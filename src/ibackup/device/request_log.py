"""What a phone asks for, for the log: the kinds of its requests with counts, never a path."""

import logging
import time

from ibackup.device.requests import Process, Request

_log = logging.getLogger(__name__)


class RequestLog:
    """Writes one line for each run of requests of one kind; thousands of them follow each other."""

    def __init__(self) -> None:
        self._kind = ""
        self._count = 0
        self._files = self._bytes = 0
        self._began = 0.0

    def note(self, request: Request, files: int, bytes_: int) -> None:
        """A request has come.

        Args:
            request: it.
            files: whole files that have come until now, in all.
            bytes_: bytes likewise.
        """
        kind = type(request).__name__
        if kind != self._kind:
            self.end(files, bytes_)
            self._kind, self._files, self._bytes, self._began = kind, files, bytes_, time.monotonic()
        self._count += 1
        if isinstance(request, Process):
            name, code = request.message.get("MessageName"), request.message.get("ErrorCode")
            _log.debug(
                "the phone's last word: %s, error code %s", ascii(str(name)[:40]), ascii(str(code)[:20])
            )

    def end(self, files: int, bytes_: int) -> None:
        """Write down the last run of them."""
        if self._count:
            came = ""
            if bytes_ > self._bytes:
                came = f": {files - self._files:,} files, {bytes_ - self._bytes:,} bytes"
            _log.debug(
                "%s, %d in a row%s, %.1f s", self._kind, self._count, came, time.monotonic() - self._began
            )
        self._count = 0
