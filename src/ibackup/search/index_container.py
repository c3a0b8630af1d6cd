"""The file of an index: blocks of texts, each of which can be read alone, and the image of a database.

Of an encrypted backup all of it is encrypted with AES-256-GCM, with a key that only the opened class keys of the
backup give: HKDF-SHA256 over them with a salt that is new in each file, so that no key is used twice. Each piece is
authenticated with its kind and place, those of the image also with the lengths of everything. Of an unencrypted backup
it is plain, and a checksum finds what a bad disk did. docs/decisions/2026-11-30-search-index-is-encrypted.md says why.
"""

import contextlib
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from ibackup.apple.crypto.keybag import ClassKeys

_MAGIC: Final = b"ibackup search\n\1"
_HEAD: Final = struct.Struct(">16sI32sQQ")  # magic, encrypted, salt, end of the blocks, length of the image
_SALT_BYTES: Final = 32
_CHUNK: Final = 1 << 20
_TAG_BYTES: Final = 16
_SUM_BYTES: Final = 4
_BLOCK_KIND, _IMAGE_KIND = b"text", b"data"
MOST_IMAGE: Final = 1 << 30  # bytes: as much as SQLite takes into memory


class IndexUnusable(Exception):
    """The file is no index, is damaged, was tampered with, or belongs to other keys."""


class IndexNotKept(Exception):
    """The file cannot be written; the argument says why."""


@contextlib.contextmanager
def keeping() -> Iterator[None]:
    """Turn an error of the disk into IndexNotKept, so that nobody takes it for one of the backup's disk."""
    try:
        yield
    except OSError as error:
        raise IndexNotKept(error.strerror or str(error)) from error


def secret_of(keys: ClassKeys) -> bytes:
    """What the keys of a backup give, for the key of its index."""
    return b"".join(number.to_bytes(4, "big") + keys.key(number) for number in keys.classes)


class _Plain:
    """Guards against damage."""

    extra = _SUM_BYTES

    def close(self, _kind: bytes, _number: int, data: bytes, _with: bytes = b"") -> bytes:
        return data + zlib.crc32(data).to_bytes(_SUM_BYTES, "big")

    def open_into(
        self, _kind: bytes, _number: int, stored: memoryview, target: memoryview, _with: bytes
    ) -> int:
        data = stored[:-_SUM_BYTES]
        if zlib.crc32(data) != int.from_bytes(stored[-_SUM_BYTES:], "big"):
            raise IndexUnusable
        target[: len(data)] = data
        return len(data)


class _Encrypted:
    """Guards against readers and changes."""

    extra = _TAG_BYTES

    def __init__(self, secret: bytes, salt: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        self._cipher = AESGCM(HKDF(SHA256(), 32, salt, b"ibackup search index 1").derive(secret))
        self._salt = salt

    def close(self, kind: bytes, number: int, data: bytes, more: bytes = b"") -> bytes:
        return self._cipher.encrypt(self._nonce(kind, number), data, self._salt + more)

    def open_into(self, kind: bytes, number: int, stored: memoryview, target: memoryview, more: bytes) -> int:
        from cryptography.exceptions import InvalidTag

        try:
            plain = self._cipher.decrypt(self._nonce(kind, number), stored, self._salt + more)
        except InvalidTag:
            raise IndexUnusable from None
        target[: len(plain)] = plain
        return len(plain)

    @staticmethod
    def _nonce(kind: bytes, number: int) -> bytes:
        return kind + number.to_bytes(8, "big")


def _guard(secret: bytes | None, salt: bytes) -> _Plain | _Encrypted:
    return _Plain() if secret is None else _Encrypted(secret, salt)


class ContainerReader:
    """An open file of an index.

    Args:
        source: the file; the reader closes it.
        secret: from ``secret_of``; None for a plain index.

    Raises:
        IndexUnusable: it is none, or of another kind.
        OSError: it cannot be read.
    """

    def __init__(self, source: BinaryIO, secret: bytes | None) -> None:
        self._source = source
        head = source.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise IndexUnusable
        magic, encrypted, salt, self._blocks_end, self._image_bytes = _HEAD.unpack(head)
        if magic != _MAGIC or bool(encrypted) != (secret is not None) or self._image_bytes > MOST_IMAGE:
            raise IndexUnusable
        self._head = head
        self._guard = _guard(secret, salt)

    def image(self) -> bytearray:
        """The database. Raises IndexUnusable, OSError."""
        chunks = -(-self._image_bytes // _CHUNK)
        stored = self._image_bytes + chunks * self._guard.extra
        if os.fstat(self._source.fileno()).st_size != self._blocks_end + stored:
            raise IndexUnusable
        found = bytearray(self._image_bytes)
        target, place = memoryview(found), 0
        self._source.seek(self._blocks_end)
        buffer = memoryview(bytearray(_CHUNK + self._guard.extra))
        for number in range(chunks):
            length = min(_CHUNK, self._image_bytes - place) + self._guard.extra
            self._fill(buffer[:length])
            place += self._guard.open_into(_IMAGE_KIND, number, buffer[:length], target[place:], self._head)
        return found

    def block(self, number: int, offset: int, length: int) -> bytes:
        """A block. Raises IndexUnusable, OSError."""
        if not self._guard.extra <= length <= _CHUNK or offset + length > self._blocks_end:
            raise IndexUnusable
        self._source.seek(offset)
        stored = memoryview(bytearray(length))
        self._fill(stored)
        plain = bytearray(length)
        count = self._guard.open_into(_BLOCK_KIND, number, stored, memoryview(plain), b"")
        return bytes(plain[:count])

    def _fill(self, buffer: memoryview) -> None:
        filled = 0
        while filled < len(buffer):
            got = self._source.readinto(buffer[filled:])  # type: ignore[attr-defined]
            if not got:
                raise IndexUnusable
            filled += got

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class ContainerWriter:
    """Writes the file of an index, the blocks as they come.

    Args:
        target: new and empty; the caller closes it.
        secret: from ``secret_of``; None for a plain index.

    Raises:
        IndexNotKept: the disk refuses.
    """

    def __init__(self, target: BinaryIO, secret: bytes | None) -> None:
        self._target = target
        self._encrypted = secret is not None
        self._salt = secrets.token_bytes(_SALT_BYTES)
        self._guard = _guard(secret, self._salt)
        self._place = _HEAD.size
        with keeping():
            target.write(bytes(_HEAD.size))

    def add_block(self, number: int, data: bytes) -> tuple[int, int]:
        """Add a block; where it is, and its length. No two may have the same number. Raises IndexNotKept."""
        stored = self._guard.close(_BLOCK_KIND, number, data)
        if len(stored) > _CHUNK:
            raise ValueError(number)
        offset = self._place
        with keeping():
            self._target.write(stored)
        self._place += len(stored)
        return offset, len(stored)

    def finish(self, image: bytes) -> None:
        """Add the database, and make the file valid. Raises IndexNotKept."""
        head = _HEAD.pack(_MAGIC, self._encrypted, self._salt, self._place, len(image))
        with keeping():
            for number, start in enumerate(range(0, len(image), _CHUNK)):
                chunk = image[start : start + _CHUNK]
                self._target.write(self._guard.close(_IMAGE_KIND, number, chunk, head))
            self._target.seek(0)
            self._target.write(head)
            self._target.flush()
