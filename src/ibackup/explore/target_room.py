"""The space that extracted files need, found out before the first is written."""

import contextlib
import os
from collections.abc import Iterable
from typing import NamedTuple, Self

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.apple.rows import Kind
from ibackup.explore.selection import Selection

_BLOCK = 4096  # bytes that files are rounded up to on most disks
_SPARE = 16 * 1024 * 1024


class TargetRoom(NamedTuple):
    """The number of files, their bytes, and the bytes that they take on a disk."""

    files: int
    bytes: int
    needed: int

    @classmethod
    def of_records(cls, backup: Backup, selection: Selection) -> Self:
        """Computed from the records of the chosen files."""
        return cls._of(_recorded(backup, selection))

    @classmethod
    def of_stored(cls, backup: Backup, selection: Selection) -> Self:
        """Computed from the stored sizes of the chosen files, which takes longer."""
        return cls._of(
            backup.stored_bytes(backup.place_of(row.file_id))
            for row in selection.rows(backup)
            if row.kind is Kind.FILE
        )

    @classmethod
    def of_folder(cls, path: str) -> Self:
        """Computed from everything in a backup's folder, without the manifest: a little too much."""
        return cls._of(_sizes(path))

    @classmethod
    def _of(cls, sizes: Iterable[int]) -> Self:
        files = total = 0
        needed = _SPARE
        for size in sizes:
            files += 1
            total += size
            needed += -(-size // _BLOCK) * _BLOCK
        return cls(files, total, needed)


def _recorded(backup: Backup, selection: Selection) -> Iterable[int]:
    for row in selection.rows(backup):
        if row.kind is Kind.FILE:
            with contextlib.suppress(FormatError):  # reported when its turn comes
                yield max(0, row.glance()[0])


def _sizes(path: str) -> Iterable[int]:
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield entry.stat(follow_symlinks=False).st_size
            elif len(entry.name) == 2 and entry.is_dir(follow_symlinks=False):
                yield from _sizes(entry.path)
