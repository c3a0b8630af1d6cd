"""Lets a snapshot that came back share its equal files with its neighbours in the store, as if it had never left."""

import errno
import os
from dataclasses import dataclass

from ibackup.base import held
from ibackup.copies.expectation import Expectation
from ibackup.store.disk import durable
from ibackup.store.records.snapshot import Snapshot, hash_file
from ibackup.store.work.cloning import LINKERS
from ibackup.store.work.linkers import Linker, cannot


@dataclass
class Sharing:
    """Replaces files by links to equal ones; each file is read here first, and no existing file is written to.

    Attributes:
        fresh: the snapshot that came back, in a private folder.
        side: a folder on the same disk, for a link before it takes its file's place.
        files, size: how many files take no space of their own any more, and how many bytes.
    """

    fresh: Expectation
    side: str
    files: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        self._linkers: list[Linker] = list(LINKERS)
        self._shared: set[str] = set()

    def share_with(self, neighbour: Snapshot) -> None:
        """Share what is equal. Raises IbackupError if the neighbour's seal is damaged, and OSError."""
        theirs = Expectation.of(neighbour)
        durable.make_dir(self.side)
        for path, digest in self.fresh.sums.items():
            if not self._linkers:
                return
            if path not in self._shared and theirs.sums.get(path) == digest:
                self._share(path, theirs.local(path), digest)

    def _share(self, path: str, old: str, digest: bytes) -> None:
        new = self.fresh.local(path)
        size = os.lstat(new).st_size
        if size and _hash(old) == digest and self._link(old):
            held.replace(os.path.join(self.side, os.path.basename(old)), new)
            self._shared.add(path)
            self.files += 1
            self.size += size

    def _link(self, old: str) -> bool:
        """Put a link to a file into ``side``; False if this disk has none."""
        while self._linkers:
            try:
                self._linkers[0].carry(os.path.dirname(old), self.side, os.path.basename(old))
            except OSError as error:
                if not cannot(error):
                    raise
                if error.errno == errno.EMLINK:
                    return False
                del self._linkers[0]
            else:
                return True
        return False


def _hash(path: str) -> bytes | None:
    """SHA-256 of a neighbour's file; None for one that cannot be read, which is shared with nobody."""
    try:
        return hash_file(path)
    except OSError:
        return None
