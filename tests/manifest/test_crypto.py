"""Decryption compared with cryptography's own one-shot AES and padding."""

import hashlib
import io

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ibackup.manifest import crypto

KEY = bytes(range(32))


def encrypted(plain: bytes, key: bytes = KEY) -> bytes:
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def joined(source: bytes, size: int | None, chunk: int = 64) -> bytes:
    return b"".join(bytes(view) for view in crypto.decrypt_stream(io.BytesIO(source), KEY, size, chunk=chunk))


@given(st.binary(max_size=300), st.booleans())
def test_decrypts_what_cryptography_encrypted(plain: bytes, size_known: bool) -> None:
    stored = encrypted(plain)
    assert len(stored) == crypto.stored_size(len(plain), encrypted=True)
    assert joined(stored, len(plain) if size_known else None) == plain


def test_decrypts_across_the_default_buffer() -> None:
    plain = bytes(range(256)) * 2000
    views = crypto.decrypt_stream(io.BytesIO(encrypted(plain)), KEY, len(plain))
    assert b"".join(map(bytes, views)) == plain


def test_raw_files_that_read_in_small_pieces() -> None:
    class Dribble(io.BytesIO):
        def readinto(self, buffer: object, /) -> int:
            return super().readinto(memoryview(buffer)[:7])  # type: ignore[arg-type]

    plain = bytes(range(200))
    assert b"".join(map(bytes, crypto.decrypt_stream(Dribble(encrypted(plain)), KEY, 200, chunk=64))) == plain


def test_a_file_truncated_while_it_was_read_gives_what_is_there() -> None:
    plain = b"x" * 100
    assert joined(encrypted(plain)[:64], 100) == plain[:64]
    assert joined(encrypted(plain)[:70], 100) == plain[:64]


@pytest.mark.parametrize("stored", [b"", encrypted(b"")])
def test_empty_files_may_be_stored_in_two_ways(stored: bytes) -> None:
    assert joined(stored, 0) == b""
    assert joined(stored, None) == b""


def test_wrong_padding_is_kept_when_the_size_is_unknown() -> None:
    encryptor = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor()
    assert joined(encryptor.update(b"no padding here!"), None) == b"no padding here!"


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
    assert crypto.padding(tail) == count


def test_every_derivation_at_hand_agrees_with_hashlib() -> None:
    wanted = hashlib.pbkdf2_hmac("sha256", b"pw", b"salt" * 5, 1000)
    kdfs = [
        crypto._kdf_hashlib,
        crypto._kdf_cryptography,
        crypto._kdf_pycryptodome(),
        crypto._fastest_sha256_kdf(),
    ]
    assert [kdf(b"pw", b"salt" * 5, 1000) for kdf in kdfs if kdf] == [wanted] * 4
