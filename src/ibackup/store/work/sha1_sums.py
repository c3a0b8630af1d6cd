"""The SHA-1s of a snapshot's files, computed when they arrived because the phone's manifest may have them too.

They are stored beside the snapshot's proofs, so that a file that later runs carry on is not read again each
night for its Digest. Losing this file costs only another reading: it is used only if it is complete and
belongs to exactly that seal.

Format: a mark, SHA-256 of the snapshot's seal, for each file 20 bytes of fileID and 20 bytes of SHA-1 in
order of the fileIDs, SHA-256 of all that.
"""

import hashlib
import os
from binascii import unhexlify
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ibackup.apple.file_ids import FILE_ID
from ibackup.base import held
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling

_MARK: Final = b"ibsha1\x01\n"
_SUM: Final = 32
_ID: Final = 20
_RECORD: Final = 2 * _ID
_HEAD: Final = len(_MARK) + _SUM
_PIECE: Final = _RECORD << 12


def write(path: str, seal: str, sums: Iterable[Sequence[tuple[str, bytes]]]) -> bool:
    """Write the SHA-1s of a future snapshot.

    Args:
        path: the file; replaced if it exists.
        seal: SHA-256 of the seal, hex digits.
        sums: names and SHA-1s of files in the order of the names, in parts.

    Returns:
        False if no file has a SHA-1; then there is no file of them.

    Raises:
        IbackupError: it cannot be written.
    """
    with telling("The checksums of the snapshot's files could not be recorded."):
        fresh = f"{path}.new"
        digest = hashlib.sha256()
        size = 0
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        with open(fd, "wb") as target:
            durable.make_own(fd)
            for piece in _pieces(seal, sums):
                digest.update(piece)
                size += target.write(piece)
            target.write(digest.digest())
        if size == _HEAD:
            held.unlink(fresh)
            return False
        held.replace(fresh, path)
    return True


def _pieces(seal: str, sums: Iterable[Sequence[tuple[str, bytes]]]) -> Iterator[bytes]:
    yield _MARK + bytes.fromhex(seal)
    for part in sums:
        yield b"".join([unhexlify(name) + sha1 for name, sha1 in part if FILE_ID.fullmatch(name)])


class Sums:
    """Returns the SHA-1s of one snapshot, requested in ascending order of the fileIDs; a context manager.

    Args:
        path: the file; if it is missing, damaged or from another snapshot, nothing is returned.
        seal: SHA-256 of the snapshot's seal, hex digits.
    """

    def __init__(self, path: str, seal: str) -> None:
        self._records: Iterator[bytes] = iter(())
        self._next = b""
        if _is_whole(path, seal):
            self._records = _records(path)
            self._step()

    def get(self, name: str) -> bytes | None:
        """The SHA-1 of a file by its name, a fileID, or None."""
        try:
            wanted = bytes.fromhex(name)
        except ValueError:
            return None
        while self._next and self._next[:_ID] < wanted:
            self._step()
        return self._next[_ID:] if self._next[:_ID] == wanted else None

    def _step(self) -> None:
        self._next = next(self._records, b"")


def _is_whole(path: str, seal: str) -> bool:
    try:
        with open(path, "rb") as source:
            left = os.fstat(source.fileno()).st_size - _SUM
            if (left - _HEAD) % _RECORD:
                return False
            digest = hashlib.sha256()
            head = source.read(_HEAD)
            digest.update(head)
            left -= len(head)
            while left > 0 and (piece := source.read(min(left, _PIECE))):
                digest.update(piece)
                left -= len(piece)
            return head == _MARK + bytes.fromhex(seal) and source.read() == digest.digest()
    except OSError:
        return False


def _records(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as source:
            source.seek(_HEAD)
            while len(piece := source.read(_PIECE)) >= _RECORD:
                for at in range(0, len(piece) - _RECORD + 1, _RECORD):
                    yield piece[at : at + _RECORD]
    except OSError:
        return
