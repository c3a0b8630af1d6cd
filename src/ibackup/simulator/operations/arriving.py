"""Files on their way to a phone that is restored: counted, digested, decrypted, held against their records."""

import hashlib
from dataclasses import dataclass

from ibackup.manifest import crypto, mbfile
from ibackup.manifest.examine import ends_well
from ibackup.manifest.flaws import FormatError
from ibackup.simulator.ciphers import BLOCK, Context, decryptor, stored_size, unwrap
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

    Raises:
        MBError: 205, its record or its key is damaged.
    """

    def __init__(self, row: Row, stored: StoredBackup, *, keep: bool) -> None:
        self.row = row
        try:
            record = mbfile.decode(row.record)
            self._decryptor = _decryptor(record, stored)
        except (ValueError, FormatError) as error:
            raise MBError(205, f"Error reading the record of {row.path}: {error}") from error
        self._size, self._modified = record.size, record.modified
        self.digest = record.digest
        self.expected = self._size if self._decryptor is None else stored_size(self._size)
        self._stored = 0
        self._plain = 0
        self._head = self._tail = b""
        self._sha1 = hashlib.sha1(usedforsecurity=False) if self.digest is not None else None
        self._sha256 = hashlib.sha256() if keep else None

    def write(self, data: bytes, /) -> None:
        """Take the next bytes, as stored."""
        self._stored += len(data)
        if self._sha1 is not None:
            self._sha1.update(data)
        if self._decryptor is not None:
            data = self.decrypted(data)
            self._tail = (self._tail + data[-BLOCK:])[-BLOCK:]
        elif len(self._head) < _HEAD:
            self._head += data[: _HEAD - len(self._head)]
        plain = data if self._plain + len(data) <= self._size else data[: self._size - self._plain]
        self._plain += len(plain)
        if self._sha256 is not None:
            self._sha256.update(plain)

    def decrypted(self, data: bytes) -> bytes:
        """Bytes as stored, as plaintext with the padding still on."""
        return data if self._decryptor is None else self._decryptor.update(data)

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
        sha256 = self._sha256.digest() if self._sha256 is not None else b""
        return RestoredFile(row.domain, row.path, self._plain, sha256, self._modified)


def _decryptor(record: mbfile.MBFile, stored: StoredBackup) -> Context | None:
    if not stored.plist.encrypted:
        return None
    if record.encryption_key is None:
        raise ValueError("no EncryptionKey")
    return decryptor(unwrap(stored.keybag.class_keys, record.encryption_key))
