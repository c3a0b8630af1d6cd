"""Key derivation, key unwrapping and streaming AES-CBC decryption.

Facts about the format: docs/format.md, "Cryptography".
"""

import functools
import hashlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from ibackup.apple.format_errors import FormatError, KeyRefused

BLOCK = 16
KEY_BYTES = 32
WRAPPED_KEY_BYTES = 40
ZERO_IV = bytes(BLOCK)
_FROM_ZERO = modes.CBC(ZERO_IV)
MAX_ROUNDS = 20_000_000
_TRIAL_ROUNDS = 5000  # fewer would measure how long a call takes
_TRIALS = 4
_TRIAL_WORTH = 200_000  # rounds; phones use 10,000,000
CHUNK = (
    128 * 1024
)  # bytes; fits the second-level cache, where AES-NI runs several times faster than on a big buffer

Kdf = Callable[[bytes, bytes, int], bytes]

_MOST_DERIVED = 32
_DISGUISE = os.urandom(32)
_remembering = threading.Lock()
_derived: dict[tuple[bytes, bytes, int, bytes | None, int], bytes] = {}  # the most recently used comes last


class Readable(Protocol):
    """A source for the streams here: a raw or buffered binary file."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill ``buffer`` as far as possible; return the number of bytes, 0 at the end."""


# -- keys ---------------------------------------------------------------------------------------------------


def derive(
    password: str,
    *,
    salt: bytes,
    rounds: int,
    double_salt: bytes | None = None,
    double_rounds: int = 0,
) -> bytes:
    """The 32-byte key derived from a backup password.

    With ``double_salt`` (iOS 10.2 and later) a slow SHA-256 stage comes before the SHA-1 stage. That takes
    seconds, so this process remembers the result for every caller.

    Raises:
        FormatError: a round count that no phone writes, 0 or more than 20,000,000.
    """
    secret = password.encode("utf-8", "surrogateescape")
    check_rounds(rounds)
    if double_salt is not None:
        check_rounds(double_rounds)
    known = (_disguised(secret), salt, rounds, double_salt, double_rounds)
    key = _derived.get(known)
    if key is None:
        if double_salt is not None:
            secret = sha256_kdf(double_rounds)(secret, double_salt, double_rounds)
        key = hashlib.pbkdf2_hmac("sha1", secret, salt, rounds, KEY_BYTES)
    with _remembering:
        _derived.pop(known, None)
        _derived[known] = key
        while len(_derived) > _MOST_DERIVED:
            del _derived[next(iter(_derived))]
    return key


def _disguised(secret: bytes) -> bytes:
    """A password as the cache stores it, so that the password itself is not kept there."""
    return hashlib.blake2b(secret, key=_DISGUISE).digest()


def sha256_kdf(rounds: int) -> Kdf:
    """The function to derive a key with. If called beforehand, ``derive`` lets other threads run at once."""
    # For a small number of rounds, finding the fastest function takes longer than the work.
    return _fastest_sha256_kdf() if rounds > _TRIAL_WORTH else _kdf_hashlib


def check_rounds(rounds: int) -> None:
    """Raise FormatError for a round count that no phone writes."""
    if not 1 <= rounds <= MAX_ROUNDS:
        raise FormatError(
            "The keybag", f"it asks for {rounds:,} rounds of key derivation; phones use 10,000,000"
        )


def _kdf_hashlib(secret: bytes, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", secret, salt, rounds, KEY_BYTES)


def _kdf_cryptography(secret: bytes, salt: bytes, rounds: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    return PBKDF2HMAC(SHA256(), KEY_BYTES, salt, rounds).derive(secret)


def _kdf_pycryptodome() -> Kdf | None:
    # It calls its C code through cffi if that is installed, which takes longer to load than everything else;
    # otherwise through ctypes.
    hides_cffi = "cffi" not in sys.modules
    if hides_cffi:
        sys.modules["cffi"] = None  # type: ignore[assignment]
    try:
        from Crypto.Hash import SHA256
        from Crypto.Protocol.KDF import PBKDF2
    except ImportError:
        return None  # it is installed with pymobiledevice3, but nothing here depends on it
    finally:
        if hides_cffi:
            del sys.modules["cffi"]

    def kdf(secret: bytes, salt: bytes, rounds: int) -> bytes:
        return bytes(PBKDF2(secret, salt, KEY_BYTES, count=rounds, hmac_hash_module=SHA256))

    return kdf


@functools.cache
def _fastest_sha256_kdf() -> Kdf:
    """The fastest PBKDF2 available on this processor.

    10,000,000 rounds on one x86-64 machine with SHA extensions: hashlib with OpenSSL 3.0 2.1 s, cryptography
    with its own OpenSSL 4.0 1.2 s, pycryptodome 0.95 s. On other processors the order differs (pycryptodome
    has no assembler for ARM), so a trial of a few milliseconds decides.
    """
    kdfs: list[Kdf] = [_kdf_cryptography, _kdf_hashlib]
    extra = _kdf_pycryptodome()
    if extra is not None:
        kdfs.append(extra)
    for kdf in kdfs:
        kdf(b"warm-up", bytes(20), 1)
    # Each at its best, in turns: on a busy machine, a single trial often chose the wrong one.
    best = dict.fromkeys(kdfs, math.inf)
    for _ in range(_TRIALS):
        for kdf in kdfs:
            best[kdf] = min(best[kdf], _trial(kdf))
    return min(kdfs, key=best.__getitem__)


def _trial(kdf: Kdf) -> float:
    start = time.perf_counter()
    kdf(b"trial", bytes(20), _TRIAL_ROUNDS)
    return time.perf_counter() - start


def unwrap(key: bytes, wrapped: bytes) -> bytes:
    """Open a 40-byte wrapped key (RFC 3394).

    Raises:
        KeyRefused: the integrity check fails, because of a wrong password or damage.
    """
    if len(wrapped) != WRAPPED_KEY_BYTES:
        raise KeyRefused(
            "A wrapped key is damaged.", why=f"It has {len(wrapped)} bytes, not {WRAPPED_KEY_BYTES}."
        )
    try:
        return aes_key_unwrap(key, wrapped)
    except InvalidUnwrap:
        raise KeyRefused("A wrapped key does not open.", why="Its integrity check fails.") from None


# -- files --------------------------------------------------------------------------------------------------


def stored_size(size: int, *, encrypted: bool) -> int:
    """The bytes that a file of ``size`` bytes takes in a backup: PKCS#7 always adds 1 to 16 bytes."""
    return (size // BLOCK + 1) * BLOCK if encrypted else size


def padding(tail: bytes) -> int:
    """How many bytes of PKCS#7 padding end a plaintext's last block; 0 if the padding is wrong."""
    count = tail[-1] if tail else 0
    return count if 1 <= count <= BLOCK and tail.endswith(bytes([count]) * count) else 0


def cbc_decryptor(key: bytes, iv: bytes = ZERO_IV) -> CipherContext:
    """AES-CBC without padding; the ciphertext block before a position is the IV for that position."""
    return Cipher(algorithms.AES(key), _FROM_ZERO if iv is ZERO_IV else modes.CBC(iv)).decryptor()


def decrypt_blocks(source: Readable, key: bytes, *, chunk: int = CHUNK) -> Iterator[memoryview]:
    """Decrypt a stream of AES-CBC blocks, with IV 0 and the padding left on.

    Yields views of one reused buffer; each is valid until the next one is requested. Bytes at the end that do
    not fill a block cannot be decrypted and are left out.
    """
    decryptor = cbc_decryptor(key)
    cipher = memoryview(bytearray(chunk))
    plain = memoryview(bytearray(chunk + BLOCK))
    while True:
        filled = _fill(source, cipher)
        whole = filled - filled % BLOCK
        if whole:
            done = decryptor.update_into(cipher[:whole], plain)
            yield plain[:done]
        if filled < chunk:
            return


def _fill(source: Readable, buffer: memoryview) -> int:
    """Read until ``buffer`` is full or the stream ends."""
    filled = 0
    while filled < len(buffer):
        got = source.readinto(buffer[filled:])
        if not got:
            break
        filled += got
    return filled
