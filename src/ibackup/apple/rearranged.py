"""Stored files that another program moved or renamed: put into one folder, given an ending, written in capitals.

A file's name is its identity, so a file is found again as long as the name still has its 40 digits.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.rows import blob_path
from ibackup.base.confined import Confined, FolderItem, PathRefused, name_flaw

_NAMED = re.compile(r"([0-9a-fA-F]{40})(\.[^/]{1,32})?")
_PACKED = frozenset([".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".z", ".zip", ".7z", ".rar", ".br"])
_FOLDER = re.compile(r"[0-9a-fA-F]{2}")
_SAMPLED = 3  # folders that are looked into before all are
_MOST = 1 << 20  # files; a phone has about a million at most
_NOWHERE: Mapping[str, tuple[str, int]] = MappingProxyType({})


class Rearranged(NamedTuple):
    """Where such files are.

    Attributes:
        what: what was done to them, in words that follow "they".
        found: by the first two digits of its fileID, and the whole: a file's path and its size in bytes.
    """

    what: str
    found: Mapping[str, Mapping[str, tuple[str, int]]]

    def of(self, prefix: str) -> Mapping[str, tuple[str, int]]:
        """The files whose ids begin with two digits: path and size by id."""
        return self.found.get(prefix, _NOWHERE)

    def path(self, file_id: str) -> str | None:
        """Where a file is, below the backup's folder; None if it is not among them."""
        found = self.of(file_id[:2]).get(file_id)
        return None if found is None else found[0]

    def has(self, path: str) -> bool:
        """Whether this is the path of one of them."""
        named = _NAMED.fullmatch(path.rpartition("/")[2])
        return named is not None and self.path(named[1].lower()) == path


def look(confined: Confined, *, flat: bool) -> Rearranged | None:
    """Find the stored files that are not where their list has them; None if a few samples are as they should be.

    Args:
        confined: the backup's folder.
        flat: whether the list has all files in one folder, as up to iOS 9.
    """
    try:
        top = list(islice(confined.items(()), _MOST))
    except (OSError, PathRefused):
        return None
    folders = [each.name for each in top if each.kind == "directory" and _FOLDER.fullmatch(each.name)]
    sampled = 0
    odd = any(_is_odd("", each, flat=flat) for each in top)
    for folder in folders:
        if odd or sampled >= _SAMPLED:
            break
        inside = [each for each in _items(confined, folder) if _NAMED.fullmatch(each.name)]
        sampled += bool(inside)
        odd = any(_is_odd(folder, each, flat=flat) for each in inside)
    return _all(confined, top, folders, flat=flat) if odd else None


def _all(confined: Confined, top: list[FolderItem], folders: list[str], *, flat: bool) -> Rearranged:
    found: dict[str, dict[str, tuple[str, int]]] = {}
    endings: set[str] = set()
    moved = capitals = False
    count = 0
    packed: set[str] = set()
    for folder, items in [("", iter(top)), *((name, _items(confined, name)) for name in folders)]:
        for item in items:
            if not _is_odd(folder, item, flat=flat) or count >= _MOST:
                continue
            digits, ending = item.name[:40], item.name[40:]
            if ending.lower() in _PACKED:  # its content is not the file
                packed.add(ending)
                continue
            file_id, path = digits.lower(), f"{folder}/{item.name}" if folder else item.name
            found.setdefault(file_id[:2], {}).setdefault(file_id, (path, item.size))
            count += 1
            moved = moved or folder.lower() != ("" if flat else file_id[:2])
            capitals = capitals or digits != file_id or folder != folder.lower()
            if ending and len(endings) <= _SAMPLED:
                endings.add(ending)
    said = []
    if moved:
        said.append("are not in the folders where the list has them")
    if endings:
        named = ", ".join(f"'{each}'" for each in sorted(endings)[:_SAMPLED])
        said.append(f"have endings that a phone does not give them ({named})")
    if capitals:
        said.append("have names in capitals")
    if packed:
        named = ", ".join(f"'{each}'" for each in sorted(packed)[:_SAMPLED])
        said.append(f"are packed one by one ({named}): unpack them in a copy of the folder")
    return Rearranged(" and ".join(said), found)


def _is_odd(folder: str, item: FolderItem, *, flat: bool) -> bool:
    """Whether an item is a stored file by its name, and not where a backup has it."""
    named = _NAMED.fullmatch(item.name)
    if named is None or item.kind != "file" or name_flaw(item.name):
        return False
    path = f"{folder}/{item.name}" if folder else item.name
    return not FILE_ID.fullmatch(item.name) or path != blob_path(item.name, flat=flat)


def _items(confined: Confined, folder: str) -> Iterator[FolderItem]:
    try:
        yield from confined.items((folder,))
    except (OSError, PathRefused):
        return
