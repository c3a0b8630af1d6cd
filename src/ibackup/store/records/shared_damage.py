"""Which snapshots have a damaged file in common: names of one and the same file, so the damage is in all of them.

Snapshots share unchanged files by hard links. Clones (reflinks) are files of their own: what is written over one does
not reach the other.
"""

import os
import stat
from collections.abc import Iterable, Mapping


def sharing(backup: str, damaged: Iterable[str], others: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The damaged files that each other backup shares; those that share none are left out.

    Only damaged files are looked at, and none after all of its names were found. A missing file is shared with nobody.

    Args:
        backup: the backup folder with the damage.
        damaged: its damaged files, by their path below it.
        others: the other backup folders, by any key; those that most probably share files come first.
    """
    names = {}
    for file in damaged:
        found = _stat(backup, file)
        if found is not None and found.st_nlink > 1:
            names[file] = (found.st_dev, found.st_ino), found.st_nlink - 1
    shared: dict[str, frozenset[str]] = {}
    for key, other in others.items():
        same = set()
        for file, (inode, left) in list(names.items()):
            found = _stat(other, file)
            if found is None or (found.st_dev, found.st_ino) != inode:
                continue
            same.add(file)
            if left > 1:
                names[file] = inode, left - 1
            else:
                del names[file]
        if same:
            shared[key] = frozenset(same)
    return shared


def _stat(backup: str, file: str) -> os.stat_result | None:
    """The state of an ordinary file; None for anything else, and for what cannot be looked at."""
    try:
        found = os.lstat(os.path.join(backup, *file.split("/")))
    except (OSError, ValueError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None
