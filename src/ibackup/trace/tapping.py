"""Whether this session is recorded, and the interface through which connections report to a recorder."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Literal, Protocol

Way = Literal["<", ">"]
"""The directions: from the phone (or usbmuxd) to this computer, and back."""


class Files(Protocol):
    """Records the files of one list; no method raises."""

    def begin(self, path: str, device_path: str = "") -> None:
        """A file begins."""

    def data(self, view: memoryview) -> None:
        """The next bytes of it; the view is only good until this returns."""

    def end(self, code: int, text: str) -> None:
        """The file ends; the code is 0 if it is complete."""

    def close(self) -> None:
        """The list ended or was interrupted."""


class Channel(Protocol):
    """Records one connection; no method raises, even if recording fails."""

    def said(self, way: Way, message: object, body: bytes = b"") -> None:
        """A message was sent or received; ``body`` is its bytes on the wire, without the length."""

    def asked(self, operation: int, path: str, answer: int, status: int, size: int) -> None:
        """An AFC operation, with the type, status and size of its answer."""

    def files(self, way: Way) -> Files:
        """A list of files begins."""

    def close(self, error: BaseException | None = None) -> None:
        """The connection ended: normally, or with an error."""


class Tap(Protocol):
    """Something that records a session."""

    def open(self, service: str) -> Channel:
        """A connection to a service was made."""


_tap: ContextVar[Tap | None] = ContextVar("tap", default=None)


@contextlib.contextmanager
def recording(tap: Tap) -> Iterator[None]:
    """Record every connection that this thread makes inside the ``with`` block."""
    token = _tap.set(tap)
    try:
        yield
    finally:
        _tap.reset(token)


def opened(service: str) -> Channel | None:
    """The recorder for a new connection; None if nothing is being recorded."""
    tap = _tap.get()
    return tap.open(service) if tap is not None else None
