"""Files on their way to a phone that is restored: counted, digested, decrypted, held against their records."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from ibackup.manifest import crypto, mbfile
from ibackup.manifest.examine import ends_well
from ibackup.manifest.flaws import FormatError
from ibackup.simulator.ciphers import BLOCK, Buffer, Context, decryptor, stored_size, unwrap
from ibackup.simulator.manifest_db import Row
from ibackup.simulator.operations.session import MBError
from ibackup.simulator.operations.stored import StoredBackup

_HEAD = 100  # of a file, to see whether it is a database


@dataclass(frozen=True, slots=True)
class RestoredFile:
    """A file that was restored: plaintext bytes, SHA-256 of them, LastModified in Unix seconds."""

    domain: str
    path: str
    size: int
    sha256: bytes
    modified: int


class Arriving:
    """One file on its way.

    Args:
        row: its row of the manifest.
        stored: the backup that it is from.
        keep: whether anybody wants to know its checksum afterwards.

    Attributes:
        modified: by its record, Unix seconds.
        digest: by its record, None when it has none.
        expected: bytes by its record, as stored.
        like: the plaintext that it is to have, where the phone knows; to be set before it comes.

    Raises:
        MBError: 205, its record or its key is damaged.
    """

    def __init__(self, row: Row, stored: StoredBackup, *, keep: bool) -> None:
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
            # As bytes, which are compared at once; views are compared item by item.
            if not part or bytes(ahead[: len(part)]) != bytes(part):
                self._differs = True  # told when the file is over: a phone takes what it has asked for
                return
            plain, self._ahead = plain[len(part) :], ahead[len(part) :]

    def decrypted(self, data: memoryview) -> memoryview:
        """Bytes as stored, as plaintext with the padding still on."""
        return data if self._decryptor is None else memoryview(self._decryptor.update(data))

    def finished(self) -> RestoredFile:
        """The file, checked.

        A file that was in use while it was backed up has another size than its record says. What vouches for it then is
        its digest, or its own end.

        Raises:
            MBError: 205, its digest or size is not that of its record.
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
        if as_long and encrypted and self._stored and not crypto.padding(self._tail):
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
