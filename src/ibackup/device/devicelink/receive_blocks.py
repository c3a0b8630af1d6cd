"""The buffers that data is received into, in memory that another process can look at."""

import contextlib
import mmap
import os
from typing import Final, NamedTuple

BLOCK: Final = 512 << 10
"""Size of a buffer in bytes: small enough that data is still in the processor's cache when it is hashed."""


class ReceiveBlock(NamedTuple):
    """A buffer of ``BLOCK`` bytes; ``number`` is its place in the shared memory, counted in blocks, or -1."""

    number: int
    view: memoryview


def private_block() -> ReceiveBlock:
    """A buffer that only this process can see."""
    return ReceiveBlock(-1, memoryview(bytearray(BLOCK)))


class ReceiveBlocks:
    """Makes buffers, on Linux in one piece of memory that has a descriptor.

    Args:
        count: the most buffers.

    Attributes:
        fd: by it, another process can map this memory; -1 if it cannot.
    """

    def __init__(self, count: int) -> None:
        self.fd = -1
        self._count = count
        self._made: list[ReceiveBlock] = []
        self._shared: mmap.mmap | None = None
        if hasattr(os, "memfd_create"):
            try:
                self.fd = os.memfd_create("ibackup")  # closed in programs that are started, unless passed on
                os.ftruncate(self.fd, count * BLOCK)
                self._shared = mmap.mmap(self.fd, count * BLOCK)
            except OSError:  # forbidden, or no memory for it
                self.close()

    def make(self) -> ReceiveBlock | None:
        """One more buffer; None if there are as many as there may be."""
        number = len(self._made)
        if number == self._count:
            return None
        if self._shared is None:
            block = private_block()
        else:
            with memoryview(self._shared) as view:
                block = ReceiveBlock(number, view[number * BLOCK : (number + 1) * BLOCK])
        self._made.append(block)
        return block

    def close(self) -> None:
        """Give the memory back. Nobody may look at the buffers any more. Safe to call again."""
        with contextlib.suppress(BufferError):  # an error still holds one; the memory goes with it
            for block in self._made:
                block.view.release()
            if self._shared is not None:
                self._shared.close()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def buffers_of(fd: int, count: int) -> list[memoryview]:
    """The buffers that another process has made."""
    shared = memoryview(mmap.mmap(fd, count * BLOCK))
    return [shared[number * BLOCK : (number + 1) * BLOCK] for number in range(count)]
