"""What removal gives back, compared with what du finds before and after."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ibackup.jobs.keeping.room_given_back import measure

pytestmark = pytest.mark.skipif(os.name != "posix", reason="du")


def du(folder: Path) -> int:
    """Bytes of the files below a folder, hard links once."""
    listed = subprocess.run(
        ["find", folder, "-type", "f", "-printf", "%i %b\n"], check=True, capture_output=True, text=True
    )
    blocks = dict(line.split() for line in listed.stdout.splitlines())
    return 512 * sum(map(int, blocks.values()))


@pytest.fixture
def chain(tmp_path: Path) -> list[Path]:
    """Eight snapshots, each a link farm of the one before with changes, as runs make them."""
    rng = random.Random(4)
    snapshots: list[Path] = []
    for number in range(8):
        backup = tmp_path / "snapshots" / str(number) / "UDID"
        for index in range(120):
            path = backup / f"{index % 7:02x}" / f"{index:040x}"
            path.parent.mkdir(parents=True, exist_ok=True)
            before = snapshots[-1] / "UDID" / path.relative_to(backup) if snapshots else None
            if before is not None and before.exists() and rng.random() < 0.9:
                os.link(before, path)
            elif rng.random() < 0.9:
                path.write_bytes(rng.randbytes(rng.randrange(0, 40_000)))
        (backup.parent / "SHA256SUMS").write_bytes(b"x" * 5000)
        snapshots.append(backup.parent)
    return snapshots


@pytest.mark.parametrize("going", [[0], [3], [0, 1, 2], [1, 3, 4, 6], [7, 2], [0, 1, 2, 3, 4, 5, 6, 7], []])
def test_as_du_finds(chain: list[Path], going: list[int]) -> None:
    order = [chain[number] for number in going]
    room = measure([str(path) for path in order], [])
    assert room.exact
    freed = []
    for path in order:
        before = du(path.parent)
        shutil.rmtree(path)
        freed.append(before - du(path.parent))
    assert list(room.bytes) == freed


@pytest.mark.parametrize("going", [[0], [0, 1, 2], [1, 3, 4, 6]])
def test_links_where_clones_may_be(chain: list[Path], going: list[int]) -> None:
    """On XFS and Btrfs a store may have hard links anyway."""
    order = [str(chain[number]) for number in going]
    staying = [str(path) for number, path in enumerate(chain) if number not in going]
    assert measure(order, staying, clones=True).bytes == measure(order, []).bytes


def test_clones_are_told_by_name_size_and_time(tmp_path: Path) -> None:
    """A stand-in for reflinks, which this disk may not have: the same file twice, with its time."""
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "own").write_bytes(bytes(40_960))
        os.utime(tmp_path / str(number) / "own", ns=(number, number))
    (tmp_path / "0" / "old").write_bytes(bytes(81_920))
    (tmp_path / "0" / "all").write_bytes(bytes(122_880))
    shutil.copy2(tmp_path / "0" / "old", tmp_path / "1" / "old")
    for number in (1, 2, 3):
        shutil.copy2(tmp_path / "0" / "all", tmp_path / str(number) / "all")
    paths = [str(tmp_path / str(number)) for number in range(4)]
    room = measure(paths[:3], paths[3:], clones=True)
    assert not room.exact
    # "own" each; "old" goes with the last of the two that have it; "all" is still in the one that stays.
    assert [round(size / 40_960) for size in room.bytes] == [1, 3, 1]
    assert [round(size / 40_960) for size in measure(paths, [], clones=True).bytes] == [1, 3, 1, 4]


def test_what_is_counted_is_reported(chain: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibackup.jobs.keeping.room_given_back._TELL_EVERY", 100)
    told: list[int] = []
    measure([str(path) for path in chain], [], tell=told.append)
    assert told == list(range(100, told[-1] + 1, 100))
    assert len(told) > 8


def test_numbers_that_lie(chain: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """An overlay or a share may number directory entries otherwise than files; then each file is looked at."""
    from ibackup.jobs.keeping import room_given_back

    class Lying:
        def __init__(self, entry: "os.DirEntry[str]") -> None:
            self._entry = entry
            self.name, self.path = entry.name, entry.path

        def inode(self) -> int:
            return self._entry.inode() + 1_000_000

        def is_dir(self, *, follow_symlinks: bool = True) -> bool:
            return self._entry.is_dir(follow_symlinks=follow_symlinks)

    honest = measure([str(path) for path in chain[:5]], [])
    entries = room_given_back._Entries.of
    monkeypatch.setattr(
        room_given_back._Entries, "of", lambda self, *where: (Lying(entry) for entry in entries(self, *where))
    )
    assert measure([str(path) for path in chain[:5]], []) == honest
