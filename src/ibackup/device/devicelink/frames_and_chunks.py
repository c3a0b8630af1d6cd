"""The bytes of DeviceLink, the channel below mobilebackup2: no sockets here.

Control messages are a length (unsigned 32 bits, big-endian) and a property list whose root is an array. Files go
raw on the same stream. A file from the phone is two names (where it came from, where to store it) and chunks. A chunk
is a length, one code byte and ``length - 1`` bytes. Code 0x0C is data. **Any other code ends the file**: it is the
negated status in one byte, followed by a text. A name of length 0 ends the list.
"""

import errno
import functools
import plistlib
import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final, Protocol

from ibackup.base.confined import shown
from ibackup.base.disks import FULL_ERRNOS
from ibackup.base.errors import ProtocolBroken

EMPTY: Final = "___EmptyParameterString___"  # how DeviceLink spells "nothing"
CODE_SUCCESS: Final = 0x00
CODE_DATA: Final = 0x0C

MAX_MESSAGE: Final = 64 << 20
MAX_FRAME: Final = 64 << 20
MAX_DATA: Final = (
    1 << 31
) - 1  # of a chunk of data, which is passed on as it arrives, so its length takes no memory
MAX_PATH: Final = 4096
MAX_TEXT: Final = 1024  # bytes that are kept of an error text

LENGTH: Final = struct.Struct(">I")
CHUNK_HEAD: Final = struct.Struct(">IB")

_NOT_APPLE = (
    "No iPhone is known to do this: try another cable and restart it; if the problem persists, report it."
)


class LinkStatus(IntEnum):
    """DeviceLink's status of an operation; the phone reads it as a signed 32-bit number."""

    OK = 0
    GENERIC = -1
    UNIMPLEMENTED = -2
    NOT_FOUND = -6
    EXISTS = -7
    NOT_A_DIRECTORY = -8
    IS_A_DIRECTORY = -9
    LOOP = -10
    INPUT_OUTPUT = -11
    MULTI = -13
    NO_SPACE = -15


NO_ROOM_ERRNOS: Final = FULL_ERRNOS | {errno.EFBIG}

_BY_ERRNO: Final[dict[int, LinkStatus]] = {
    errno.ENOENT: LinkStatus.NOT_FOUND,
    errno.EEXIST: LinkStatus.EXISTS,
    errno.ENOTDIR: LinkStatus.NOT_A_DIRECTORY,
    errno.EISDIR: LinkStatus.IS_A_DIRECTORY,
    errno.ELOOP: LinkStatus.LOOP,
    errno.EIO: LinkStatus.INPUT_OUTPUT,
} | dict.fromkeys(NO_ROOM_ERRNOS, LinkStatus.NO_SPACE)


def status_of(error: OSError) -> LinkStatus:
    """The status that reports a file system's error to the phone."""
    return _BY_ERRNO.get(error.errno or 0, LinkStatus.GENERIC)


def broken(what: str, why: str = "") -> ProtocolBroken:
    """The error for something that the protocol does not allow."""
    return ProtocolBroken(what, why=why, hint=_NOT_APPLE)


def encode(message: Sequence[object]) -> bytes:
    """A control message with its length, as a binary plist; negative numbers become 8-byte two's complement."""
    body = plistlib.dumps(list(message), fmt=plistlib.FMT_BINARY, sort_keys=False)
    return LENGTH.pack(len(body)) + body


def encode_status(code: int, text: str = "", value: object = None) -> bytes:
    """A status answer: always four elements, because the phone fails with fewer."""
    if value is None:
        return _bare_status(int(code), text)
    return encode(["DLMessageStatusResponse", int(code), text or EMPTY, value])


@functools.lru_cache(64)
def _bare_status(code: int, text: str) -> bytes:
    return encode(["DLMessageStatusResponse", code, text or EMPTY, EMPTY])


def multi_status(failures: Mapping[str, tuple[int, str]]) -> dict[str, object]:
    """The value of a multi-status: what failed, by the path exactly as the phone requested it."""
    return {
        path: {"DLFileErrorString": text, "DLFileErrorCode": int(code)}
        for path, (code, text) in failures.items()
    }


class FileSink(Protocol):
    """Takes the files of a stream as they are parsed."""

    def begin(self, device_path: str, path: str) -> None:
        """A file starts: its path on the phone, and where to store it. Raises to refuse it."""

    def data(self, buffer: memoryview, start: int, stop: int) -> None:
        """The next bytes of the file: where they are in the parsed buffer. A file in one piece arrives as one."""

    def end(self, code: int, text: str) -> None:
        """The file ends; ``code`` is 0 if it is complete, otherwise the negated status of the error."""


class FileParser:
    """Takes the files out of the bytes that follow an UploadFiles message.

    Call ``parse`` whenever there are more bytes. It takes names and chunk heads only when they are complete, and data
    as it arrives. It moves the data of a file together within the buffer, over the heads between its chunks: that
    takes far less time than hashing and writing it in pieces.

    Attributes:
        done: the end of the list was seen.
        in_file: a file has started and not ended.
        need: how many bytes ``parse`` needs at least, from where it stopped, to continue. It is safe to wait for
            them, because the phone has begun to send them.
        received: bytes of data so far.
    """

    __slots__ = ("_code", "_first", "_last", "_left", "_sink", "_text", "done", "in_file", "need", "received")

    def __init__(self, sink: FileSink) -> None:
        self._sink = sink
        self._left = 0  # bytes of this chunk still to come
        self._code = CODE_DATA  # of this chunk
        self._text = bytearray()
        self._first = self._last = 0  # where the data moved together so far begins and ends
        self.done = False
        self.in_file = False
        self.need = LENGTH.size
        self.received = 0

    def parse(self, view: memoryview, start: int, end: int) -> int:
        """Parse ``view[start:end]``; returns where it stopped. Pass the rest again in the next call.

        Overwrites the part that it has parsed.

        Raises:
            ProtocolBroken: a length that is not allowed, or a name that is not text.
        """
        stop = self._parse(view, start, end)
        self._flush(view)
        return stop

    def _parse(self, view: memoryview, start: int, end: int) -> int:
        unpack_head = CHUNK_HEAD.unpack_from
        while True:
            if self._left:
                if start == end:
                    break
                start = self._take(view, start, end)
            elif not self.in_file:
                before, start = start, self._begin(view, start, end)
                if self.done or start == before:
                    return start
            elif end - start < CHUNK_HEAD.size:
                if end - start >= LENGTH.size and not LENGTH.unpack_from(view, start)[0]:
                    start += LENGTH.size
                    self._end(view, 1, "The file ended without a status.")
                    continue
                self.need = LENGTH.size if end - start < LENGTH.size else CHUNK_HEAD.size
                return start
            else:
                length, code = unpack_head(view, start)
                if code == CODE_DATA and 0 < length <= end - start - LENGTH.size:
                    # The most common case first: a whole chunk of data is here.
                    stop = start + LENGTH.size + length
                    self._data(view, start + CHUNK_HEAD.size, stop)
                    start = stop
                else:
                    start = self._head(view, length, code, start)
        # Something always follows a chunk, at least the four bytes that end the list.
        self.need = self._left + LENGTH.size
        return start

    def _data(self, view: memoryview, start: int, stop: int) -> None:
        """Move the data that is here together with the data before it."""
        last = self._last
        if not last:
            self._first = start
            self._last = stop
        else:
            self._last = last + stop - start
            view[last : self._last] = view[start:stop]

    def _flush(self, view: memoryview) -> None:
        """Pass on the data that was moved together."""
        if self._last > self._first:
            self.received += self._last - self._first
            self._sink.data(view, self._first, self._last)
        self._first = self._last = 0

    def _head(self, view: memoryview, length: int, code: int, start: int) -> int:
        """Parse the head of a chunk that is incomplete, or is not data."""
        if not length:
            self._end(view, 1, "The file ended without a status.")
            return start + LENGTH.size
        most = MAX_DATA if code == CODE_DATA else MAX_FRAME
        if length > most:
            raise broken(
                f"The phone announced {length:,} bytes in one piece.", f"{most:,} is the most allowed."
            )
        self._code = code
        self._left = length - 1
        if not self._left and code != CODE_DATA:
            self._end(view, code, "")
        return start + CHUNK_HEAD.size

    def _take(self, view: memoryview, start: int, end: int) -> int:
        """Take what is here of this chunk."""
        stop = min(end, start + self._left)
        self._left -= stop - start
        if self._code == CODE_DATA:
            self._data(view, start, stop)
        else:
            self._text += view[start : min(stop, start + MAX_TEXT - len(self._text))]
            if not self._left:
                self._end(view, self._code, self._text.decode("utf-8", "replace"))
        return stop

    def _end(self, view: memoryview, code: int, text: str) -> None:
        self._flush(view)
        self.in_file = False
        self._text.clear()
        self._sink.end(code, text)

    def _begin(self, view: memoryview, start: int, end: int) -> int:
        """Take the two names of the next file, or the end of the list; nothing if they are incomplete."""
        unpack = LENGTH.unpack_from
        at = start
        names: list[bytes] = []
        for _ in range(2):
            self.need = at + LENGTH.size - start
            if start + self.need > end:
                return start
            (length,) = unpack(view, at)
            if not 0 < length <= MAX_PATH:
                if not length and not names:
                    self.done = True
                    self.need = 0
                    return start + LENGTH.size
                raise broken(f"The phone sent a path of {length:,} bytes.", f"1 to {MAX_PATH:,} are allowed.")
            first = at + LENGTH.size
            at = first + length
            if at > end:
                self.need = at - start
                return start
            names.append(bytes(view[first:at]))
        try:
            path = names[1].decode()
        except UnicodeDecodeError:
            raise broken(f"The phone sent a path that is not text: {shown(repr(names[1]))}.") from None
        self.in_file = True
        self._sink.begin(names[0].decode("utf-8", "replace"), path)
        return at
