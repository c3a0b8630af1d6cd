"""Sends files to the phone, gathered into a few large writes."""

import errno
import os
from collections.abc import Callable
from typing import Final

from ibackup.device.devicelink.frames_and_chunks import CHUNK_HEAD, CODE_DATA, CODE_SUCCESS, LENGTH, MAX_TEXT
from ibackup.trace.tapping import Files

CHUNK: Final = 32 << 10  # the phone holds a whole chunk in memory, and is slow with large ones
CAPACITY: Final = 256 << 10
_SLOT = CHUNK_HEAD.size + CHUNK
_SMALLEST = 4 << 10  # less space than this at the end of the buffer is not worth a chunk


class FileSender:
    """Writes the answer to a DownloadFiles message: names, chunks, status codes.

    Args:
        write: sends bytes and returns when the buffer may be used again.
        notes: records what is sent.
    """

    def __init__(self, write: Callable[[memoryview], None], *, notes: Files | None = None) -> None:
        self._write = write
        self._notes = notes
        self._buffer = bytearray(CAPACITY)
        self._view = memoryview(self._buffer)
        self._used = 0
        self.sent = 0

    def begin(self, path: str) -> None:
        """Start a file, under the name that the phone asked for."""
        if self._notes is not None:
            self._notes.begin(path)
        name = path.encode()
        self._put(LENGTH.pack(len(name)) + name)

    def data(self, fd: int, most: int, seen: Callable[[memoryview], object] | None = None) -> None:
        """Send the content of a file. Raises OSError if it cannot be read or is too long.

        Args:
            fd: open for reading, at its beginning.
            most: how many bytes it may have. Nothing is sent of a longer file, and no more than this of one that grows.
            seen: called with every piece that was read, for example to compute a checksum.
        """
        end = self.sent + most
        if os.fstat(fd).st_size > most:
            raise _too_long()
        while self._chunks_of(fd, seen):
            if self.sent > end:
                raise _too_long()

    def end(self, code: int = CODE_SUCCESS, text: str = "") -> None:
        """End the file: 0, or the negated status and text of an error."""
        if self._notes is not None:
            self._notes.end(code, text)
        said = text.encode("utf-8", "replace")[:MAX_TEXT]
        self._put(CHUNK_HEAD.pack(len(said) + 1, code) + said)

    def finish(self) -> None:
        """End the list and send what is still in the buffer."""
        self._put(LENGTH.pack(0))
        self._flush()
        if self._notes is not None:
            self._notes.close()

    def _put(self, data: bytes) -> None:
        if self._used + len(data) > CAPACITY:
            self._flush()
        self._view[self._used : self._used + len(data)] = data
        self._used += len(data)

    def _flush(self) -> None:
        if self._used:
            used, self._used = self._used, 0
            self._write(self._view[:used])

    def _chunks_of(self, fd: int, seen: Callable[[memoryview], object] | None) -> bool:
        """Read as many chunks as fit into the buffer; False at the end of the file."""
        if CAPACITY - self._used < CHUNK_HEAD.size + _SMALLEST:
            self._flush()
        starts = range(self._used + CHUNK_HEAD.size, CAPACITY, _SLOT)
        slots = [self._view[start : start + CHUNK] for start in starts]
        left = count = _read(fd, slots)
        self.sent += count
        for start, slot in zip(starts, slots, strict=True):
            if left <= 0:
                break
            size = min(left, len(slot))
            CHUNK_HEAD.pack_into(self._buffer, start - CHUNK_HEAD.size, size + 1, CODE_DATA)
            if seen is not None:
                seen(slot[:size])
            if self._notes is not None:
                self._notes.data(slot[:size])
            self._used = start + size
            left -= size
        return count > 0


def _too_long() -> OSError:
    return OSError(errno.EFBIG, "longer than its record allows")


def _read(fd: int, slots: list[memoryview]) -> int:
    """Fill the slots in order; returns how many bytes there were, 0 at the end of the file."""
    if hasattr(os, "readv"):
        return os.readv(fd, slots)
    data = os.read(fd, len(slots[0]))
    slots[0][: len(data)] = data
    return len(data)
