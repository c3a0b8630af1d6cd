"""Whether a stored file can be what its record says: one answer for a fresh backup, verify, import and restore.

A record's size alone decides nothing: the phone writes it down before it reads the file, and a database in
use grows or shrinks meanwhile. For such a file, the phone's own checksum or the file's end is the proof
(docs/format.md, "Sizes").
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ibackup.apple.crypto import aes_and_keys
from ibackup.apple.mbfile_keys import DIGEST_BYTES
from ibackup.apple.reasons import Reason
from ibackup.base.sizes import bytes_text

if TYPE_CHECKING:
    from ibackup.apple.mbfile import MBFile  # a helper of an extraction reads no records

MOST_UNRECORDED = 256 << 30
"""Bytes of a stored file without a record; longer files are not read."""

WHOLE_PHONE = 2 << 40
"""Bytes of the largest phone; a record that claims more is not believed."""

_GROWN_TIMES = 8  # a file in use may have grown this many times since the phone wrote down its size,
_GROWN_BYTES = 256 << 20  # or by this many bytes more: a database's log begins empty


class Stored(NamedTuple):
    """What is known about a stored file.

    Attributes:
        size: size in bytes.
        sha1: SHA-1 of its bytes, 20 bytes; None if it was not computed.
        ends_well: whether it ends like a whole file: correct padding, or all the pages that an SQLite
            database says it has; None if that is unknown.
    """

    size: int
    sha1: bytes | None = None
    ends_well: bool | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a stored file cannot be what its record says; the texts are for people."""

    reason: Reason
    expected: str
    found: str


def is_padded(record: "MBFile", *, encrypted: bool) -> bool:
    """Whether a file is stored as ciphertext, with padding."""
    return encrypted and record.encryption_key is not None


def stored_size(record: "MBFile", *, encrypted: bool) -> int:
    """Bytes that a file should take in the backup."""
    return aes_and_keys.stored_size(record.size, encrypted=is_padded(record, encrypted=encrypted))


def digest_of(record: "MBFile") -> bytes | None:
    """The SHA-1 that the phone gave for the stored bytes, 20 bytes, or None."""
    return record.digest if record.digest is not None and len(record.digest) == DIGEST_BYTES else None


def most_bytes(size: int) -> int:
    """The longest that a stored file can be if its record says ``size``, both in bytes; longer files are not read.

    Sparse files take no space, so making a huge one is easy; reading it takes hours.
    """
    size = min(max(size, 0), WHOLE_PHONE)  # some records contain impossible sizes
    grown = min(_GROWN_TIMES * size + _GROWN_BYTES, MOST_UNRECORDED)
    return max(aes_and_keys.stored_size(size, encrypted=True), grown)


def as_long(size: int, record: "MBFile", *, encrypted: bool) -> bool:
    """Whether a stored file has exactly the size that its record gives.

    An empty file is stored as one block of padding, or as nothing at all.
    """
    if not 0 <= record.size <= WHOLE_PHONE:
        return False
    return size == stored_size(record, encrypted=encrypted) or size == record.size == 0


def misfit(record: "MBFile", stored: Stored, *, encrypted: bool) -> Misfit | None:
    """Compare a stored file with its record.

    Args:
        record: the record of a regular file.
        stored: what is known about the file; what was not checked counts neither for nor against it.
        encrypted: whether the backup is encrypted.

    Returns:
        Why it cannot be that file; None if it can.
    """
    digest = digest_of(record)
    same = None if digest is None or stored.sha1 is None else stored.sha1 == digest
    fits = as_long(stored.size, record, encrypted=encrypted)
    if not fits:
        wanted = bytes_text(stored_size(record, encrypted=encrypted))
        if stored.size > most_bytes(record.size):
            return Misfit(Reason.SIZE, wanted, bytes_text(stored.size))
        if not stored.size and is_padded(record, encrypted=encrypted):
            # Ciphertext has padding: no file of a phone is shorter than a block, unless it is empty.
            return Misfit(Reason.EMPTY, wanted, "0 bytes: it was emptied")
        if same is False or (same is None and stored.ends_well is not True):
            return Misfit(Reason.SIZE, wanted, bytes_text(stored.size))
    if same is False and digest is not None and stored.sha1 is not None:
        wanted = f"SHA-1 {digest.hex()} by the phone's list; a restore refuses it"
        return Misfit(Reason.DIGEST, wanted, f"SHA-1 {stored.sha1.hex()}")
    if fits and stored.size and stored.ends_well is False and is_padded(record, encrypted=encrypted):
        return Misfit(Reason.PADDING, "padding that fits", "it does not decrypt to a whole file")
    return None
