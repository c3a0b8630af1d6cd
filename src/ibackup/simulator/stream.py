"""One connection to the virtual iPhone, seen from the phone: blocking, plain or TLS.

A Stream belongs to the thread that serves it; other threads may call only `cancel` and `sever`.
"""

import collections
import contextlib
import selectors
import socket
import ssl
import struct
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

from ibackup.base.tls_wrapping import wrapped as wrapped_in_tls

T = TypeVar("T")

Buffer: TypeAlias = bytes | bytearray | memoryview

FAREWELL_S: Final = 1.0
"""How long a closing connection waits for the other side to close too."""


class StreamEnded(Exception):
    """The connection is over: the other side closed it, it broke, or the server stops."""


class Stream:
    """A connection.

    Attributes:
        bytes_read: bytes the phone has read, counted inside TLS.
        bytes_written: bytes the phone has written, counted inside TLS.
        computer: HostID of the computer at the other end; empty while it is not known.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()  # protects the descriptor from being closed during cancel()
        self._closed = False
        self._cancelled = threading.Event()
        self._severed = False
        self._heard_of = threading.Event()
        self._traps: list[tuple[int, Callable[[], None]]] = []
        self.computer = ""
        self.bytes_read = 0
        self.bytes_written = 0
        with contextlib.suppress(OSError):  # a Unix socket has no such option
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- reading and writing

    def read_exact(self, size: int) -> bytes:
        """Read exactly `size` bytes.

        Raises:
            StreamEnded: the connection ended first.
        """
        data = bytearray(size)
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, view: memoryview) -> None:
        """Fill `view`.

        Raises:
            StreamEnded: the connection ended first.
        """
        done = 0
        while done < len(view):
            allowed = self._allowed(len(view) - done)
            with _ends_stream:
                count = self._socket.recv_into(view[done : done + allowed])
            if not count:
                raise StreamEnded("the other side closed the connection")
            done += count
            self.bytes_read += count

    def read_some(self, limit: int) -> bytes:
        """Read what has arrived: at least one byte and at most `limit`; empty if the other side has closed."""
        allowed = self._allowed(limit)
        with _ends_stream:
            data = self._socket.recv(allowed)
        self.bytes_read += len(data)
        return data

    def write(self, data: Buffer) -> None:
        """Write everything.

        Raises:
            StreamEnded: the connection ended first.
        """
        view = memoryview(data).cast("B")
        while len(view):
            allowed = self._allowed(len(view))
            with _ends_stream:
                self._socket.sendall(view[:allowed])
            self.bytes_written += allowed
            view = view[allowed:]

    def wait(self, timeout: float | None = None, mailbox: "Mailbox[T] | None" = None) -> bool:
        """Wait until there is something to read or, with a mailbox, something in it.

        Returns:
            True when there is something to read (or the connection has ended).
        """
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._socket, selectors.EVENT_READ)
            except (ValueError, OSError) as error:
                raise StreamEnded("the connection was closed here") from error
            if mailbox is not None:
                selector.register(mailbox, selectors.EVENT_READ)
            ready = selector.select(timeout)
        return any(key.fileobj is self._socket for key, _ in ready)

    def pause(self, seconds: float) -> None:
        """Do nothing for a while.

        Raises:
            StreamEnded: the server stops, or the phone was unplugged.
        """
        if self._cancelled.wait(seconds):
            raise StreamEnded("the connection was cancelled")

    # --- TLS

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Become the server of a TLS connection.

        Raises:
            StreamEnded: the handshake failed.
        """
        sock = self._socket

        # The handshake begins after the descriptor has its new owner, so that cancel() can end it.
        with self._lock:
            if self._closed:
                raise StreamEnded("the connection was closed here")
            with _ends_stream:
                wrapped = wrapped_in_tls(context, sock, server_side=True)
            self._socket = wrapped
        with _ends_stream:
            wrapped.do_handshake()

    def stop_tls(self) -> None:
        """Say goodbye in TLS and continue unencrypted.

        Raises:
            StreamEnded: the other side did not answer the goodbye.
        """
        sock = self._socket
        if isinstance(sock, ssl.SSLSocket):
            sock.settimeout(FAREWELL_S)
            with _ends_stream:
                sock.unwrap()
                sock.settimeout(None)

    # --- the end

    def close(self) -> None:
        """Close the connection cleanly, so that everything written arrives."""
        with self._lock:
            if self._closed:
                return
        if self._severed:
            self._heard_of.wait()
            self.drop()
            return
        with contextlib.suppress(OSError, ValueError):  # it is over either way
            self._part_in_peace()
        self._release()

    def drop(self) -> None:
        """Break the connection: the other side sees a reset (an end on a Unix socket)."""
        with contextlib.suppress(OSError):  # not every socket has the option
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._release()

    def cancel(self) -> None:
        """Wake the thread that serves the connection; its next call raises StreamEnded. Safe from every thread."""
        self._cancelled.set()
        self._heard_of.set()
        with self._lock:
            if not self._closed:
                with contextlib.suppress(OSError):  # the other side closed first
                    # Not SSLSocket's own method, which would remove the TLS state while the serving thread
                    # uses it.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def sever(self) -> None:
        """End it on the phone's side alone, as if the radio were off: the other side hears nothing until cancel().

        Safe from every thread.
        """
        with self._lock:
            self._severed = True
            self._cancelled.set()
            if not self._closed:
                with contextlib.suppress(OSError):  # this sends nothing, but wakes the thread that reads
                    socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def _part_in_peace(self) -> None:
        """Close our direction, then wait for the other side: closing with unread input would cause a reset."""
        sock = self._socket
        if isinstance(sock, ssl.SSLSocket):
            sock.settimeout(0)  # send the goodbye, do not wait for the answer
            with contextlib.suppress(OSError, ValueError):
                sock.unwrap()
        socket.socket.shutdown(sock, socket.SHUT_WR)
        deadline = time.monotonic() + FAREWELL_S
        while (left := deadline - time.monotonic()) > 0 and not self._cancelled.is_set():
            sock.settimeout(left)
            if not socket.socket.recv(sock, 65_536):
                return

    def _release(self) -> None:
        with self._lock:
            self._closed = True
            self._socket.close()

    # --- traps

    def trap(self, count: int, action: Callable[[], None]) -> None:
        """Call `action` (in the serving thread) after `count` bytes in both directions together."""
        self._traps = sorted([*self._traps, (count, action)], key=lambda trap: trap[0])

    def _allowed(self, wanted: int) -> int:
        """Run the traps that are due; return how many of the wanted bytes may pass before the next one."""
        if self._severed:
            raise StreamEnded("the connection was severed")
        while self._traps:
            left = self._traps[0][0] - self.bytes_read - self.bytes_written
            if left > 0:
                return min(wanted, left)
            _, action = self._traps.pop(0)
            action()
        return wanted


class _EndsStream:
    """Turns a socket's error on an ended connection into StreamEnded."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        if isinstance(error, OSError | ValueError):  # ValueError: TLS begun on a connection that has ended
            raise StreamEnded(str(error) or type(error).__name__) from error


_ends_stream: Final = _EndsStream()

_NO_LINGER: Final = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)


class Mailbox(Generic[T]):
    """Items from other threads for a thread that waits for its connection at the same time."""

    def __init__(self) -> None:
        self._items: collections.deque[T] = collections.deque()
        self._waiting, self._waking = socket.socketpair()
        self._waking.setblocking(False)
        self._waiting.setblocking(False)

    def put(self, item: T) -> None:
        """Leave an item. Safe from every thread; after close() it does nothing."""
        self._items.append(item)
        with contextlib.suppress(OSError):  # full: already awake; closed: nobody reads
            self._waking.send(b"\0")

    def take_all(self) -> list[T]:
        """All items left so far."""
        with contextlib.suppress(OSError):  # nothing to read
            self._waiting.recv(4096)
        items = []
        while self._items:
            items.append(self._items.popleft())
        return items

    def fileno(self) -> int:
        """For selectors."""
        return self._waiting.fileno()

    def close(self) -> None:
        """Release the descriptors."""
        self._waiting.close()
        self._waking.close()
