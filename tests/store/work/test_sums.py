"""The SHA-1s beside a snapshot: taken over by those who ask in order, and believed only when they are whole."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.work.sha1_sums import Sums, write
from ibackup.store.work.working_copy import WorkingCopy
from store.lab import blob, close, send

SEAL = "ab" * 32


def name(number: int) -> str:
    return blob(number).rpartition("/")[2]


KNOWN = sorted(
    (name(number), hashlib.sha1(b"content %d" % number).digest()) for number in range(10_000) if number % 3
)
UNKNOWN = [name(number) for number in range(0, 10_000, 3)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sums") / "sums"
    odd = [("Manifest.db", b"1" * 20), ("g" * 40, b"2" * 20)]  # no phone's files
    assert write(str(made), SEAL, [odd, KNOWN[:3000], [], KNOWN[3000:]])
    return made


def test_they_are_given_in_order(path: Path) -> None:
    sums = Sums(str(path), SEAL)
    wanted: dict[str, bytes | None] = {**dict.fromkeys(UNKNOWN), **dict(KNOWN)}
    assert {each: sums.get(each) for each in sorted(wanted)} == wanted
    assert sums.get("Manifest.db") is None


@given(place=st.integers(0, 1 << 30), bit=st.integers(0, 7))
def test_one_flipped_bit_takes_all_of_them(path: Path, place: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    (damaged := path.with_name("damaged")).write_bytes(data)
    assert Sums(str(damaged), SEAL).get(KNOWN[0][0]) is None


@pytest.mark.parametrize("size", [0, 1, 72, 111, 112, -1, -40])
def test_nor_are_they_believed_when_they_are_cut_or_of_another_seal(path: Path, size: int) -> None:
    (cut := path.with_name("cut")).write_bytes(path.read_bytes()[:size])
    first = KNOWN[0][0]
    assert Sums(str(cut), SEAL).get(first) is None
    assert Sums(str(path), "cd" * 32).get(first) is None
    assert Sums(str(path.with_name("none")), SEAL).get(first) is None


def test_there_is_no_file_without_any(tmp_path: Path) -> None:
    assert not write(str(tmp_path / "sums"), SEAL, [[], []])
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_hands_them_on(folder: PhoneFolder) -> None:
    sha1 = hashlib.sha1(b"data").digest()
    for number in range(3):
        with WorkingCopy.create(folder, folder.standing().base) as working:
            if not number:
                send(working, {"Manifest.db": b"x", "Status.plist": b"x", blob(1): b"data"})
                working.ledger.took(blob(1), sha1)
            known = working.ledger.line(blob(1))
            assert known is not None
            assert known.sha1 == sha1
            close(working)
    names = [f"{each.id}.sha1" for each in folder.snapshots()]
    assert sorted(each.name for each in Path(folder.proofs_path).iterdir()) == names
    folder.forget(folder.snapshots()[0].id)
    assert sorted(each.name for each in Path(folder.proofs_path).iterdir()) == names[1:]
