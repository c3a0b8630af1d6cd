"""AFC, the service that gives access to one of the phone's folders: list, open, lock, read and write files.

A packet is a header (magic, total length, length of header and parameters, number, operation; 64-bit little-endian),
parameters and perhaps data. An answer repeats the number.
"""

import struct
import time
from enum import IntEnum

from ibackup.base.errors import PhoneRefused, ProtocolBroken
from ibackup.device.mux.channel import ServiceStream

SERVICE = "com.apple.afc"

_MAGIC = b"CFA6LPAA"
_HEADER = struct.Struct("<8sQQQQ")
_NUMBER = struct.Struct("<Q")
_PAIR = struct.Struct("<QQ")
_LARGEST_ANSWER = 4 << 20
_READ_BYTES = 256 << 10
_WRITE_BYTES = 64 << 10


class Operation(IntEnum):
    """The operations that we use."""

    STATUS = 0x01
    DATA = 0x02
    READ_FOLDER = 0x03
    REMOVE = 0x08
    MAKE_DIR = 0x09
    GET_FILE_INFO = 0x0A
    FILE_OPEN = 0x0D
    FILE_OPENED = 0x0E
    READ = 0x0F
    WRITE = 0x10
    CLOSE = 0x14
    LOCK = 0x1B


class AfcStatus(IntEnum):
    """The status codes that we distinguish."""

    OK = 0
    NOT_FOUND = 8
    EXISTS = 16
    WOULD_BLOCK = 19


class Mode(IntEnum):
    """How to open a file."""

    READ = 1
    READ_WRITE = 2
    WRITE = 3


class Lock(IntEnum):
    """What to do with a file's lock."""

    EXCLUSIVE = 6
    UNLOCK = 12


class AfcRefused(PhoneRefused):
    """An operation failed; ``status`` is AFC's code."""

    def __init__(self, doing: str, status: int) -> None:
        super().__init__(
            f"The phone could not {doing} (AFC {status}).", hint="Restart the phone and try again."
        )
        self.status = status


class Afc(ServiceStream):
    """A connection to AFC.

    Raises (every method):
        AfcRefused: the phone refuses.
        ConnectionLost: the phone is gone or silent.
        ProtocolBroken: its answers make no sense.
    """

    _number = 0

    def open(self, path: str, mode: Mode) -> int:
        """Open a file; returns its handle."""
        kind, body = self._ask(Operation.FILE_OPEN, _NUMBER.pack(mode) + _text(path), f"open {path}")
        if kind != Operation.FILE_OPENED or len(body) < _NUMBER.size:
            raise self._nonsense()
        return int(_NUMBER.unpack_from(body)[0])

    def close_file(self, handle: int) -> None:
        """Close a handle."""
        self._ask(Operation.CLOSE, _NUMBER.pack(handle), "close a file")

    def lock(self, handle: int, how: Lock) -> None:
        """Lock or unlock. If another program has the lock: AfcRefused with Status.WOULD_BLOCK."""
        self._ask(Operation.LOCK, _PAIR.pack(handle, how), "lock a file")

    def read_file(self, path: str, limit: int) -> bytes | None:
        """The content of a small file; None if there is none, it is too large, or it is not a plain file."""
        try:
            info = self.info(path)
        except AfcRefused as error:
            if error.status == AfcStatus.NOT_FOUND:
                return None
            raise
        if info.get("st_ifmt") != "S_IFREG":
            return None
        handle = self.open(path, Mode.READ)
        content = bytearray()
        while len(content) <= limit:
            kind, body = self._ask(Operation.READ, _PAIR.pack(handle, _READ_BYTES), f"read {path}")
            if kind != Operation.DATA:
                raise self._nonsense()
            if not body:
                break
            content += body
        self.close_file(handle)
        return bytes(content) if len(content) <= limit else None

    def names(self, folder: str) -> list[str]:
        """The names in a folder, without `.` and `..`."""
        _kind, body = self._ask(Operation.READ_FOLDER, _text(folder), f"list {folder}")
        names = body.decode("utf-8", "replace").split("\0")
        return [name for name in names if name not in ("", ".", "..")]

    def make_folder(self, path: str) -> None:
        """Make a folder; it may already exist."""
        try:
            self._ask(Operation.MAKE_DIR, _text(path), f"make {path}")
        except AfcRefused as error:
            if error.status != AfcStatus.EXISTS:
                raise

    def write_file(self, path: str, content: bytes) -> None:
        """Write a file, and replace one that exists."""
        handle = self.open(path, Mode.WRITE)
        for start in range(0, len(content), _WRITE_BYTES):
            part = content[start : start + _WRITE_BYTES]
            self._ask(Operation.WRITE, _NUMBER.pack(handle), f"write {path}", part)
        self.close_file(handle)

    def remove(self, path: str) -> None:
        """Remove a file or an empty folder; AfcRefused if there is none."""
        self._ask(Operation.REMOVE, _text(path), f"remove {path}")

    def info(self, path: str) -> dict[str, str]:
        """What AFC reports about a file: st_size, st_ifmt and others, all as text."""
        _kind, body = self._ask(Operation.GET_FILE_INFO, _text(path), f"look at {path}")
        parts = body.decode("utf-8", "replace").split("\0")
        return dict(zip(parts[::2], parts[1::2], strict=False))

    def _ask(
        self, operation: Operation, parameters: bytes, doing: str, payload: bytes = b""
    ) -> tuple[int, bytes]:
        self._number += 1
        size = _HEADER.size + len(parameters)
        header = _HEADER.pack(_MAGIC, size + len(payload), size, self._number, operation)
        self.write(header + parameters + payload)
        deadline = time.monotonic() + self.answer_s
        head = self.take(_HEADER.size, deadline)
        if head is None:
            raise self.silent()
        magic, whole, _this, number, kind = _HEADER.unpack(head)
        if magic != _MAGIC or number != self._number or not 0 <= whole - _HEADER.size <= _LARGEST_ANSWER:
            raise self._nonsense()
        body = self.take(whole - _HEADER.size, deadline)
        if body is None:
            raise self.silent()
        status = int(_NUMBER.unpack_from(body)[0]) if len(body) >= _NUMBER.size else None
        if self.record is not None:
            path = (
                ""
                if b"/" not in parameters
                else parameters[parameters.index(b"/") :].decode(errors="replace")
            )
            said = status if kind == Operation.STATUS and status is not None else 0
            self.record.asked(operation, path.rstrip("\0"), kind, said, len(body))
        if kind == Operation.STATUS:
            if status is None:
                raise self._nonsense()
            if status != AfcStatus.OK:
                raise AfcRefused(doing, status)
        return kind, body

    def _nonsense(self) -> ProtocolBroken:
        return ProtocolBroken(
            "The phone's file service gave an answer that makes no sense.",
            hint="Restart the phone and try again.",
        )


def _text(path: str) -> bytes:
    return path.encode() + b"\0"
