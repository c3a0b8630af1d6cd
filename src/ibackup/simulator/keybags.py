"""Backup keybags as a phone makes them: class keys wrapped with the backup password.

Written and opened here with only hashlib and cryptography. The product's code that reads keybags is thus
checked against independent code.
"""

import functools
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

ITERATIONS = 10_000
CLASSES = range(11, 0, -1)
DEVICE_KEY, PASSPHRASE = 1, 2
"""Bits of WRAP. Classes 1 to 4 of a backup keybag have 2, the others 3; the passphrase alone opens all of them."""

ClassKeys = Mapping[int, bytes]
_Field = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class PhoneKeybag:
    """A keybag and its class keys."""

    data: bytes
    class_keys: ClassKeys


def mint(password: str | None, *, seed: bytes, rounds: int) -> PhoneKeybag:
    """A new keybag; all random bytes follow from ``seed``.

    Args:
        password: the backup password; None makes the keybag of an unencrypted backup: its password is
            empty, and the first stage of the derivation is missing.
        seed: the seed of the keybag's keys and salts.
        rounds: PBKDF2 rounds of the first stage (DPIC).
    """
    stream = hashlib.shake_256(b"keybag" + seed).digest(96 + 48 * len(CLASSES))
    header = [
        (b"VERS", _pack(5)),
        (b"TYPE", _pack(1)),
        (b"UUID", stream[:16]),
        (b"HMCK", stream[16:56]),
        (b"WRAP", _pack(PASSPHRASE)),
        (b"SALT", stream[56:76]),
        (b"ITER", _pack(ITERATIONS)),
    ]
    if password is not None:
        header += [(b"DPWT", _pack(1)), (b"DPIC", _pack(rounds)), (b"DPSL", stream[76:96])]
    keys: dict[int, bytes] = {}
    uuids: dict[int, bytes] = {}
    for index, number in enumerate(CLASSES):
        part = stream[96 + 48 * index : 144 + 48 * index]
        keys[number], uuids[number] = part[:32], part[32:]
    return PhoneKeybag(_write(header, uuids, keys, password or ""), keys)


def rewrap(bag: PhoneKeybag, password: str, *, seed: bytes) -> PhoneKeybag:
    """The same class keys under another password, with new salts."""
    salts = hashlib.shake_256(b"rewrap" + seed).digest(40)
    header, classes = _parse(bag.data)
    fresh = {b"SALT": salts[:20], b"DPSL": salts[20:]}
    changed = [(tag, fresh.get(tag, value)) for tag, value in header]
    uuids = {_number(fields[b"CLAS"]): fields[b"UUID"] for fields in classes}
    return PhoneKeybag(_write(changed, uuids, bag.class_keys, password), bag.class_keys)


def unlock(data: bytes, password: str) -> PhoneKeybag | None:
    """Open a keybag; None when the password is not the one it was wrapped with.

    Raises:
        ValueError: this is not a backup keybag.
    """
    header, classes = _parse(data)
    try:
        key = _derive_for(dict(header), password)
        return PhoneKeybag(
            data, {_number(each[b"CLAS"]): aes_key_unwrap(key, each[b"WPKY"]) for each in classes}
        )
    except InvalidUnwrap:
        return None
    except KeyError as error:
        raise ValueError("not a backup keybag") from error


def _derive_for(header: Mapping[bytes, bytes], password: str) -> bytes:
    rounds = _number(header[b"DPIC"]) if b"DPIC" in header else 0
    return _derive(password, header.get(b"DPSL", b""), rounds, header[b"SALT"], _number(header[b"ITER"]))


@functools.lru_cache(maxsize=64)
def _derive(password: str, first_salt: bytes, rounds: int, salt: bytes, iterations: int) -> bytes:
    """The key that wraps the class keys; cached, because a phone's number of rounds takes seconds."""
    secret = password.encode()
    if rounds:
        secret = hashlib.pbkdf2_hmac("sha256", secret, first_salt, rounds, 32)
    return hashlib.pbkdf2_hmac("sha1", secret, salt, iterations, 32)


def _write(header: list[_Field], uuids: Mapping[int, bytes], keys: ClassKeys, password: str) -> bytes:
    key = _derive_for(dict(header), password)
    fields = list(header)
    for number in uuids:
        fields += [
            (b"UUID", uuids[number]),
            (b"CLAS", _pack(number)),
            (b"WRAP", _pack(PASSPHRASE if number <= 4 else PASSPHRASE | DEVICE_KEY)),
            (b"KTYP", _pack(0)),
            (b"WPKY", aes_key_wrap(key, keys[number])),
        ]
    return b"".join(tag + _pack(len(value)) + value for tag, value in fields)


def _parse(data: bytes) -> tuple[list[_Field], list[dict[bytes, bytes]]]:
    """The header of a keybag and the fields of each class; the second UUID starts the first class.

    Raises:
        ValueError: it is truncated or has no classes.
    """
    header: list[_Field] = []
    classes: list[dict[bytes, bytes]] = []
    place = 0
    while place < len(data):
        tag, length = data[place : place + 4], _number(data[place + 4 : place + 8])
        value = data[place + 8 : place + 8 + length]
        if len(data) < place + 8 + length:
            raise ValueError("a keybag that ends in the middle of a field")
        if tag == b"UUID" and any(known == tag for known, _ in header):
            classes.append({})
        if classes:
            classes[-1][tag] = value
        else:
            header.append((tag, value))
        place += 8 + length
    if not classes:
        raise ValueError("a keybag without classes")
    return header, classes


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _pack(value: int) -> bytes:
    return struct.pack(">I", value)
