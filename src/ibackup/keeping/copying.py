"""Files copied out of one backup folder into another, with their checksum.

Never by hard links: other programs cut files short and write into them in place, and a file that is shared with a
snapshot must change for nobody.
"""

import os
import stat
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ibackup.store.linkers import Copy, Linker, Reflink, cannot, place
from ibackup.store.snapshot import hash_file
from ibackup.store.trees import Tree

_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Copied:
    """One file as it was written: ``size`` in bytes, ``mtime`` in seconds since 1970, ``sha256`` 32 bytes."""

    size: int
    mtime: float
    sha256: bytes


class Copier:
    """Copies files between two trees: as clones where both lie on a file system that has them, else byte by byte.

    Args:
        source: the folder to copy from; nothing in it is changed.
        target: the folder to copy to; it must be there.

    Raises:
        OSError: one of them cannot be opened.
    """

    def __init__(self, source: str, target: str) -> None:
        self.source = Tree(source)
        try:
            self.target = Tree(target, make=True)
        except OSError:
            self.source.close()
            raise
        self._linker: Linker = Reflink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.close()
        self.target.close()

    @property
    def clones(self) -> bool:
        """Whether files take no room of their own, as far as ``try_clone`` or a file so far has shown."""
        return isinstance(self._linker, Reflink)

    def try_clone(self, folder: str, name: str) -> bool:
        """Find out with one file whether clones are to be had; nothing is left of it."""
        try:
            self._linker.carry(self.source.folder(folder), self.target.folder(folder), name)
        except OSError as error:
            if not cannot(error):
                raise
            self._linker = Copy()
            return False
        path, at = place(self.target.folder(folder), name)
        os.unlink(path, dir_fd=at)
        return True

    def copy(self, folder: str, name: str) -> Copied:
        """Copy one file, its time kept, readable and writable by its owner alone. Raises OSError."""
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
            os.chmod(path, _MODE, dir_fd=at)  # a clone has the mode of what it was made from on macOS
        if sha256 is None:
            sha256 = hash_file(path, at)
            if sha256 is None:
                raise FileNotFoundError(path)
        return Copied(found.st_size, found.st_mtime, sha256)
