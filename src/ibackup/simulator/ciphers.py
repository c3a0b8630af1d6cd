"""Encryption of backup files: AES-256-CBC with a zero IV and PKCS#7, and a separate key for each file."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ibackup.simulator.keybags import ClassKeys

BLOCK = 16
_ZERO_IV = bytes(BLOCK)

Buffer = bytes | bytearray | memoryview


class Context(Protocol):
    """A running cipher."""

    def update(self, data: Buffer) -> bytes:
        """The next processed bytes."""

    def finalize(self) -> bytes:
        """The last processed bytes."""


def stored_size(size: int) -> int:
    """Bytes that a file of ``size`` bytes takes in an encrypted backup. An empty file takes a whole block."""
    return (size // BLOCK + 1) * BLOCK


def _cbc(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(_ZERO_IV))


def encrypt(chunks: Iterable[Buffer], key: bytes) -> Iterator[Buffer]:
    """The ciphertext of a file, chunk by chunk. A chunk is valid only until the next one is requested."""
    context = _cbc(key).encryptor()
    length = 0
    out = bytearray()
    for chunk in chunks:
        length += len(chunk)
        if len(out) < len(chunk) + BLOCK:
            out = bytearray(len(chunk) + BLOCK)
        done = context.update_into(chunk, out)
        if done:
            yield memoryview(out)[:done]
    padding = BLOCK - length % BLOCK
    yield context.update(bytes([padding]) * padding) + context.finalize()


def decryptor(key: bytes) -> Context:
    """A cipher that decrypts a file piece by piece and leaves its padding on."""
    return _cbc(key).decryptor()


def wrap(class_keys: ClassKeys, number: int, key: bytes) -> bytes:
    """A file key as an EncryptionKey or ManifestKey field: the class number (little-endian) and the wrapped key."""
    return number.to_bytes(4, "little") + aes_key_wrap(class_keys[number], key)


def unwrap(class_keys: ClassKeys, wrapped: bytes) -> bytes:
    """The file key in an EncryptionKey or ManifestKey field.

    Raises:
        ValueError: no class of this keybag opens it.
    """
    class_key = class_keys.get(int.from_bytes(wrapped[:4], "little"))
    if class_key is None:
        raise ValueError("a key of an unknown protection class")
    try:
        return aes_key_unwrap(class_key, wrapped[4:])
    except (InvalidUnwrap, ValueError) as error:
        raise ValueError("a key that does not open") from error
