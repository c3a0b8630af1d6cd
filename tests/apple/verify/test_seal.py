"""Seals: sha256sum reads what we write, and we read what sha256sum writes."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple.format_errors import SealDamaged
from ibackup.apple.verify import seal
from ibackup.apple.verify.seal import Seal, SealLine

UDID = "00008101-000A0B0C0D0E0F01"
NAMES = ["Info.plist", "00/00" + "a" * 38, "ff/ff" + "0" * 38, "a b", "back\\slash", "new\nline", "cr\r", "ä"]

needs_sha256sum = pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    names = NAMES if sys.platform != "win32" else NAMES[:4]
    for name in names:
        path = tmp_path / UDID / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 3)
    return tmp_path


def lines_of(tree: Path) -> list[SealLine]:
    paths = sorted(path for path in tree.rglob("*") if path.is_file())
    return [
        SealLine(path.relative_to(tree).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in paths
    ]


@needs_sha256sum
def test_sha256sum_accepts_what_we_write(tree: Path) -> None:
    lines = lines_of(tree)
    with open(tree / "SHA256SUMS", "wb") as target:
        own = seal.write(target, lines)
    run = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tree, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("OK") == len(lines)
    assert own == hashlib.sha256((tree / "SHA256SUMS").read_bytes()).hexdigest()


@needs_sha256sum
@pytest.mark.parametrize("mode", ["--text", "--binary"])
def test_we_read_what_sha256sum_writes(tree: Path, mode: str) -> None:
    lines = lines_of(tree)
    run = subprocess.run(
        ["sha256sum", mode, *(line.path for line in lines)], cwd=tree, capture_output=True, check=True
    )
    assert list(seal.read(io.BytesIO(run.stdout))) == lines
    if mode == "--text":
        assert b"".join(map(seal.encode, lines)) == run.stdout


def test_a_seal_in_memory(tree: Path) -> None:
    lines = lines_of(tree)
    with open(tree / "SHA256SUMS", "wb") as target:
        own = seal.write(target, lines)
    loaded = Seal.read(tree / "SHA256SUMS")
    assert (loaded.folder, loaded.sha256, len(loaded)) == (UDID, own, len(lines))
    for line in lines:
        assert loaded.get(line.path.removeprefix(UDID + "/")) == bytes.fromhex(line.sha256)
    assert loaded.get("11/11" + "0" * 38) is None
    assert loaded.get("Status.plist") is None
    assert [*loaded.ids("00"), *loaded.ids("ff")] == ["00" + "a" * 38, "ff" + "0" * 38]
    assert Seal.make(lines) == loaded


def test_order_does_not_matter() -> None:
    ids = [hashlib.sha1(str(number).encode()).hexdigest() for number in range(500)]
    lines = [SealLine(f"{UDID}/{i[:2]}/{i}", hashlib.sha256(i.encode()).hexdigest()) for i in ids]
    shuffled, ordered = Seal.make(lines), Seal.make(sorted(lines))
    assert all(shuffled.get(f"{i[:2]}/{i}") == hashlib.sha256(i.encode()).digest() for i in ids)
    assert shuffled._blobs == ordered._blobs


GOOD = b"a" * 64 + b"  " + UDID.encode() + b"/Info.plist\n"
BLOB = b"a" * 64 + b"  " + UDID.encode() + b"/00/" + b"00" * 20 + b"\n"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", 1),
        (GOOD + b"\n", 2),
        (GOOD[:-1], 1),
        (GOOD + b"A" * 64 + GOOD[64:], 2),
        (GOOD + GOOD[1:], 2),
        (GOOD + b"b" * 64 + b"  elsewhere/x\n", 2),
        (GOOD + b"b" * 64 + b"  x\n", 2),
        (GOOD + GOOD, 2),
        (GOOD + b"\\" + GOOD[:-1] + b"\\x\n", 2),
        (GOOD + b"\\" + GOOD[:-1] + b"\\\n", 2),
        (BLOB + GOOD + BLOB, 0),
        (GOOD[:-1] + b"x" * 20000 + b"\n", 1),
    ],
    ids=[
        *["empty", "empty line", "cut", "upper case", "short sum", "other folder", "no folder", "twice"],
        *["unknown escape", "half an escape", "blob twice", "long line"],
    ],
)
def test_a_damaged_seal_names_its_line(data: bytes, line: int) -> None:
    with pytest.raises(SealDamaged) as caught:
        Seal.load(io.BytesIO(data))
    assert caught.value.line == line


def test_three_hundred_thousand_lines_stay_small() -> None:
    import tracemalloc

    def lines() -> "list[bytes]":
        stem = b"ab" * 32 + b"  " + UDID.encode()
        return [b"%s/%02x/%02x%038x\n" % (stem, n >> 4, n >> 4, n & 15) for n in range(4096)]

    data = io.BytesIO(b"".join(lines()))
    tracemalloc.start()
    try:
        loaded = Seal.load(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(loaded) == 4096
    assert peak < 4096 * 200


def test_bytes_that_are_not_utf8_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"x/\xff\xfe")
    target = io.BytesIO()
    seal.write(target, [SealLine(name, "0" * 64)])
    assert next(seal.read(io.BytesIO(target.getvalue()))).path == name


_NAMES = st.one_of(
    st.integers(0, 99).map(lambda number: f"{number:02x}" + "0" * 38),  # in its own folder or in another
    st.sampled_from(["Info.plist", "a\\b", "new\nline", "ä", "a" * 40, os.fsdecode(b"\xff")]),
)
_PLACES = st.lists(
    st.tuples(st.sampled_from(["", "00", "01", "Snapshot/00"]), st.lists(_NAMES, max_size=9)), max_size=9
)


@given(places=_PLACES, block=st.integers(1, 4))
def test_blocks_of_lines_are_the_same_lines(places: list[tuple[str, list[str]]], block: int) -> None:
    files = [
        (place, [(name, hashlib.sha256(os.fsencode(name)).digest()) for name in names])
        for place, names in places
    ]
    paths = [(f"{place}/{name}".lstrip("/"), sha256) for place, inside in files for name, sha256 in inside]
    target, single = io.BytesIO(), io.BytesIO()
    own = seal.write_places(target, UDID, files)
    assert own == seal.write(single, [SealLine(f"{UDID}/{path}", sha256.hex()) for path, sha256 in paths])
    assert target.getvalue() == single.getvalue()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seal, "_BLOCK_LINES", block)
        found = list(seal.read_places(io.BytesIO(target.getvalue()), UDID, lambda _: True))
        assert [(f"{place}/{name}".lstrip("/"), sha256) for place, name, sha256 in found] == paths
        for bad, line in ((b"x\n", len(paths) + 1), (BLOB[:-1], len(paths) + 1)):
            with pytest.raises(SealDamaged) as caught:
                list(seal.read_places(io.BytesIO(target.getvalue() + bad), UDID, lambda _: True))
            assert caught.value.line == line
