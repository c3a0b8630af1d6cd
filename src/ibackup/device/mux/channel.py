"""A stream to one of the phone's small services, and the property lists that most of them send over it."""

import contextlib
import plistlib
import select
import socket
import ssl
import struct
import time
from types import TracebackType
from typing import Protocol, Self

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.base import slices
from ibackup.base.errors import ConnectionLost, ProtocolBroken
from ibackup.config.stall_limits import Limits
from ibackup.trace import tapping

_LENGTH = struct.Struct(">I")
_READ_BYTES = 65536


class HasServices(Protocol):
    """Something that starts services: a Phone."""

    @property
    def limits(self) -> Limits:
        """How long it may be silent."""

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        """A blocking stream to a service."""


class ServiceStream:
    """A socket to a small service, read with deadlines; a context manager.

    What has arrived of an answer is kept, so that reading can continue after a deadline.

    Args:
        sock: blocking; the stream closes it.
        service: its name, for messages.
        answer_s: how many seconds an answer may take.
    """

    def __init__(self, sock: socket.socket, service: str, answer_s: float) -> None:
        self.sock = sock
        self.service = service
        self.answer_s = answer_s
        self._buffer = bytearray()
        self.record = tapping.opened(service)

    @classmethod
    def to(cls, phone: HasServices, service: str) -> Self:
        """Start a service on the phone and connect to it."""
        return cls(phone.start_service(service), service, phone.limits.service_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.record is not None:
            self.record.close(error)
        self.close()

    def close(self) -> None:
        """Close the socket; the other end may be gone already."""
        if self.record is not None:
            self.record.close()
        with contextlib.suppress(OSError):
            self.sock.close()

    def write(self, data: bytes) -> None:
        """Send all of it."""
        left = memoryview(data)
        for seconds in slices.of(self.answer_s):
            try:
                self.sock.settimeout(seconds)
                while left:
                    left = left[self.sock.send(left) :]
                return
            except TimeoutError:
                continue
            except OSError as error:
                raise self._lost() from error
        raise self._lost()

    def take(self, size: int, deadline: float) -> bytes | None:
        """Exactly ``size`` bytes, or None if they have not all arrived by the deadline (time.monotonic)."""
        if not self.fill(size, deadline):
            return None
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def fill(self, size: int, deadline: float) -> bool:
        """Read until the buffer has ``size`` bytes; returns whether it has by the deadline."""
        while len(self._buffer) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            try:
                self.sock.settimeout(min(left, slices.SLICE_S))
                chunk = self.sock.recv(_READ_BYTES)
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            except OSError as error:
                raise self._lost() from error
            if not chunk:
                raise self._lost()
            self._buffer += chunk
        return True

    def peek(self, size: int) -> bytes:
        """Take the first bytes of the buffer, after ``fill``."""
        return bytes(self._buffer[:size])

    def wait(self, waker: socket.socket) -> bool:
        """Wait until there is something to read; False if the waker was written to first."""
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        readable, _, _ = select.select([self.sock, waker], [], [])
        return waker not in readable

    def silent(self) -> ConnectionLost:
        """The error for an answer that does not arrive."""
        return ConnectionLost(
            f"The phone's service {self.service} does not answer.",
            hint="Disconnect the phone, restart it, connect it again and try again.",
        )

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(
            f"The connection to the phone's service {self.service} was lost.",
            hint="Check the cable and try again.",
        )


class PlistStream(ServiceStream):
    """A stream of property lists, each after its length (unsigned 32 bits, big-endian)."""

    def send(self, message: Values) -> None:
        """Send a dictionary, as XML."""
        if self.record is not None:
            self.record.said(">", message)
        body = plistlib.dumps(dict(message))
        self.write(_LENGTH.pack(len(body)) + body)

    def receive(self, seconds: float | None = None) -> Values:
        """The next message, within ``seconds`` or the time for an answer.

        Raises:
            ConnectionLost: none arrived in time.
            ProtocolBroken: it is too long, or not a dictionary.
        """
        message = self.poll(self.answer_s if seconds is None else seconds)
        if message is None:
            raise self.silent()
        return message

    def poll(self, seconds: float) -> Values | None:
        """The next message; None if none has arrived within ``seconds``."""
        deadline = time.monotonic() + seconds
        if not self.fill(_LENGTH.size, deadline):
            return None
        (length,) = _LENGTH.unpack(self.peek(_LENGTH.size))
        if length > plist_values.LARGEST_PLIST:
            raise ProtocolBroken(f"The phone's service {self.service} sent a message of {length} bytes.")
        if not self.fill(_LENGTH.size + length, deadline):
            return None
        self.take(_LENGTH.size, deadline)
        body = self.take(length, deadline) or b""
        message = plist_values.load_dict(body, f"The phone's service {self.service}")
        if self.record is not None:
            self.record.said("<", message, body)
        return message

    def ask(self, message: Values, seconds: float | None = None) -> Values:
        """Send, then receive."""
        self.send(message)
        return self.receive(seconds)
