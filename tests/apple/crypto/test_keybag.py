"""Keybags: a real one's hash, bags made here with cryptography alone, and damaged ones."""

import hashlib
import os
import struct

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from ibackup.apple.crypto.keybag import Keybag
from ibackup.apple.format_errors import KeyRefused
from ibackup.base.errors import NotABackup, PasswordWrong

# A CTF device's backup, published as a hashcat hash: WPKY * ITER * SALT * DPIC * DPSL; the password is 75966.
REAL_WPKY = bytes.fromhex("626711969caae23df508e651fa071254593d97384e76fed148cd0f3958e0beace281310f49cdc019")
REAL_SALT = bytes.fromhex("f4aa09135e119c474548436d29bd9830242b3cb5")
REAL_DPSL = bytes.fromhex("6ba58ebbae1fed3cb11e0e8b4ce6d49be0282e11")


def item(tag: str, value: bytes | int) -> bytes:
    data = struct.pack(">I", value) if isinstance(value, int) else value
    return tag.encode() + struct.pack(">I", len(data)) + data


def head(
    rounds: int = 100, double: tuple[int, bytes] | None = (50, b"d" * 20), salt: bytes = b"s" * 20
) -> bytes:
    data = item("VERS", 5) + item("TYPE", 1) + item("UUID", b"U" * 16) + item("HMCK", bytes(40))
    data += item("WRAP", 1) + item("SALT", salt) + item("ITER", rounds)
    if double:
        data += item("DPWT", 1) + item("DPIC", double[0]) + item("DPSL", double[1])
    return data


def record(number: int, wrapped: bytes, wrap: int = 2) -> bytes:
    return (
        item("UUID", bytes([number]) * 16)
        + item("CLAS", number)
        + item("WRAP", wrap)
        + item("KTYP", 0)
        + item("WPKY", wrapped)
    )


def bag(password: str, keys: dict[int, bytes], *, double: bool = True) -> bytes:
    secret = password.encode()
    if double:
        secret = hashlib.pbkdf2_hmac("sha256", secret, b"d" * 20, 50, 32)
    kek = hashlib.pbkdf2_hmac("sha1", secret, b"s" * 20, 100, 32)
    records = [record(n, aes_key_wrap(kek, key), 2 if n < 5 else 3) for n, key in keys.items()]
    return head(double=(50, b"d" * 20) if double else None) + b"".join(records)


KEYS = {number: os.urandom(32) for number in range(11, 0, -1)}


def test_real_keybag_opens_with_its_password() -> None:
    data = head(10_000, (10_000_000, REAL_DPSL), REAL_SALT) + record(10, REAL_WPKY)
    keys = Keybag.parse(data).unlock("75966")
    assert keys.classes == (10,)
    assert len(keys.key(10)) == 32


@pytest.mark.parametrize("password", ["test", "", "pässwörd ✓"])
@pytest.mark.parametrize("double", [True, False])
def test_every_class_key_opens(password: str, double: bool) -> None:
    parsed = Keybag.parse(bag(password, KEYS, double=double))
    assert [entry.protection_class for entry in parsed.records] == list(range(11, 0, -1))
    keys = parsed.unlock(password)
    assert {number: keys.key(number) for number in keys.classes} == KEYS
    assert keys.refused == ()
    assert parsed.unlock_with_key(parsed.derive(password)).classes == keys.classes


def test_length_of_a_phones_keybag() -> None:
    assert len(bag("x", KEYS)) == 1388
    assert len(bag("x", KEYS, double=False)) == 1336


def test_wrong_password() -> None:
    with pytest.raises(PasswordWrong) as caught:
        Keybag.parse(bag("right", KEYS)).unlock("wrong")
    assert "wrong" not in str(caught.value)
    assert "right" not in str(caught.value)


def test_a_file_key_opens_by_its_class() -> None:
    keys = Keybag.parse(bag("x", KEYS)).unlock("x")
    file_key = os.urandom(32)
    wrapped = struct.pack("<I", 3) + aes_key_wrap(KEYS[3], file_key)
    assert keys.unwrap(wrapped) == file_key
    for damaged in (
        wrapped[:-1] + bytes([wrapped[-1] ^ 1]),
        wrapped[:20],
        b"",
        struct.pack("<I", 99) + wrapped[4:],
    ):
        with pytest.raises(KeyRefused):
            keys.unwrap(damaged)


def test_one_class_key_wrong_is_named() -> None:
    data = bytearray(bag("x", KEYS))
    data[-1] ^= 1
    keys = Keybag.parse(bytes(data)).unlock("x")
    assert keys.refused == (1,)
    assert keys.classes == tuple(range(2, 12))
    with pytest.raises(KeyRefused, match="damaged"):
        keys.key(1)


def test_no_secret_in_a_repr() -> None:
    parsed = Keybag.parse(bag("x", KEYS))
    text = repr(parsed.unlock("x")) + repr(parsed)
    assert all(key.hex() not in text and repr(key) not in text for key in KEYS.values())


@pytest.mark.parametrize("length", [0, 3, 7, 11, 200, 300, 1387])
def test_keybag_cut(length: int) -> None:
    with pytest.raises(NotABackup):
        Keybag.parse(bag("x", KEYS)[:length])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"VERS\xff\xff\xff\xff" + bytes(100), "ends at byte"),
        (bytes(8) * 100, "no item"),
        (item("VERS", 5) * 8000, "bytes"),
        (item("UUID", bytes(16)) * 200, "protection classes"),
        (head() + item("UUID", bytes(16)) + item("CLAS", b"\x01"), "CLAS"),
        (item("UUID", b"") + record(1, bytes(40)), "SALT"),
    ],
    ids=["length beyond the end", "zeroes", "too long", "too many classes", "short number", "no salt"],
)
def test_hostile_keybag(data: bytes, says: str) -> None:
    with pytest.raises(NotABackup, match=says):
        Keybag.parse(data)


@pytest.mark.parametrize("rounds", [0, 20_000_001, 4_294_967_295])
@pytest.mark.parametrize("which", ["ITER", "DPIC"])
def test_rounds_beyond_reason_are_not_run(rounds: int, which: str) -> None:
    data = head(rounds if which == "ITER" else 1, (rounds if which == "DPIC" else 1, b"d")) + record(
        1, bytes(40)
    )
    with pytest.raises(NotABackup, match="rounds"):
        Keybag.parse(data).unlock("x")
