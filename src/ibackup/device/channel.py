"""The two ways in which the small services talk: property lists with their length before them, and AFC packets."""

import contextlib
import plistlib
import select
import socket
import ssl
import struct
import time
from types import TracebackType
from typing import Self

from ibackup.device import values
from ibackup.device.values import Values
from ibackup.errors import ConnectionLost, ProtocolBroken

ANSWER_SECONDS = 30.0

_LENGTH = struct.Struct(">I")
_READ_BYTES = 65536


class Stream:
    """A socket to a small service, read with a deadline; a context manager.

    What has come of an unfinished answer is kept, so that reading may go on after a deadline.
    """

    def __init__(self, sock: socket.socket, service: str) -> None:
        self.sock = sock
        self.service = service
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; its other end may be gone already."""
        with contextlib.suppress(OSError):
            self.sock.close()

    def write(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self.sock.settimeout(ANSWER_SECONDS)
            self.sock.sendall(data)
        except OSError as error:
            raise self._lost() from error

    def take(self, size: int, deadline: float) -> bytes | None:
        """Exactly so many bytes, or None when they have not all come by then (time.monotonic)."""
        if not self.fill(size, deadline):
            return None
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def fill(self, size: int, deadline: float) -> bool:
        """Read until the buffer holds so many bytes; whether it does by then."""
        while len(self._buffer) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            try:
                self.sock.settimeout(left)
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
        """The first bytes of the buffer, after ``fill``."""
        return bytes(self._buffer[:size])

    def wait(self, waker: socket.socket) -> bool:
        """Wait until there is something to read; False when the waker was written to first."""
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        readable, _, _ = select.select([self.sock, waker], [], [])
        return waker not in readable

    def silent(self) -> ConnectionLost:
        """The error for an answer that does not come."""
        return ConnectionLost(
            f"The phone's service {self.service} does not answer.",
            hint="Disconnect the phone, restart it, connect it again and try again.",
        )

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(
            f"The connection to the phone's service {self.service} was lost.",
            hint="Check the cable and try again.",
        )


class PlistStream(Stream):
    """Property lists, each after its length (unsigned 32 bits, big-endian)."""

    def send(self, message: Values) -> None:
        """Send a dictionary, as XML."""
        body = plistlib.dumps(dict(message))
        self.write(_LENGTH.pack(len(body)) + body)

    def receive(self, seconds: float = ANSWER_SECONDS) -> Values:
        """The next message.

        Raises:
            ConnectionLost: none came in time.
            ProtocolBroken: too long, or no dictionary.
        """
        message = self.poll(seconds)
        if message is None:
            raise self.silent()
        return message

    def poll(self, seconds: float) -> Values | None:
        """The next message, None when none has come within so many seconds."""
        deadline = time.monotonic() + seconds
        if not self.fill(_LENGTH.size, deadline):
            return None
        (length,) = _LENGTH.unpack(self.peek(_LENGTH.size))
        if length > values.LARGEST_PLIST:
            raise ProtocolBroken(f"The phone's service {self.service} sent a message of {length} bytes.")
        if not self.fill(_LENGTH.size + length, deadline):
            return None
        self.take(_LENGTH.size, deadline)
        body = self.take(length, deadline)
        return values.load_dict(body or b"", f"The phone's service {self.service}")

    def ask(self, message: Values, seconds: float = ANSWER_SECONDS) -> Values:
        """Send, then receive."""
        self.send(message)
        return self.receive(seconds)
