"""Files that arrive during a restore: counted, hashed, decrypted and compared with their records."""

import hashlib
from collections.abc import Iterator

from ibackup.apple import mbfile
from ibackup.apple.crypto import aes_and_keys
from ibackup.apple.format_errors import FormatError
from ibackup.apple.verify.stored_file_readers import ends_well
from ibackup.simulator.ciphers import BLOCK, Buffer, Context, decryptor, stored_size, unwrap
from ibackup.simulator.operations.operation_session import MBError
from ibackup.simulator.operations.stored import StoredBackup
from ibackup.simulator.restored import RestoredFile
from ibackup.simulator.written_manifest_db import WrittenRow

_HEAD = 100  # bytes of a file, to see whether it is a database


class Arriving:
    """One arriving file.

    Args:
        row: its row of the manifest.
        stored: the backup that it comes from.
        keep: whether its checksum is needed afterwards.

    Attributes:
        modified: time from its record, Unix seconds.
        digest: digest from its record, or None.
        expected: size from its record, in bytes as stored.
        like: the plaintext that it must have, if the phone knows it; set before the file arrives.

    Raises:
        MBError: 205, its record or its key is damaged.
    """

    def __init__(self, row: WrittenRow, stored: StoredBackup, *, keep: bool) -> None:
        self.row = row
        self.like: Iterator[Buffer] | None = None
        self._ahead: Buffer = b""
        self._differs = False
        try:
            record = mbfile.decode(row.record)
            self._decryptor = _decryptor(record, stored)
        except (ValueError, FormatError) as error:
            raise MBError(205, f"Error reading the record of {row.path}: {error}") from error
        self._size, self.modified = record.size, record.modified
        self.digest = record.digest
        self.expected = self._size if self._decryptor is None else stored_size(self._size)
        self._stored = 0
        self._plain = 0
        self._head = self._tail = b""
        self._sha1 = hashlib.sha1(usedforsecurity=False) if self.digest is not None else None
        self._sha256 = hashlib.sha256() if keep else None

    def write(self, data: memoryview, /) -> None:
        """Take the next bytes, as stored."""
        self._stored += len(data)
        if self._sha1 is not None:
            self._sha1.update(data)
        if self._decryptor is not None:
            data = self.decrypted(data)
            self._tail = (self._tail + bytes(data[-BLOCK:]))[-BLOCK:]
        elif len(self._head) < _HEAD:
            self._head += bytes(data[: _HEAD - len(self._head)])
        plain = data[: self._size - self._plain]
        self._plain += len(plain)
        if self._sha256 is not None:
            self._sha256.update(plain)
        if self.like is not None and not self._differs:
            self._compare(plain, self.like)

    def _compare(self, plain: memoryview, like: Iterator[Buffer]) -> None:
        while len(plain):
            ahead = memoryview(self._ahead or next(like, b""))
            part = plain[: len(ahead)]
            # As bytes, because bytes are compared at once and views item by item.
            if not part or bytes(ahead[: len(part)]) != bytes(part):
                self._differs = (
                    True  # reported at the end of the file: a phone takes everything that it asked for
                )
                return
            plain, self._ahead = plain[len(part) :], ahead[len(part) :]

    def decrypted(self, data: memoryview) -> memoryview:
        """Stored bytes as plaintext, with the padding still on."""
        return data if self._decryptor is None else memoryview(self._decryptor.update(data))

    def finished(self) -> RestoredFile:
        """The checked file.

        A file that was in use during the backup has a different size from its record. Then its digest or
        its own end must prove it.

        Raises:
            MBError: 205, its digest or size differs from its record.
        """
        row = self.row
        if self._sha1 is not None and self._sha1.digest() != self.digest:
            raise MBError(205, f"Digest didn't match: {row.domain} {row.path}")
        encrypted = self._decryptor is not None
        as_long = self._stored == self.expected or (self._size == 0 and self._stored == 0)
        if not as_long and self.digest is None:
            whole = self._stored % BLOCK == 0 or not encrypted
            if not (whole and ends_well(self._stored, encrypted, self._tail, self._head)):
                sizes = f"({self._stored}, {self.expected})"
                raise MBError(205, f"Size didn't match {sizes}: {row.domain} {row.path}")
        if as_long and encrypted and self._stored and not aes_and_keys.padding(self._tail):
            raise MBError(205, f"Decryption failed: {row.domain} {row.path}")
        if self.like is not None and (self._differs or self._ahead or next(self.like, b"")):
            raise MBError(205, f"Content didn't match: {row.domain} {row.path}")
        sha256 = self._sha256.digest() if self._sha256 is not None else b""
        return RestoredFile(row.domain, row.path, self._plain, sha256, self.modified)


def _decryptor(record: mbfile.MBFile, stored: StoredBackup) -> Context | None:
    if not stored.plist.encrypted:
        return None
    if record.encryption_key is None:
        raise ValueError("no EncryptionKey")
    return decryptor(unwrap(stored.keybag.class_keys, record.encryption_key))
