"""A stored file as a seekable stream of its plaintext."""

import io
import os
from collections.abc import Callable
from typing import BinaryIO

from ibackup.apple.crypto.aes_and_keys import BLOCK, CHUNK, ZERO_IV, cbc_decryptor, padding, stored_size
from ibackup.apple.fitting import most_bytes
from ibackup.apple.format_errors import FormatError


def open_stored(fd: int, key: bytes | None, size: int, name: str) -> BinaryIO:
    """The content of a stored file, readable at any position; takes ownership of the descriptor.

    Args:
        fd: the stored file.
        key: the file's key; None if it is stored plain.
        size: the plaintext's length from its record.
        name: the file's name, for the error.

    Raises:
        FormatError: it is longer than its record allows.
    """
    source = io.FileIO(fd)
    try:
        size_of(fd, most_bytes(size), name)
        return io.BufferedReader(source if key is None else _Decrypted(source, key, size), CHUNK)
    except BaseException:
        source.close()
        raise


def size_of(fd: int, most: int, name: str) -> int:
    """The size of a file in bytes. Raises FormatError if it is larger than it can be, so that nobody reads it."""
    size = os.fstat(fd).st_size
    if size > most:
        raise FormatError(name, f"it has {size:,} bytes, where at most {most:,} can be right")
    return size


def plaintext_length(stored: int, size: int, last_block: Callable[[], bytes]) -> int:
    """The length of the plaintext of a stored file.

    A record's size and the padding agree for most files. Files that were in use while the phone read them are
    longer or shorter than their record says. Then the padding is right, and cutting at the record's size
    would lose data. If the padding is wrong too, the file is damaged or the phone truncated it: then
    everything there counts, up to the record's size. A single byte of padding that disagrees with the record
    proves nothing: one damaged block in 256 ends like that.

    Args:
        stored: bytes of the stored file.
        size: size from its record.
        last_block: returns the last whole block, decrypted.
    """
    whole = stored - stored % BLOCK
    if stored == stored_size(size, encrypted=True):
        pad = padding(last_block())
        return stored - pad if pad > 1 else size
    if not whole:
        return 0
    pad = padding(last_block()) if whole == stored else 0
    return whole - pad if pad else min(whole, size)


class _Decrypted(io.RawIOBase):
    """Random access to AES-CBC: the block before a position is the IV for that position."""

    def __init__(self, source: io.FileIO, key: bytes, size: int) -> None:
        super().__init__()
        self._source = source
        self._key = key
        self._cipher = memoryview(bytearray(CHUNK))
        self._plain = memoryview(bytearray(CHUNK + BLOCK))
        self._place = 0
        self._next = -1  # the decryptor's position in the stored file, -1 for none
        self._start_at(0)
        stored = os.fstat(source.fileno()).st_size
        self._length = plaintext_length(stored, size, lambda: self._block(stored // BLOCK - 1))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}.get(whence)
        if base is None:
            raise ValueError(f"invalid whence ({whence})")
        if base + offset < 0:
            raise OSError(22, os.strerror(22))
        self._place = base + offset
        return self._place

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._length - self._place)
        if wanted <= 0:
            return 0
        skip = self._place % BLOCK
        start = self._place - skip
        if start != self._next:
            self._start_at(start)
        got = self._decrypt(min(-(-(skip + wanted) // BLOCK) * BLOCK, CHUNK))
        count = min(wanted, got - skip)
        if count <= 0:
            return 0  # the file was shortened after it was opened
        memoryview(buffer).cast("B")[:count] = self._plain[skip : skip + count]
        self._place += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()

    def _start_at(self, start: int) -> None:
        iv = ZERO_IV
        if start:
            self._source.seek(start - BLOCK)
            iv = self._source.read(BLOCK)
            if len(iv) < BLOCK:
                iv = ZERO_IV  # past the end: there is nothing to decrypt
        else:
            self._source.seek(0)
        self._decryptor = cbc_decryptor(self._key, iv)
        self._next = start

    def _decrypt(self, count: int) -> int:
        filled = 0
        while filled < count:
            got = self._source.readinto(self._cipher[filled:count])
            if not got:
                break
            filled += got
        whole = filled - filled % BLOCK
        self._next = self._next + whole if whole == filled else -1
        return self._decryptor.update_into(self._cipher[:whole], self._plain) if whole else 0

    def _block(self, number: int) -> bytes:
        self._start_at(number * BLOCK)
        got = self._decrypt(BLOCK)
        return bytes(self._plain[:got])
