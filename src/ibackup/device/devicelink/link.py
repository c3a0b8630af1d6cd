"""The DeviceLink channel, the computer's side: a socket read into large buffers.

TLS delivers at most 16 KiB at a time, so the reading loop does almost nothing per call, and reads everything there is
before it parses. A phone that is faster than us is read in large pieces, a slower one without delay. While the phone
is silent, the loop wakes up a few times a second, to notice a stall, a cancelled backup or Ctrl-C. Memory is only
used for what has arrived, never for what the phone announces.
"""

import contextlib
import logging
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from ibackup.apple import plists
from ibackup.apple.format_errors import FormatError
from ibackup.base.confined import shown
from ibackup.base.durations import duration_words
from ibackup.base.errors import ConnectionLost
from ibackup.config.stall_limits import Limits
from ibackup.device.devicelink.frames_and_chunks import (
    EMPTY,
    LENGTH,
    MAX_MESSAGE,
    FileParser,
    FileSink,
    broken,
    encode,
    encode_status,
)
from ibackup.device.devicelink.receive_blocks import BLOCK, ReceiveBlock, private_block
from ibackup.device.devicelink.sender import FileSender
from ibackup.trace import tapping

_log = logging.getLogger(__name__)

SERVICE: Final = "com.apple.mobilebackup2"

VERSION: Final = 400
"""The highest DeviceLink version that we speak.

With it, a phone may ask us to free space. We answer that we cannot, and it gives up at once and says why. With a
lower version it could not even ask how much is free.
"""

_LEAST_ROOM = 64 << 10  # with less free than this, a new buffer is better than small reads
_TICK_S = 0.25
# While this many bytes are certain to come, we pause to read about that many at a time.
_WORTH_A_PAUSE = 16 << 10
_BURST = 64 << 10
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.00005, 0.002
_PINGS = 4  # how many times the limit for a message we wait while the phone only says that it is there
_FAREWELL_S = 1.0


class BlockSink(FileSink, Protocol):
    """Receives files from buffers, and keeps each buffer for as long as it needs views into it."""

    @property
    def last_file(self) -> str:
        """The path on the phone of the file that started last."""

    def offer(self) -> None:
        """Everything that has arrived so far was passed on: a chance to process it."""

    def swap(self, full: ReceiveBlock) -> ReceiveBlock:
        """Give up a buffer, and get a free one in exchange, for the files that follow; at first the link's own."""

    def finish(self) -> None:
        """The list is complete, and every full buffer was passed on."""


class NotedSink:
    """A sink that also records the files."""

    def __init__(self, sink: BlockSink, notes: tapping.Files) -> None:
        self._sink = sink
        self.notes = notes
        self.offer, self.swap, self.finish = sink.offer, sink.swap, sink.finish

    @property
    def last_file(self) -> str:
        """The path on the phone of the file that started last."""
        return self._sink.last_file

    def begin(self, device_path: str, path: str) -> None:
        """See FileSink."""
        self.notes.begin(path, device_path)
        self._sink.begin(device_path, path)

    def data(self, buffer: memoryview, start: int, stop: int) -> None:
        """See FileSink."""
        self.notes.data(buffer[start:stop])
        self._sink.data(buffer, start, stop)

    def end(self, code: int, text: str) -> None:
        """See FileSink."""
        self.notes.end(code, text)
        self._sink.end(code, text)


def _nothing() -> None:
    """The default pulse, which does nothing."""


class DeviceLink:
    """A DeviceLink connection; a context manager that closes the socket.

    Args:
        sock: blocking, plain or TLS; the link closes it.
        noun: what messages call the phone.
        limits: how long the phone may be silent.

    Attributes:
        pulse: called a few times a second, and often while files arrive; it may raise to stop everything.
        waiting: seconds of silence allowed before the next message.
        sending: seconds during which the phone may accept nothing of what we send.
        activity: what the phone does, as in "while it sends files".
        last_file: the file that began to arrive last, as the phone named it.

    Raises (every method):
        ConnectionLost: the connection ended, or the phone was silent for too long.
        ProtocolBroken: the phone sent something that is not DeviceLink.
    """

    def __init__(self, sock: socket.socket, *, noun: str = "iPhone", limits: Limits | None = None) -> None:
        self._sock = sock
        self._noun = noun
        self.limits = limits or Limits()
        self.pulse: Callable[[], None] = _nothing
        self.waiting = self.limits.answer_s
        self.sending = self.limits.sending_s
        self.activity = "it was to answer"
        self.last_file = ""
        self.version = 0
        self._limit = self.waiting
        self._quiet_since: float | None = None
        self._metered = False
        self._waited = 0.0
        self._moved = 0
        self._burst = 0
        self._drained = False
        self._paused = _SHORTEST_PAUSE_S
        self._block = self._own_block = private_block()
        self._view = self._block.view
        self._start = self._end = 0
        self._sink: BlockSink | None = None
        self._read = _reader(sock)
        self._end_seen: OSError | bool = False
        self._parted = False
        sock.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._waits_for = selectors.EVENT_READ
        self._selector.register(sock, self._waits_for)
        self._record = tapping.opened(SERVICE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._record is not None:
            self._record.close(error)
        self.close()

    def close(self) -> None:
        """Close the socket without saying goodbye."""
        self._block, self._view = self._own_block, self._own_block.view  # the sink's memory can go
        self._start = self._end = 0
        self._selector.close()
        with contextlib.suppress(OSError):  # the other end may be gone already
            self._sock.close()

    @property
    def silent_s(self) -> float:
        """For how many seconds we have waited while nothing passed in either direction."""
        return 0.0 if self._quiet_since is None else time.monotonic() - self._quiet_since

    @property
    def limit_s(self) -> float:
        """How many seconds that may last."""
        return self._limit

    # -- messages -------------------------------------------------------------------------------------------

    def handshake(self) -> None:
        """Agree on a version and wait until the phone is ready."""
        self.waiting = self.limits.answer_s
        offer = self.receive()
        major = offer[1] if len(offer) > 1 else None
        if offer[0] != "DLMessageVersionExchange" or not isinstance(major, int) or not 0 < major < 1 << 31:
            raise broken(f"The {self._noun} began with {_named(offer)} where it should say its version.")
        self.version = min(major, VERSION)
        _log.debug("DeviceLink %d, the phone's is %d", self.version, major)
        self.send(["DLMessageVersionExchange", "DLVersionsOk", self.version])
        ready = self.receive()
        if ready[0] != "DLMessageDeviceReady":
            raise broken(f"The {self._noun} sent {_named(ready)} where it should say that it is ready.")

    def receive(self) -> list[object]:
        """The next message: its name, then its parameters."""
        began = time.monotonic()
        while True:
            self._limit = self.waiting
            self._metered = False
            self._fill(LENGTH.size)
            (length,) = LENGTH.unpack_from(self._view, self._start)
            if length > MAX_MESSAGE:
                raise broken(
                    f"The {self._noun} announced a message of {length:,} bytes.",
                    f"{MAX_MESSAGE:,} is the most allowed.",
                )
            self._start += LENGTH.size
            self._limit = min(self.waiting, self.limits.within_file_s)
            self._metered = True
            try:
                body = self._take(length)
                message = plists.load(body, part="The message")
            except FormatError as error:
                raise broken(f"The {self._noun} sent a message that cannot be read.", error.why) from None
            if not isinstance(message, list) or not message or not isinstance(message[0], str):
                raise broken(f"The {self._noun} sent a message that is not an array with a name.")
            if self._record is not None:
                self._record.said("<", message, body)
            if message[0] != "DLMessagePing":
                return message
            if time.monotonic() - began > _PINGS * self.waiting:
                raise self._stalled(
                    f"has only said that it is there for {duration_words(time.monotonic() - began)}"
                )

    def send(self, message: Sequence[object]) -> None:
        """Send a message."""
        self.send_encoded(encode(message))

    def send_status(self, code: int, text: str = "", value: object = None) -> None:
        """Answer a request; None stands for DeviceLink's empty marker."""
        self.send_encoded(encode_status(code, text, value))

    def send_encoded(self, data: bytes) -> None:
        """Send a message that already starts with its length."""
        if self._record is not None:
            self._record.said(">", None, data[LENGTH.size :])
        self.write(memoryview(data))

    def disconnect(self) -> None:
        """Say goodbye once, if the connection still allows it. Never raises because of the phone."""
        if self._parted or self._end_seen:
            return
        self._parted = True
        with contextlib.suppress(OSError, ValueError):  # it is over either way
            if self._record is not None:
                self._record.said(">", ["DLMessageDisconnect", EMPTY])
            self._sock.settimeout(_FAREWELL_S)
            self._sock.sendall(encode(["DLMessageDisconnect", EMPTY]))

    # -- files ----------------------------------------------------------------------------------------------

    def receive_files(self, sink: BlockSink) -> int:
        """Receive the files that follow an UploadFiles message; returns their bytes.

        The sink may still be processing the last of them, in buffers that are now its own.
        """
        if self._record is not None:
            sink = NotedSink(sink, self._record.files("<"))
        parser = FileParser(sink)
        limits = self.limits
        self._sink = sink
        self._metered = True
        try:
            if self._block is self._own_block:
                self._swap(sink)  # the files go into the sink's buffers
            while True:
                self._start = parser.parse(self._view, self._start, self._end)
                if parser.done:
                    break
                sink.offer()
                self.pulse()
                self._limit = limits.within_file_s if parser.in_file else limits.between_files_s
                if BLOCK - self._start < min(parser.need, _LEAST_ROOM):
                    self._swap(sink)
                self._fill(min(parser.need, BLOCK - self._start))
            self._swap(sink)
            sink.finish()
        finally:
            self.last_file = sink.last_file or self.last_file
            self._sink = None
            if isinstance(sink, NotedSink):
                sink.notes.close()
        return parser.received

    def file_sender(self) -> FileSender:
        """A sender for the files that answer a DownloadFiles message."""
        return FileSender(self.write, notes=self._record.files(">") if self._record is not None else None)

    # -- bytes ----------------------------------------------------------------------------------------------

    def _swap(self, sink: BlockSink) -> None:
        """Continue in a new buffer, with the few bytes that could not be parsed yet."""
        rest = self._end - self._start
        fresh = sink.swap(self._block)
        fresh.view[:rest] = self._view[self._start : self._end]
        self._block, self._view = fresh, fresh.view
        self._start, self._end = 0, rest

    def _take(self, size: int) -> bytes:
        """Exactly ``size`` bytes. Memory beyond the buffer is used only as they arrive."""
        if size <= BLOCK:
            self._fill(size)
            self._start += size
            return bytes(self._view[self._start - size : self._start])
        whole = bytearray()
        while len(whole) < size:
            if self._start == self._end:
                self._fill(1)
            part = self._view[self._start : min(self._end, self._start + size - len(whole))]
            whole += part
            self._start += len(part)
        return bytes(whole)

    def _fill(self, wanted: int) -> None:
        """Read everything there is, until at least that many unread bytes are in the buffer."""
        if self._sink is None and (self._start == self._end or self._start + wanted > BLOCK):
            # Only between messages, when there are no views into the buffer.
            rest = self._end - self._start
            self._view[:rest] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, rest
        target = self._start + wanted
        while True:
            if not (self._end_seen or self._drained):
                self._read_all()
            if self._end >= target:
                return
            if self._end_seen:
                raise self._lost(self._end_seen)
            if target - self._end > _WORTH_A_PAUSE:
                self._pause()
            self._wait(selectors.EVENT_READ)
            self._drained = False

    def _pause(self) -> None:
        """Wait until more has arrived: being woken for each TLS record takes longer than reading it."""
        burst, self._burst = self._moved - self._burst, self._moved
        if burst < _BURST:
            self._paused = min(2 * self._paused, _LONGEST_PAUSE_S)
        elif burst > 2 * _BURST:
            self._paused = max(self._paused / 2, _SHORTEST_PAUSE_S)
        time.sleep(self._paused)

    def _read_all(self) -> None:
        """Read until the buffer is full or nothing more is there for now."""
        view, read, end = self._view, self._read, self._end
        try:
            while end < BLOCK:
                count = read(view[end:])
                if not count:
                    self._end_seen = True
                    break
                end += count
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._drained = True  # asking again would take longer than waiting
        except OSError as error:
            # Use what arrived before that first. Its traceback would keep a view into the buffer.
            self._end_seen = error.with_traceback(None)
        if end > self._end:
            self._quiet_since = None
            self._moved += end - self._end
            self._end = end

    def write(self, data: memoryview) -> None:
        """Send all of it."""
        self._limit = self.sending
        self._quiet_since = None
        self._metered = True
        while len(data):
            try:
                count = self._sock.send(data)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                self._wait(selectors.EVENT_WRITE)
                continue
            except OSError as error:
                raise self._lost(error) from error
            data = data[count:]
            self._moved += count
            self._quiet_since = None

    def _wait(self, event: int) -> None:
        """Wait a moment for the socket."""
        now = time.monotonic()
        if self._quiet_since is None:
            self._quiet_since = now
        if event != self._waits_for:
            self._waits_for = event
            self._selector.modify(self._sock, event)
        ready = self._selector.select(_TICK_S)
        if self._metered:
            self._meter(time.monotonic() - now)
        if ready:
            return
        if time.monotonic() - self._quiet_since > self._limit:
            raise self._stalled(f"has been silent for {duration_words(self._limit)}")
        self.pulse()

    def _meter(self, waited: float) -> None:
        """Raise if a stall limit has passed."""
        self._waited += waited
        if self._waited < self.limits.trickle_s:
            return
        if self._moved < self.limits.least_bytes:
            raise self._stalled(f"moved {self._moved:,} bytes in {duration_words(self._waited)}")
        self._waited, self._moved = 0.0, 0

    def _stalled(self, what: str) -> ConnectionLost:
        return ConnectionLost(
            f"The {self._noun} {what} while {self.activity}.",
            why=self._last_words(),
            hint=f"Disconnect the {self._noun}, restart it, connect it again and run the command again: "
            "what has arrived is kept, and the backup continues from there.",
        )

    def unplugged(self) -> ConnectionLost:
        """The error for a pulled cable; the connection itself would only report it after a while."""
        return ConnectionLost(
            f"The {self._noun} was disconnected while {self.activity}.",
            why=self._last_words(),
            hint="Connect it and run the command again: what has arrived is kept, and the backup continues from there.",
        )

    def _lost(self, error: OSError | bool) -> ConnectionLost:
        said = f" ({error.strerror or type(error).__name__})" if isinstance(error, OSError) else ""
        return ConnectionLost(
            f"The connection to the {self._noun} was lost while {self.activity}{said}.",
            why=self._last_words(),
            hint="Check the cable, then run the command again: what has arrived is kept, and the backup continues "
            "from there.",
        )

    def _last_words(self) -> str:
        last = (self._sink.last_file if self._sink else "") or self.last_file
        return f"The last file was {shown(last)}." if last else ""


def _reader(sock: socket.socket) -> Callable[[memoryview], int]:
    """The most direct call that reads from the socket into a view; it returns 0 at the end."""
    if isinstance(sock, ssl.SSLSocket):
        read = sock.read

        def read_tls(view: memoryview) -> int:
            # With a buffer the return value is a number, which the type stubs do not say.
            return read(BLOCK, view)  # type: ignore[return-value]

        return read_tls
    return sock.recv_into


def _named(message: list[object]) -> str:
    return shown(str(message[0]), 80)
