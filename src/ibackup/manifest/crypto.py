"""Key derivation, key unwrapping and AES-CBC decryption by streaming.

Facts about the format: docs/format.md, "Cryptography".
"""

import functools
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from ibackup.manifest.flaws import FormatError, KeyRefused

BLOCK = 16
KEY_BYTES = 32
WRAPPED_KEY_BYTES = 40
ZERO_IV = bytes(BLOCK)
_FROM_ZERO = modes.CBC(ZERO_IV)
MAX_ROUNDS = 20_000_000
_TRIAL_ROUNDS = 10_000
_TRIAL_WORTH = 200_000  # rounds; phones ask for 10,000,000
CHUNK = (
    128 * 1024
)  # bytes; fits the second-level cache, where AES-NI runs several times faster than on a big buffer

Kdf = Callable[[bytes, bytes, int], bytes]


class Readable(Protocol):
    """What the streams here are read from: a raw or buffered binary file."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill ``buffer`` as far as possible; the number of bytes, 0 at the end."""


# -- keys ---------------------------------------------------------------------------------------------------


def derive(
    password: str,
    *,
    salt: bytes,
    rounds: int,
    double_salt: bytes | None = None,
    double_rounds: int = 0,
) -> bytes:
    """The 32-byte key that a backup password gives.

    With ``double_salt`` (iOS 10.2 and later) a slow SHA-256 stage comes before the SHA-1 stage.

    Raises:
        FormatError: a round count that no phone writes, 0 or more than 20,000,000.
    """
    secret = password.encode("utf-8", "surrogateescape")
    if double_salt is not None:
        check_rounds(double_rounds)
        secret = sha256_kdf(double_rounds)(secret, double_salt, double_rounds)
    check_rounds(rounds)
    return hashlib.pbkdf2_hmac("sha1", secret, salt, rounds, KEY_BYTES)


def sha256_kdf(rounds: int) -> Kdf:
    """What to derive a key with; asked for beforehand, ``derive`` leaves the interpreter to other threads at once."""
    # Where there is little to do, finding out who does it fastest takes longer.
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
    # It calls its C code by cffi where that is installed, which takes longer to load than all the rest, else by ctypes.
    hides_cffi = "cffi" not in sys.modules
    if hides_cffi:
        sys.modules["cffi"] = None  # type: ignore[assignment]
    try:
        from Crypto.Hash import SHA256
        from Crypto.Protocol.KDF import PBKDF2
    except ImportError:
        return None  # it comes with pymobiledevice3, but nothing here depends on it
    finally:
        if hides_cffi:
            del sys.modules["cffi"]

    def kdf(secret: bytes, salt: bytes, rounds: int) -> bytes:
        return bytes(PBKDF2(secret, salt, KEY_BYTES, count=rounds, hmac_hash_module=SHA256))

    return kdf


@functools.cache
def _fastest_sha256_kdf() -> Kdf:
    """The fastest PBKDF2 at hand on this processor.

    10,000,000 rounds on one x86-64 machine with SHA extensions: hashlib with OpenSSL 3.0 2.1 s, cryptography
    with its own OpenSSL 4.0 1.2 s, pycryptodome 0.95 s. On other processors the order differs (pycryptodome
    has no assembler for ARM), so a few milliseconds of trial decide.
    """
    kdfs: list[Kdf] = [_kdf_cryptography, _kdf_hashlib]
    extra = _kdf_pycryptodome()
    if extra is not None:
        kdfs.append(extra)
    return min(kdfs, key=_trial)


def _trial(kdf: Kdf) -> float:
    kdf(b"warm-up", bytes(20), 1)
    start = time.perf_counter()
    kdf(b"trial", bytes(20), _TRIAL_ROUNDS)
    return time.perf_counter() - start


def unwrap(key: bytes, wrapped: bytes) -> bytes:
    """Open a 40-byte wrapped key (RFC 3394).

    Raises:
        KeyRefused: the integrity check fails: a wrong password, or damage.
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
    """The bytes that a file of ``size`` bytes takes in a backup: PKCS#7 always adds 1 to 16."""
    return (size // BLOCK + 1) * BLOCK if encrypted else size


def padding(tail: bytes) -> int:
    """How many bytes of PKCS#7 padding a plaintext's last block ends with; 0 when the padding is wrong."""
    count = tail[-1] if tail else 0
    return count if 1 <= count <= BLOCK and tail.endswith(bytes([count]) * count) else 0


def cbc_decryptor(key: bytes, iv: bytes = ZERO_IV) -> CipherContext:
    """AES-CBC without padding; the ciphertext block before a position is the IV for that position."""
    return Cipher(algorithms.AES(key), _FROM_ZERO if iv is ZERO_IV else modes.CBC(iv)).decryptor()


def decrypt_blocks(source: Readable, key: bytes, *, chunk: int = CHUNK) -> Iterator[memoryview]:
    """Decrypt a stream of AES-CBC blocks, IV 0, padding kept.

    Yields views of one reused buffer, each valid until the next is asked for. Bytes at the end that do not
    fill a block cannot be decrypted and are left out.
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


def decrypt_stream(
    source: Readable, key: bytes, size: int | None = None, *, chunk: int = CHUNK
) -> Iterator[memoryview]:
    """Decrypt a stored file to its plaintext; views of a reused buffer, as ``decrypt_blocks``.

    Args:
        source: the stored bytes.
        key: the file's key.
        size: the plaintext's length by its record; the result is cut there. A file that the phone truncated
            while it was read is shorter than its record says: then what is there is given. None when unknown:
            the padding is taken off if it is right and kept if it is not.
        chunk: bytes read at a time, a multiple of 16.
    """
    if size is not None:
        left = size
        for view in decrypt_blocks(source, key, chunk=chunk):
            if not left:
                return
            yield view[:left]
            left -= min(left, len(view))
        return
    tail = b""
    for view in decrypt_blocks(source, key, chunk=chunk):
        if tail:
            yield memoryview(tail)
        tail = bytes(view[-BLOCK:])
        if len(view) > BLOCK:
            yield view[:-BLOCK]
    rest = tail[: len(tail) - padding(tail)]
    if rest:
        yield memoryview(rest)


def _fill(source: Readable, buffer: memoryview) -> int:
    """Read until ``buffer`` is full or the stream ends."""
    filled = 0
    while filled < len(buffer):
        got = source.readinto(buffer[filled:])
        if not got:
            break
        filled += got
    return filled
