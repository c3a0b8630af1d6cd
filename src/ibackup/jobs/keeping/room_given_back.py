"""The space that removing snapshots really frees.

Snapshots share the files that did not change. With hard links, the blocks of a file are free once its last
name is gone. So the names of each file are counted over the snapshots to remove, folder by folder, and
compared with its number of links. A file has the same path in every snapshot that shares it (a clone keeps
it), so only the files of one folder are ever in memory.

With clones (reflinks), the system does not show which blocks are shared. Then files with the same name, size
and time, to the nanosecond, count as clones of each other, and the figure is an upper bound.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ibackup.base import disks
from ibackup.base.confined import MAX_DEPTH

Tell = Callable[[int], None]

_BLOCK = 512  # the unit of st_blocks, whatever the file system's own unit
_CLONING = frozenset(["btrfs", "xfs", "bcachefs", "zfs", "ocfs2", "nfs4", "cifs", "smb3"])
_TELL_EVERY = 50_000


@dataclass(frozen=True, slots=True)
class ReclaimableRoom:
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
    return sys.platform.startswith("linux") and disks.file_system(path) in _CLONING


def measure(
    going: Sequence[str], staying: Sequence[str], *, clones: bool = False, tell: Tell = lambda _: None
) -> ReclaimableRoom:
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
    return ReclaimableRoom(tuple(count.free), exact=not clones)


class _Count(Protocol):
    free: list[int]

    def folder(self, folder: str) -> set[str]:
        """Count one folder of all snapshots; gives the names of the folders in it."""
        ...


class _Links:
    """Counts names by the number of their file, which most folders give without a look at the file."""

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
                # Overlays and some network file systems number directory entries differently from files.
                self._look = True
                return self.folder(folder)
            if found.st_nlink <= names[number]:
                free[index] += _size(found)
        self.free = [before + more for before, more in zip(self.free, free, strict=True)]
        return below


class _Clones:
    """Counts files that look the same as clones; hard links are recognized by their file number here too."""

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
    """Lists folders and reports how many entries were seen."""

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


# -- what is taken now --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """What snapshots take on their disk, bytes.

    Attributes:
        total: of all of them together, what they share counted once.
        whole: of each, all of its files.
        own: of each, what no other one shares.
    """

    total: int
    whole: tuple[int, ...]
    own: tuple[int, ...]


def taken(folders: Sequence[str], *, clones: bool = False, tell: Tell = lambda _: None) -> Taken:
    """What folders of snapshots take; like ``measure`` it holds the files of one folder at a time.

    Args:
        folders: full paths.
        clones: whether the file system may share blocks between files, see ``may_share_blocks``. Then files that look
            the same count as one.
        tell: called now and then with the number of directory entries looked at.

    Raises:
        OSError: a folder cannot be read; one that is missing counts as empty.
    """
    entries, whole, own, total = _Entries(tell), [0] * len(folders), [0] * len(folders), 0
    waiting = [""] if folders else []
    while waiting:
        folder = waiting.pop()
        having: dict[tuple[str, int, int] | int, tuple[int, set[int]]] = {}
        below: set[str] = set()
        for index, snapshot in enumerate(folders):
            for entry in entries.of(snapshot, folder):
                if entry.is_dir(follow_symlinks=False):
                    below.add(entry.name)
                    continue
                facts = os.lstat(entry.path)
                look = _look_of(entry.name, facts) if clones else facts.st_ino
                size, owners = having.setdefault(look, (_size(facts), set()))
                if index not in owners:
                    owners.add(index)
                    whole[index] += size
        for size, owners in having.values():
            total += size
            if len(owners) == 1:
                own[owners.pop()] += size
        if folder.count(os.sep) < MAX_DEPTH:
            waiting.extend(os.path.join(folder, name) for name in below)
    return Taken(total, tuple(whole), tuple(own))
