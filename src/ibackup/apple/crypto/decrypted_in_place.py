"""How a file is really stored: the bytes on the disk count more than plists and records.

Another program may have decrypted some or all of a backup in place, or combined parts of two backups.
Ciphertext has padding, so it is always longer than its content and consists of whole blocks; a plain file is
as long as its record says.
"""

import hashlib
from collections.abc import Callable
from enum import Enum, auto
from io import BufferedReader
from typing import NamedTuple

from ibackup.apple.crypto.aes_and_keys import BLOCK, stored_size

HEAD = 64  # bytes to look at
_SURE = (b"SQLite format 3\0", b"bplist00")
_LIKELY = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"%PDF-", b"PK\x03\x04", b"<?xml", b"RIFF", b"ID3", b"caff"),
    b"\x37\x7f\x06",  # SQLite's write-ahead log
)


class Form(Enum):
    """How a file is stored: plain, encrypted with the key in its record, or encrypted without a key here."""

    PLAIN = auto()
    KEYED = auto()
    LOCKED = auto()


class Signs(NamedTuple):
    """What is known about a whole backup, for files whose own bytes do not show how they are stored.

    Attributes:
        opens: the keys in its records are used: it is encrypted, and unlocked.
        touched: something that a phone had encrypted is certainly plain, so more may be.
        mixed: something is certainly encrypted without a key here, so more may be.
    """

    opens: bool = False
    touched: bool = False
    mixed: bool = False


def form_of(
    stored: int,
    size: int,
    *,
    has_key: bool,
    signs: Signs,
    head: Callable[[], bytes],
    same: Callable[[], bool] = lambda: False,
) -> Form:
    """How a file is stored. Call this before you read one: ciphertext must never pass for the file.

    Args:
        stored: bytes of the stored file.
        size: size from its record.
        has_key: whether the record has a key.
        signs: what is known about the whole backup.
        head: returns the first ``HEAD`` bytes; called only if the sizes do not decide.
        same: returns whether the bytes match the phone's checksum; called last, if the record has no key.
    """
    if has_key and signs.opens:
        plain = is_plain(stored, size, head, lambda: signs.touched)
        return Form.PLAIN if plain else Form.KEYED
    if not stored or stored % BLOCK:
        return Form.PLAIN
    padded = stored == stored_size(size, encrypted=True)
    odd = padded or signs.mixed or (has_key and stored != size)
    if not odd or is_known(head()):
        return Form.PLAIN
    # If a record has a key, its checksum is that of the ciphertext.
    return Form.PLAIN if not has_key and same() else Form.LOCKED


def is_plain(stored: int, size: int, head: Callable[[], bytes], touched: Callable[[], bool]) -> bool:
    """Whether a file that has a key is stored plain anyway.

    Args:
        stored: bytes of the stored file.
        size: size from its record.
        head: returns the first ``HEAD`` bytes; called only if the sizes do not decide.
        touched: returns whether someone decrypted other parts of the backup. A file of random bytes whose
            size is a multiple of the block size may also be one that lost its last block.
    """
    if not stored:
        return size == 0 and touched()
    if stored == stored_size(size, encrypted=True):
        return False
    if stored == size:
        return stored % BLOCK != 0 or is_known(head()) or touched()
    return head().startswith(_SURE)  # a database that was in use


def is_known(head: bytes) -> bool:
    """Whether bytes begin like a known kind of file, or are text; ciphertext is neither."""
    if head.startswith(_SURE + _LIKELY) or head[4:8] == b"ftyp":
        return True
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data" or error.start <= HEAD - 4:
            return False
        text = head[: error.start].decode()
    return not any(head) or "".join(text.split()).isprintable()


def agrees(source: BufferedReader, digest: bytes | None) -> bool:
    """Whether a stored file matches the phone's checksum; False if there is none. Raises OSError."""
    if digest is None:
        return False
    return digest == hashlib.file_digest(source, lambda: hashlib.sha1(usedforsecurity=False)).digest()
