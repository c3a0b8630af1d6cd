"""The zip that is sent while it is made, read with Python's own zipfile and, where there is one, with `unzip`."""

import collections
import io
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from ibackup.view.zip_stream import ZipMember, zip_stream

MODIFIED = 1_764_500_001


def member(path: str, content: bytes = b"", modified: int = MODIFIED) -> ZipMember:
    return ZipMember(path, modified, lambda: io.BytesIO(content))


def unpacked(*members: ZipMember) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(members))))


class Zeros(io.BytesIO):
    """A file of many zeros, made as it is read."""

    left = 0

    def read(self, size: int | None = -1) -> bytes:
        count = min(size or 0, self.left)
        self.left -= count
        return bytes(count)


def zeros(size: int) -> BinaryIO:
    found = Zeros()
    found.left = size
    return found


def test_a_zip_has_every_file_with_its_name_and_its_time() -> None:
    large = os.urandom(700_001)
    names = {"Documents/a.txt": b"hello", "Documents/B\u00e9\u4f60.bin": large, "empty": b""}
    with unpacked(*(member(name, data) for name, data in names.items())) as found:
        assert found.testzip() is None
        assert {name: found.read(name) for name in found.namelist()} == names
        for info in found.infolist():
            clock = time.localtime(MODIFIED)
            assert info.date_time == (*clock[:5], clock.tm_sec // 2 * 2)
            assert info.compress_type == zipfile.ZIP_STORED


def test_a_folder_that_is_empty_is_there() -> None:
    with unpacked(ZipMember("Documents/Nothing", MODIFIED, None)) as found:
        assert [each.is_dir() for each in found.infolist()] == [True]


def test_a_zip_of_nothing_is_a_zip() -> None:
    with unpacked() as found:
        assert found.namelist() == []


@pytest.mark.parametrize("modified", [-(1 << 40), 0, 1 << 31, 1 << 40])
def test_a_time_that_no_zip_has_becomes_the_nearest(modified: int) -> None:
    with unpacked(member("a", b"1", modified)) as found:
        assert 1980 <= found.infolist()[0].date_time[0] <= 2107
        assert found.read("a") == b"1"


@pytest.mark.skipif(shutil.which("unzip") is None, reason="Info-ZIP is not installed")
def test_another_program_unpacks_it(tmp_path: Path) -> None:
    data = b"".join(zip_stream([member("a/b.txt", b"one"), ZipMember("a/empty", MODIFIED, None)]))
    (tmp_path / "made.zip").write_bytes(data)
    subprocess.run(["unzip", "-q", "made.zip"], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
    assert (tmp_path / "a/b.txt").read_bytes() == b"one"
    assert (tmp_path / "a/b.txt").stat().st_mtime == MODIFIED
    assert (tmp_path / "a/empty").is_dir()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="holes take space there")
def test_a_file_of_more_than_4_gib_is_whole(tmp_path: Path) -> None:
    size = (4 << 30) + 5
    path = tmp_path / "large.zip"
    with path.open("wb") as target:
        for block in zip_stream([ZipMember("large", MODIFIED, lambda: zeros(size)), member("after", b"it")]):
            if block.count(0) == len(block):
                target.seek(len(block), os.SEEK_CUR)  # a hole
            else:
                target.write(block)
    with zipfile.ZipFile(path) as found:
        assert found.getinfo("large").file_size == size
        assert found.getinfo("after").header_offset > size
        assert found.read("after") == b"it"


def test_memory_does_not_grow_with_a_file() -> None:
    tracemalloc.start()
    sent = sum(map(len, zip_stream([ZipMember("large", MODIFIED, lambda: zeros(64 << 20))])))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent > 64 << 20
    assert peak < 4 << 20


def test_more_than_65535_files() -> None:
    with unpacked(*(member(str(number)) for number in range(65_540))) as found:
        assert len(found.namelist()) == 65_540


def test_the_first_bytes_come_before_the_second_file_is_opened() -> None:
    def members() -> Iterator[ZipMember]:
        yield member("a", b"1")
        raise AssertionError("too early")

    assert next(zip_stream(members())).startswith(b"PK\3\4")


def test_what_fails_in_the_middle_leaves_no_whole_zip() -> None:
    def fails() -> BinaryIO:
        raise OSError("the disk is gone")

    sent = bytearray()
    blocks = zip_stream([member("a", os.urandom(1 << 20)), ZipMember("b", 0, fails), member("c")])
    with pytest.raises(OSError, match="disk is gone"):
        collections.deque(map(sent.extend, blocks), maxlen=0)
    assert len(sent) > 1 << 19
    assert not zipfile.is_zipfile(io.BytesIO(bytes(sent)))


def test_a_file_that_ends_early_leaves_no_whole_zip() -> None:
    short = ZipMember("a", 0, lambda: io.BytesIO(b"12"), 3)
    with pytest.raises(OSError, match="changed"):
        b"".join(zip_stream([short]))
    assert unpacked(ZipMember("a", 0, lambda: io.BytesIO(b"123"), 3)).read("a") == b"123"
