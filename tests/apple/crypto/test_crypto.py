"""Decryption compared with cryptography's own one-shot AES and padding."""

import hashlib
import io

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple.crypto import aes_and_keys

KEY = bytes(range(32))


def encrypted(plain: bytes, key: bytes = KEY) -> bytes:
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def decrypted(source: io.BytesIO, chunk: int = 64) -> bytes:
    return b"".join(bytes(view) for view in aes_and_keys.decrypt_blocks(source, KEY, chunk=chunk))


@given(st.binary(max_size=300))
def test_decrypts_what_cryptography_encrypted(plain: bytes) -> None:
    stored = encrypted(plain)
    assert len(stored) == aes_and_keys.stored_size(len(plain), encrypted=True)
    padded = decrypted(io.BytesIO(stored))
    assert padded[: len(plain)] == plain
    assert aes_and_keys.padding(padded[-16:]) == len(padded) - len(plain)


def test_decrypts_across_the_default_buffer() -> None:
    plain = bytes(range(256)) * 2000
    views = aes_and_keys.decrypt_blocks(io.BytesIO(encrypted(plain)), KEY)
    assert b"".join(map(bytes, views))[: len(plain)] == plain


def test_raw_files_that_read_in_small_pieces() -> None:
    class Dribble(io.BytesIO):
        def readinto(self, buffer: object, /) -> int:
            return super().readinto(memoryview(buffer)[:7])  # type: ignore[arg-type]

    plain = bytes(range(200))
    assert decrypted(Dribble(encrypted(plain)))[:200] == plain


def test_a_file_truncated_while_it_was_read_gives_whole_blocks() -> None:
    plain = b"x" * 100
    assert decrypted(io.BytesIO(encrypted(plain)[:64])) == plain[:64]
    assert decrypted(io.BytesIO(encrypted(plain)[:70])) == plain[:64]
    assert decrypted(io.BytesIO()) == b""


@pytest.mark.parametrize(
    ("tail", "count"),
    [
        (b"", 0),
        (b"\x10" * 16, 16),
        (b"a" * 15 + b"\x01", 1),
        (b"a" * 14 + b"\x03\x03", 0),
        (b"a" * 15 + b"\0", 0),
    ],
)
def test_padding(tail: bytes, count: int) -> None:
    assert aes_and_keys.padding(tail) == count


def test_every_derivation_at_hand_agrees_with_hashlib() -> None:
    wanted = hashlib.pbkdf2_hmac("sha256", b"pw", b"salt" * 5, 1000)
    kdfs = [
        aes_and_keys._kdf_hashlib,
        aes_and_keys._kdf_cryptography,
        aes_and_keys._kdf_pycryptodome(),
        aes_and_keys._fastest_sha256_kdf(),
    ]
    assert [kdf(b"pw", b"salt" * 5, 1000) for kdf in kdfs if kdf] == [wanted] * 4
