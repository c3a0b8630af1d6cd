"""The DeviceLink channel, the computer's side: a socket read into large buffers.

TLS hands out at most 16 KiB at a time, so the loop that reads does next to nothing per call, and takes all there
is before anything is parsed: a phone that is faster than us is read in large pieces, a slower one without delay.
While the phone is silent we wake up a few times a second, so that a stall, a cancelled backup or Ctrl-C is
noticed. Nothing is held that the phone has only announced.
"""

import contextlib
import logging
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

from ibackup.confined import shown
from ibackup.device.frames import (
    EMPTY,
    LENGTH,
    MAX_MESSAGE,
    FileParser,
    FileSink,
    broken,
    encode,
    encode_status,
)
from ibackup.device.sender import FileSender
from ibackup.errors import ConnectionLost
from ibackup.manifest import plists
from ibackup.manifest.flaws import FormatError

_log = logging.getLogger(__name__)

BLOCK: Final = 512 << 10
"""Bytes of one receive buffer. Small enough that data is still in the processor's cache when it is hashed."""

VERSION: Final = 400
"""The highest DeviceLink version spoken here. A phone may then ask for room to be made and is told that it cannot be,
after which it gives up at once and says why; with less it could not even ask for the free space."""

_LEAST_ROOM = 64 << 10  # with less than this a fresh buffer is better than small reads
_TICK_S = 0.25
# As long as so many bytes are certain to come, a pause is made to have about so many at a time.
_WORTH_A_PAUSE = 16 << 10
_BURST = 64 << 10
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.00005, 0.002
_PINGS = 4  # so many times as long as for a message is waited for one while the phone says that it is there
_FAREWELL_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds the phone may be silent.

    Attributes:
        answer: where it has nothing to do but answer.
        scan: while it waits for its passcode (up to 30 minutes), then looks through its files.
        message: between two requests; building a large manifest takes a while.
        between_files: within a list of files.
        mid_file: within a file.
        send: while it does not take what is sent to it.
        trickle: of waiting for bytes of files and messages, or for the phone to take some, in which fewer than
            ``least_bytes`` went either way: a phone that sends a byte a minute is not silent and would never end.
        least_bytes: see there.
    """

    answer: float = 60
    scan: float = 45 * 60
    message: float = 15 * 60
    between_files: float = 5 * 60
    mid_file: float = 60
    send: float = 120
    trickle: float = 15 * 60
    least_bytes: int = 1 << 20


class BlockSink(FileSink, Protocol):
    """Takes files from buffers that it keeps while it needs the views into them."""

    last_file: str

    def offer(self) -> None:
        """Everything that has come so far was handed in: a chance to work on it."""

    def swap(self, full: bytearray) -> bytearray:
        """Take over a buffer once no view into it is needed any more; a free one of the same size for it."""

    def finish(self) -> None:
        """The list is over, and every buffer that was filled was handed over."""


def _nothing() -> None:
    """The pulse of those who do not care."""


class DeviceLink:
    """A DeviceLink connection; a context manager that closes the socket.

    Args:
        sock: blocking, plain or TLS; belongs to the link from now on.
        noun: what messages call the phone.
        patience: the limits of its silence.

    Attributes:
        pulse: called a few times a second, and often while files arrive; may raise to stop everything.
        waiting: seconds of silence allowed before the next message.
        activity: what goes on, as in "while it sends files".
        last_file: the last file that began to arrive, as the phone named it.

    Raises (every method):
        ConnectionLost: the connection ended, or the phone was silent for too long.
        ProtocolBroken: what came is not DeviceLink.
    """

    def __init__(
        self, sock: socket.socket, *, noun: str = "iPhone", patience: Patience | None = None
    ) -> None:
        self._sock = sock
        self._noun = noun
        self.patience = patience or Patience()
        self.pulse: Callable[[], None] = _nothing
        self.waiting = self.patience.answer
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
        self._block = bytearray(BLOCK)
        self._view = memoryview(self._block)
        self._start = self._end = 0
        self._sink: BlockSink | None = None
        self._read = _reader(sock)
        self._end_seen: OSError | bool = False
        self._parted = False
        sock.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._waits_for = selectors.EVENT_READ
        self._selector.register(sock, self._waits_for)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket, without a word."""
        self._selector.close()
        with contextlib.suppress(OSError):  # its other end may be gone already
            self._sock.close()

    # -- messages -------------------------------------------------------------------------------------------

    def handshake(self) -> None:
        """Agree on a version and wait until the phone is ready."""
        self.waiting = self.patience.answer
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
            self._limit = min(self.waiting, self.patience.mid_file)
            self._metered = True
            try:
                message = plists.load(self._take(length), part="The message")
            except FormatError as error:
                raise broken(f"The {self._noun} sent a message that cannot be read.", error.why) from None
            if not isinstance(message, list) or not message or not isinstance(message[0], str):
                raise broken(f"The {self._noun} sent a message that is not an array with a name.")
            if message[0] != "DLMessagePing":
                return message
            if time.monotonic() - began > _PINGS * self.waiting:
                raise self._stalled(
                    f"has only said that it is there for {_duration(time.monotonic() - began)}"
                )

    def send(self, message: Sequence[object]) -> None:
        """Send a message."""
        self.write(memoryview(encode(message)))

    def send_status(self, code: int, text: str = "", value: object = None) -> None:
        """Answer a request; None stands for DeviceLink's empty marker."""
        self.write(memoryview(encode_status(code, text, value)))

    def disconnect(self) -> None:
        """Say goodbye, once, as far as the connection still allows; never raises for what the phone does."""
        if self._parted or self._end_seen:
            return
        self._parted = True
        with contextlib.suppress(OSError, ValueError):  # it is over either way
            self._sock.settimeout(_FAREWELL_S)
            self._sock.sendall(encode(["DLMessageDisconnect", EMPTY]))

    # -- files ----------------------------------------------------------------------------------------------

    def receive_files(self, sink: BlockSink) -> int:
        """Receive the files that follow an UploadFiles message; the bytes they had.

        The sink may still be working on the last of them: they are in buffers that are its own now.
        """
        parser = FileParser(sink)
        patience = self.patience
        self._sink = sink
        self._metered = True
        try:
            while True:
                self._start = parser.parse(self._view, self._start, self._end)
                if parser.done:
                    break
                sink.offer()
                self.pulse()
                self._limit = patience.mid_file if parser.in_file else patience.between_files
                if BLOCK - self._start < min(parser.need, _LEAST_ROOM):
                    self._swap(sink)
                self._fill(min(parser.need, BLOCK - self._start))
            self._swap(sink)
            sink.finish()
        finally:
            self.last_file = sink.last_file or self.last_file
            self._sink = None
        return parser.received

    def file_sender(self) -> FileSender:
        """For the files that answer a DownloadFiles message."""
        return FileSender(self.write)

    # -- bytes ----------------------------------------------------------------------------------------------

    def _swap(self, sink: BlockSink) -> None:
        """Go on in a fresh buffer; the few bytes that could not be parsed yet go along."""
        rest = self._end - self._start
        fresh = sink.swap(self._block)
        view = memoryview(fresh)
        view[:rest] = self._view[self._start : self._end]
        self._block, self._view = fresh, view
        self._start, self._end = 0, rest

    def _take(self, size: int) -> bytes:
        """Exactly so many bytes. What does not fit the buffer grows only as it comes."""
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
        """Read all there is, and until so many bytes are unread in the buffer."""
        if self._sink is None and (self._start == self._end or self._start + wanted > BLOCK):
            # Only between messages, when nobody holds a view.
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
        """Let more come before it is asked for: to be woken for each record takes longer than to read it."""
        burst, self._burst = self._moved - self._burst, self._moved
        if burst < _BURST:
            self._paused = min(2 * self._paused, _LONGEST_PAUSE_S)
        elif burst > 2 * _BURST:
            self._paused = max(self._paused / 2, _SHORTEST_PAUSE_S)
        time.sleep(self._paused)

    def _read_all(self) -> None:
        """Read until the buffer is full or there is nothing more for the moment."""
        view, read, end = self._view, self._read, self._end
        try:
            while end < BLOCK:
                count = read(view[end:])
                if not count:
                    self._end_seen = True
                    break
                end += count
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._drained = True  # to ask again would take longer than to wait
        except OSError as error:
            self._end_seen = error  # what came before it is used first
        if end > self._end:
            self._quiet_since = None
            self._moved += end - self._end
            self._end = end

    def write(self, data: memoryview) -> None:
        """Send all of it."""
        self._limit = self.patience.send
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
            raise self._stalled(f"has been silent for {_duration(self._limit)}")
        self.pulse()

    def _meter(self, waited: float) -> None:
        """End what would never end by itself."""
        self._waited += waited
        if self._waited < self.patience.trickle:
            return
        if self._moved < self.patience.least_bytes:
            raise self._stalled(f"moved {self._moved:,} bytes in {_duration(self._waited)}")
        self._waited, self._moved = 0.0, 0

    def _stalled(self, what: str) -> ConnectionLost:
        return ConnectionLost(
            f"The {self._noun} {what} while {self.activity}.",
            why=self._last_words(),
            hint=f"Disconnect the {self._noun}, restart it, connect it again and run the command again: "
            "what has arrived is kept, and it goes on from there.",
        )

    def unplugged(self) -> ConnectionLost:
        """The error for a cable that was pulled; the connection itself would tell only after a while."""
        return ConnectionLost(
            f"The {self._noun} was disconnected while {self.activity}.",
            why=self._last_words(),
            hint="Connect it and run the command again: what has arrived is kept, and it goes on from there.",
        )

    def _lost(self, error: OSError | bool) -> ConnectionLost:
        said = f" ({error.strerror or type(error).__name__})" if isinstance(error, OSError) else ""
        return ConnectionLost(
            f"The connection to the {self._noun} was lost while {self.activity}{said}.",
            why=self._last_words(),
            hint="Check the cable, then run the command again: what has arrived is kept, and it goes on from there.",
        )

    def _last_words(self) -> str:
        last = (self._sink.last_file if self._sink else "") or self.last_file
        return f"The last file was {shown(last)}." if last else ""


def _reader(sock: socket.socket) -> Callable[[memoryview], int]:
    """The call that reads into a view with the least between it and the socket; 0 at the end."""
    if isinstance(sock, ssl.SSLSocket):
        read = sock.read

        def read_tls(view: memoryview) -> int:
            # With a buffer the return value is a number, which the type stubs do not say.
            return read(BLOCK, view)  # type: ignore[return-value]

        return read_tls
    return sock.recv_into


def _named(message: list[object]) -> str:
    return shown(str(message[0]), 80)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
