"""Keybags of the virtual iPhone, opened by readers that we did not write."""

import struct

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from iphone_backup_decrypt.utils import BackupKeyBag
from pyiosbackup.keybag import Keybag as TheirKeybag
from pyiosbackup.manifest_plist import ManifestPlist

from ibackup.simulator import keybags

PASSWORD = "pÄssword"


def tags(bag: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while bag:
        length = struct.unpack(">I", bag[4:8])[0]
        found.append((bag[:4], bag[8 : 8 + length]))
        bag = bag[8 + length :]
    return found


def test_lengths_and_fields() -> None:
    encrypted = keybags.mint(PASSWORD, seed=b"1", rounds=100)
    assert len(encrypted.data) == 1388
    header = dict(tags(encrypted.data)[:10])
    assert set(header) == {
        b"VERS", b"TYPE", b"UUID", b"HMCK", b"WRAP", b"SALT", b"ITER", b"DPWT", b"DPIC", b"DPSL",
    }  # fmt: skip
    assert header[b"DPIC"] == struct.pack(">I", 100)
    assert header[b"ITER"] == struct.pack(">I", 10_000)
    classes = [int.from_bytes(value, "big") for tag, value in tags(encrypted.data) if tag == b"CLAS"]
    assert classes == list(range(11, 0, -1))
    wraps = [int.from_bytes(value, "big") for tag, value in tags(encrypted.data)[10:] if tag == b"WRAP"]
    assert wraps == [3] * 7 + [2] * 4
    assert len(keybags.mint(None, seed=b"1", rounds=100).data) == 1336


def test_iphone_backup_decrypt_unlocks_it() -> None:
    bag = keybags.mint(PASSWORD, seed=b"2", rounds=100)
    theirs = BackupKeyBag(bag.data)
    assert theirs.unlock_with_passphrase(passphrase=PASSWORD.encode())
    for number, key in bag.class_keys.items():
        assert theirs.unwrap_key_for_class(number, aes_key_wrap(key, b"k" * 32)) == b"k" * 32
    assert not BackupKeyBag(bag.data).unlock_with_passphrase(passphrase=b"wrong")


def test_pyiosbackup_unlocks_it() -> None:
    bag = keybags.mint(PASSWORD, seed=b"3", rounds=100)
    values = {"BackupKeyBag": bag.data, "Lockdown": {"ProductVersion": "18.6.2"}}
    theirs = TheirKeybag.from_manifest(ManifestPlist(values), PASSWORD)
    assert {number: theirs.get_key(number) for number in range(1, 12)} == bag.class_keys


def test_unlock_and_rewrap() -> None:
    bag = keybags.mint(PASSWORD, seed=b"4", rounds=100)
    opened = keybags.unlock(bag.data, PASSWORD)
    assert opened is not None
    assert opened.class_keys == bag.class_keys
    assert keybags.unlock(bag.data, "wrong") is None
    fresh = keybags.rewrap(opened, "new", seed=b"5")
    assert len(fresh.data) == len(bag.data)
    assert keybags.unlock(fresh.data, PASSWORD) is None
    reopened = keybags.unlock(fresh.data, "new")
    assert reopened is not None
    assert reopened.class_keys == bag.class_keys
    assert BackupKeyBag(fresh.data).unlock_with_passphrase(passphrase=b"new")


@pytest.mark.parametrize("cut", [1, 7, 40, 199, 1380])
def test_a_cut_keybag_is_refused(cut: int) -> None:
    bag = keybags.mint(PASSWORD, seed=b"6", rounds=100)
    with pytest.raises(ValueError, match="keybag"):
        keybags.unlock(bag.data[:cut], PASSWORD)
