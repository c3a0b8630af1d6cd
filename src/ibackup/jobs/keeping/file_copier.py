"""Copies files from one backup folder to another, with their checksum.

Never by hard links: other programs shorten files and write into them in place, and a file that is shared with
a snapshot must never change.
"""

import os
import stat
import sys
from dataclasses import dataclass

from ibackup.base import held
from ibackup.base.closeable import Closeable
from ibackup.store.records.snapshot import hash_file
from ibackup.store.work.folder_trees import FolderTree
from ibackup.store.work.linkers import Copy, Linker, Reflink, cannot, place

_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Copied:
    """A written file: ``size`` in bytes, ``mtime`` in seconds since 1970, ``sha256`` 32 bytes."""

    size: int
    mtime: float
    sha256: bytes


class Copier(Closeable):
    """Copies files between two trees: as clones if both are on a file system that has them, otherwise byte by byte.

    Args:
        source: the folder to copy from; nothing in it is changed.
        target: the folder to copy to; it must exist.

    Raises:
        OSError: one of them cannot be opened.
    """

    def __init__(self, source: str, target: str) -> None:
        self.source = FolderTree(source)
        try:
            self.target = FolderTree(target, make=True)
        except OSError:
            self.source.close()
            raise
        self._linker: Linker = Reflink()

    def close(self) -> None:
        """Close both folders."""
        self.source.close()
        self.target.close()

    @property
    def clones(self) -> bool:
        """Whether files take no extra space, as far as ``try_clone`` or a copied file has shown."""
        return isinstance(self._linker, Reflink)

    def try_clone(self, folder: str, name: str) -> bool:
        """Find out with one file whether clones are possible; nothing is left of it."""
        try:
            self._linker.carry(self.source.folder(folder), self.target.folder(folder), name)
        except OSError as error:
            if not cannot(error):
                raise
            self._linker = Copy()
            return False
        path, at = place(self.target.folder(folder), name)
        held.unlink(path, dir_fd=at)
        return True

    def copy(self, folder: str, name: str) -> Copied:
        """Copy one file with its time; only its owner can read and write it. Raises OSError."""
        source, target = self.source.folder(folder), self.target.folder(folder)
        try:
            sha256 = self._linker.carry(source, target, name)
        except OSError as error:
            if isinstance(self._linker, Copy) or not cannot(error):
                raise
            sha256 = Copy().carry(source, target, name)
        path, at = place(target, name)
        found = os.stat(path, dir_fd=at, follow_symlinks=False)
        if sys.platform != "win32" and stat.S_IMODE(found.st_mode) != _MODE:
            os.chmod(path, _MODE, dir_fd=at)  # on macOS a clone keeps the mode of its original
        if sha256 is None:
            sha256 = hash_file(path, at)
            if sha256 is None:
                raise FileNotFoundError(path)
        return Copied(found.st_size, found.st_mtime, sha256)
