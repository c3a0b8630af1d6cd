"""Promise 4: nothing outside the folder is touched, whatever a path says."""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.base import confined
from ibackup.base.confined import Confined, PathRefused, parse

pytestmark = [
    pytest.mark.promise("The phone is not trusted with the computer"),
    pytest.mark.skipif(sys.platform == "win32", reason="makes links and pipes as POSIX does"),
]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[tuple[Confined, Path, Path]]:
    """A confined folder, its path, and a folder outside that nothing may reach."""
    inside, staging, outside = tmp_path / "inside", tmp_path / "staging", tmp_path / "outside"
    for folder in (inside, staging, outside):
        folder.mkdir()
    (outside / "treasure").write_bytes(b"treasure")
    with Confined(inside, staging) as box:
        yield box, inside, outside
    assert (outside / "treasure").read_bytes() == b"treasure"
    assert [path.name for path in outside.iterdir()] == ["treasure"]


@pytest.fixture(params=["descriptors", "paths"])
def both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on the walk by descriptors and on the one for systems that have none (Windows)."""
    if request.param == "paths":
        monkeypatch.setattr(confined, "_POSIX_AT", False)


def put(box: Confined, path: str, data: bytes) -> None:
    staged = box.create()
    os.write(staged.fd, data)
    os.close(staged.fd)
    box.publish(staged, parse(path))


def read(box: Confined, path: str) -> bytes:
    with os.fdopen(box.open_file(parse(path)), "rb") as stream:
        return stream.read()


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/etc/passwd", "..", "../x", "a/../x", "a/./b", "a/..", "\\\\host\\share", "C:/x", "C:\\x", "a\\b",
        "a:stream", "nul", "NUL.txt", "com1", "LPT9.log", "COM¹", "con .x", "CONIN$", "a.", "a ", "a\0b", "a\nb",
        "a\x7f",
        "a*", "a?", "x" * 256, "é" * 128, "a/" * 17 + "a", "a/" * 3000, "\ud800",
    ],
)  # fmt: skip
def test_paths_that_are_no_plain_names_are_refused(path: str) -> None:
    with pytest.raises(PathRefused) as refused:
        parse(path)
    assert refused.value.exit_code == 12
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    "path", ["a", "ab/" + "c" * 40, "Snapshot/ab/x", "a//b/", "é" * 127, ".hidden", "con2", "a b"]
)
def test_plain_paths_are_split(path: str) -> None:
    assert parse(path) == tuple(part for part in path.split("/") if part)


@given(st.text(max_size=60))
def test_whatever_is_accepted_stays_below(path: str) -> None:
    try:
        parts = parse(path)
    except PathRefused:
        return
    assert parts
    joined = os.path.normpath(os.path.join("/top/x", *parts))
    assert joined.startswith("/top/x/")
    assert joined == "/top/x/" + "/".join(parts)


@pytest.mark.usefixtures("both")
class TestInside:
    def test_write_read_list_move_remove(self, room: tuple[Confined, Path, Path]) -> None:
        box, inside, _ = room
        box.make_dir(parse("Snapshot/ab"))
        put(box, "Snapshot/ab/one", b"1")
        assert read(box, "Snapshot/ab/one") == b"1"
        assert oct((inside / "Snapshot").stat().st_mode) == "0o40700"
        assert oct((inside / "Snapshot/ab/one").stat().st_mode) == "0o100600"
        box.make_dir(parse("ab"))
        box.rename(parse("Snapshot/ab/one"), parse("ab/one"))
        assert [(item.name, item.kind, item.size) for item in box.items(parse("ab"))] == [("one", "file", 1)]
        assert box.remove(parse("Snapshot"))
        assert not box.remove(parse("Snapshot"))
        assert sorted(item.name for item in box.items(())) == ["ab"]

    def test_replacing_a_file_leaves_its_other_names_alone(self, room: tuple[Confined, Path, Path]) -> None:
        box, inside, outside = room
        os.link(outside / "treasure", inside / "shared")
        put(box, "shared", b"new")
        assert (inside / "shared").read_bytes() == b"new"

    def test_a_folder_is_replaced_with_all_it_holds(self, room: tuple[Confined, Path, Path]) -> None:
        box, inside, _ = room
        (inside / "old/deep").mkdir(parents=True)
        put(box, "old/deep/x", b"x")
        put(box, "new", b"n")
        box.rename(parse("new"), parse("old"))
        assert (inside / "old").read_bytes() == b"n"

    def test_a_folder_does_not_move_into_itself(self, room: tuple[Confined, Path, Path]) -> None:
        box, inside, _ = room
        (inside / "a/b").mkdir(parents=True)
        for source, target in (("a", "a/b"), ("a/b", "a"), ("a", "a")):
            with pytest.raises(OSError, match="Invalid"):
                box.rename(parse(source), parse(target))
        assert (inside / "a/b").is_dir()

    def test_links_are_not_followed(self, room: tuple[Confined, Path, Path]) -> None:
        box, inside, outside = room
        (inside / "dir").symlink_to(outside)
        put(box, "plain", b"p")
        for act in (
            lambda: box.open_file(parse("dir/treasure")),
            lambda: box.item(parse("dir/treasure")),
            lambda: list(box.items(parse("dir"))),
            lambda: box.make_dir(parse("dir/sub")),
            lambda: put(box, "dir/new", b""),
            lambda: box.rename(parse("plain"), parse("dir/plain")),
            lambda: box.rename(parse("dir/treasure"), parse("mine")),
            lambda: box.remove(parse("dir/treasure")),
        ):
            with pytest.raises(PathRefused):
                act()
        assert read(box, "plain") == b"p"

    def test_a_link_is_replaced_or_removed_itself(self, room: tuple[Confined, Path, Path]) -> None:
        box, inside, outside = room
        (inside / "link").symlink_to(outside / "treasure")
        put(box, "link", b"mine")
        assert not (inside / "link").is_symlink()
        (inside / "dir").symlink_to(outside)
        assert box.remove(parse("dir"))

    def test_a_link_that_appears_while_we_look(self, room: tuple[Confined, Path, Path]) -> None:
        box, inside, outside = room
        box.make_dir(parse("ab"))
        (inside / "ab").rename(inside / "elsewhere")
        (inside / "ab").symlink_to(outside)
        if confined._POSIX_AT:
            with pytest.raises(PathRefused):
                put(box, "ab/x", b"x")

    def test_what_is_no_file_is_not_opened(self, room: tuple[Confined, Path, Path]) -> None:
        box, inside, _ = room
        os.mkfifo(inside / "pipe")
        (inside / "folder").mkdir()
        for name in ("pipe", "folder"):
            with pytest.raises(OSError, match=r".") as failed:
                os.close(box.open_file(parse(name)))
            assert failed.value.errno in {errno.EISDIR, errno.EINVAL}
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(inside)
            server.bind("sock")
            os.chdir(here)
        with pytest.raises(OSError, match=r"."):
            os.close(box.open_file(parse("sock")))


def test_a_read_only_one_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    with Confined(tmp_path) as box:
        for act in (
            box.create,
            lambda: box.make_dir(parse("b")),
            lambda: box.remove(parse("a")),
            lambda: box.rename(parse("a"), parse("b")),
        ):
            with pytest.raises(PermissionError):
                act()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_few_descriptors_are_kept(tmp_path: Path) -> None:
    inside, staging = tmp_path / "i", tmp_path / "s"
    inside.mkdir()
    staging.mkdir()
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    with Confined(inside, staging, max_open=16) as box:
        for number in range(256):
            box.make_dir((f"{number:02x}",))
            put(box, f"{number:02x}/x", b"")
        for number in range(255):
            box.rename((f"{number:02x}", "x"), (f"{number + 1:02x}", f"y{number}"))
        if sys.platform == "linux":
            assert len(os.listdir("/proc/self/fd")) - before <= 20
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) == before


def test_files_of_a_broken_run_in_the_staging_folder_do_no_harm(tmp_path: Path) -> None:
    inside, staging = tmp_path / "i", tmp_path / "s"
    inside.mkdir()
    staging.mkdir()
    for number in range(1, 4):
        (staging / f"{number:x}.new").write_bytes(b"old")
    with Confined(inside, staging) as box:
        put(box, "a", b"new")
        staged = box.create()
        os.close(staged.fd)
        box.discard(staged)
        box.discard(staged)
    assert (inside / "a").read_bytes() == b"new"


@pytest.mark.usefixtures("both")
def test_a_moved_folder_is_not_written_to_under_its_old_name(room: tuple[Confined, Path, Path]) -> None:
    box, inside, _ = room
    for folder in ("a/deep", "b", "c", "empty"):
        box.make_dir(parse(folder))
    put(box, "a/deep/one", b"1")
    put(box, "b/two", b"2")
    put(box, "c/three", b"3")
    box.rename(parse("a"), parse("moved"))
    box.make_dir(parse("a/deep"))
    put(box, "a/deep/one", b"new")
    box.rename(parse("b"), parse("empty"))
    put(box, "empty/four", b"4")
    box.rename(parse("c/three"), parse("empty/two"))
    found = {
        path.relative_to(inside).as_posix(): path.read_bytes() for path in inside.rglob("*") if path.is_file()
    }
    assert found == {"a/deep/one": b"new", "moved/deep/one": b"1", "empty/two": b"3", "empty/four": b"4"}
