"""What removing snapshots really gives back.

Snapshots share the files that did not change. Where they do so by hard links, the blocks of a file are free once
the last of its names is gone: so the names of each file are counted over the snapshots that go, folder by folder,
and compared with the number of its links. A file has the same path in every snapshot that shares it (a clone keeps
it), so that the files of one folder are all that is ever in memory.

Where files are shared as clones (reflinks), nothing tells which blocks are shared. There, files of the same name,
size and time, to the nanosecond, are taken for clones of each other, and the figure is an upper bound.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ibackup.confined import MAX_DEPTH
from ibackup.store import durable

Tell = Callable[[int], None]

_BLOCK = 512  # the unit of st_blocks, whatever the file system's own
_CLONING = frozenset(["btrfs", "xfs", "bcachefs", "zfs", "ocfs2", "nfs4", "cifs", "smb3"])
_TELL_EVERY = 50_000


@dataclass(frozen=True, slots=True)
class Room:
    """What removing snapshots one after the other gives back.

    Attributes:
        bytes: for each of them, in the order in which they go; a file that several of them share counts for the
            last.
        exact: False where it is an upper bound.
    """

    bytes: tuple[int, ...]
    exact: bool


def may_share_blocks(path: str) -> bool:
    """Whether the file system of a folder may have clones, whose sharing cannot be counted."""
    if sys.platform == "darwin":
        return True
    return sys.platform.startswith("linux") and durable.file_system(path) in _CLONING


def measure(
    going: Sequence[str], staying: Sequence[str], *, clones: bool = False, tell: Tell = lambda _: None
) -> Room:
    """What comes free when the snapshot folders ``going`` are removed in this order.

    Args:
        going: full paths.
        staying: of those that stay, any that may share files with them; looked at for clones only.
        clones: whether the file system may share blocks between files, see ``may_share_blocks``.
        tell: called now and then with the number of directory entries looked at.

    Raises:
        OSError: a folder cannot be read; one that is missing counts as empty.
    """
    count: _Count = _Clones(going, staying, tell) if clones else _Links(going, tell)
    waiting = [""] if going else []
    while waiting:
        folder = waiting.pop()
        below = count.folder(folder)
        if folder.count(os.sep) < MAX_DEPTH:
            waiting.extend(os.path.join(folder, name) for name in below)
    return Room(tuple(count.free), exact=not clones)


class _Count(Protocol):
    free: list[int]

    def folder(self, folder: str) -> set[str]:
        """Count one folder of all snapshots; gives the names of the folders in it."""
        ...


class _Links:
    """Counts names by the number of the file they stand for, which most folders tell without a look at the file."""

    def __init__(self, going: Sequence[str], tell: Tell) -> None:
        self.free = [0] * len(going)
        self._going = going
        self._entries = _Entries(tell)
        self._look = False

    def folder(self, folder: str) -> set[str]:
        """See ``_Count``."""
        below: set[str] = set()
        names: dict[int, int] = {}  # by number of the file: how many names it has in what goes
        last: dict[int, tuple[int, str]] = {}  # the last snapshot that has it, and its name there
        for index, snapshot in enumerate(self._going):
            for entry in self._entries.of(snapshot, folder):
                if entry.is_dir(follow_symlinks=False):
                    below.add(entry.name)
                    continue
                number = os.lstat(entry.path).st_ino if self._look else entry.inode()
                names[number] = names.get(number, 0) + 1
                last[number] = (index, entry.name)
        free = [0] * len(self.free)
        for number, (index, name) in last.items():
            found = os.lstat(os.path.join(self._going[index], folder, name))
            if found.st_ino != number and not self._look:
                # Overlays and some network file systems number the entries otherwise than the files.
                self._look = True
                return self.folder(folder)
            if found.st_nlink <= names[number]:
                free[index] += _size(found)
        self.free = [before + more for before, more in zip(self.free, free, strict=True)]
        return below


class _Clones:
    """Takes files that look the same for clones; hard links are told by their number here too."""

    def __init__(self, going: Sequence[str], staying: Sequence[str], tell: Tell) -> None:
        self.free = [0] * len(going)
        self._going = going
        self._staying = staying
        self._entries = _Entries(tell)

    def folder(self, folder: str) -> set[str]:
        """See ``_Count``."""
        below: set[str] = set()
        found: dict[tuple[str, int, int] | int, tuple[int, int, int]] = {}  # names missing, last index, bytes
        for index, snapshot in enumerate(self._going):
            for entry in self._entries.of(snapshot, folder):
                if entry.is_dir(follow_symlinks=False):
                    below.add(entry.name)
                    continue
                facts = entry.stat(follow_symlinks=False)
                look = _look_of(entry.name, facts)
                missing = found[look][0] if look in found else facts.st_nlink
                found[look] = (missing - 1, index, _size(facts))
        for snapshot in self._staying if found else ():
            for entry in self._entries.of(snapshot, folder):
                found.pop(_look_of(entry.name, entry.stat(follow_symlinks=False)), None)
        for missing, index, size in found.values():
            if missing <= 0:
                self.free[index] += size
        return below


def _look_of(name: str, facts: os.stat_result) -> tuple[str, int, int] | int:
    return (name, facts.st_size, facts.st_mtime_ns) if facts.st_nlink == 1 else facts.st_ino


class _Entries:
    """Lists folders and tells how many entries were seen."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._seen = 0

    def of(self, snapshot: str, folder: str) -> Iterator["os.DirEntry[str]"]:
        try:
            with os.scandir(os.path.join(snapshot, folder) if folder else snapshot) as entries:
                for entry in entries:
                    self._seen += 1
                    if self._seen % _TELL_EVERY == 0:
                        self._tell(self._seen)
                    yield entry
        except FileNotFoundError:
            return  # not every snapshot has every folder


def _size(facts: os.stat_result) -> int:
    blocks = getattr(facts, "st_blocks", None)
    return facts.st_size if blocks is None else int(blocks) * _BLOCK
