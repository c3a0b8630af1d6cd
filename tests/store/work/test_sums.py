"""The SHA-1s beside a snapshot: taken over by those who ask in order, and believed only when they are whole."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.work.ledger_lines import FileSums
from ibackup.store.work.sha1_sums import Sums, write
from ibackup.store.work.working_copy import WorkingCopy
from store.lab import blob, close, send

SEAL = "ab" * 32
SHA = b"x" * 32


def line(number: int, *, known: bool = True) -> FileSums:
    sha1 = hashlib.sha1(b"content %d" % number).digest()
    return FileSums(blob(number), SHA, sha1 if known else None)


LINES = sorted((line(number, known=number % 3 > 0) for number in range(10_000)), key=lambda each: each.path)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sums") / "sums"
    assert write(str(made), SEAL, [FileSums("Manifest.db", SHA, None), *LINES])
    return made


def test_they_are_given_in_order(path: Path) -> None:
    sums = Sums(str(path), SEAL)
    for each in LINES:
        assert sums.get(each.path.rpartition("/")[2]) == each.sha1
    assert sums.get("Manifest.db") is None


@given(place=st.integers(0, 1 << 30), bit=st.integers(0, 7))
def test_one_flipped_bit_takes_all_of_them(path: Path, place: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    (damaged := path.with_name("damaged")).write_bytes(data)
    first = next(each for each in LINES if each.sha1)
    assert Sums(str(damaged), SEAL).get(first.path.rpartition("/")[2]) is None


@pytest.mark.parametrize("size", [0, 1, 72, 111, 112, -1, -40])
def test_nor_are_they_believed_when_they_are_cut_or_of_another_seal(path: Path, size: int) -> None:
    (cut := path.with_name("cut")).write_bytes(path.read_bytes()[:size])
    first = next(each for each in LINES if each.sha1)
    name = first.path.rpartition("/")[2]
    assert Sums(str(cut), SEAL).get(name) is None
    assert Sums(str(path), "cd" * 32).get(name) is None
    assert Sums(str(path.with_name("none")), SEAL).get(name) is None


def test_there_is_no_file_without_any(tmp_path: Path) -> None:
    assert not write(str(tmp_path / "sums"), SEAL, [line(0, known=False)])
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
