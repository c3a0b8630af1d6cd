"""A phone's requests for the log: their kinds and how many, never a path."""

import logging
import time
from collections.abc import Callable

from ibackup.device.devicelink.requests import PhoneRequest, Process

_log = logging.getLogger(__name__)


class RequestLog:
    """Logs one line for each series of requests of the same kind; there may be thousands in a row.

    Args:
        moved: returns how many complete files, and how many bytes of files, have been transferred so far.
    """

    def __init__(self, moved: Callable[[], tuple[int, int]]) -> None:
        self._moved = moved
        self._kind = ""
        self._count = 0
        self._files = self._bytes = 0
        self._began = 0.0

    def note(self, request: PhoneRequest) -> None:
        """Count a request."""
        kind = type(request).__name__
        if kind != self._kind:
            self.end()
            self._kind, self._began = kind, time.monotonic()
            self._files, self._bytes = self._moved()
        self._count += 1
        if isinstance(request, Process):
            name, code = request.message.get("MessageName"), request.message.get("ErrorCode")
            _log.debug(
                "the phone's last word: %s, error code %s", ascii(str(name)[:40]), ascii(str(code)[:20])
            )

    def end(self) -> None:
        """Log the last series."""
        if self._count:
            files, bytes_ = self._moved()
            came = ""
            if bytes_ > self._bytes:
                came = f": {files - self._files:,} files, {bytes_ - self._bytes:,} bytes"
            _log.debug(
                "%s, %d in a row%s, %.1f s", self._kind, self._count, came, time.monotonic() - self._began
            )
        self._count = 0
