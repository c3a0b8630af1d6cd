"""What a copy of a snapshot must contain: every name with its SHA-256, from the seal. The one owner of that list."""

import contextlib
import os
import re
from dataclasses import dataclass
from typing import Self

from ibackup.apple.verify import seal
from ibackup.base import confined
from ibackup.base.errors import DamageFound
from ibackup.store.disk.disk_errors import telling
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, Snapshot, hash_file

_USUAL = re.compile(r"[0-9a-f]{2}/[0-9a-f]{40}")


@dataclass(frozen=True)
class Expectation:
    """The files of a snapshot.

    Attributes:
        folder: the snapshot's, where the files are.
        sums: SHA-256 (32 bytes) of every file by its path below ``folder``, with forward slashes.
    """

    folder: str
    sums: dict[str, bytes]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Read it from a snapshot whose seal is the one it was closed with.

        Raises:
            DamageFound: the seal or the record is damaged, so nothing can be proven by it.
            IbackupError: it cannot be read.
        """
        with telling(f"Snapshot {snapshot.id} could not be read.", reading=True):
            snapshot.verify_seal_file()
            with open(snapshot.seal_path, "rb") as source:
                sums = {
                    _inside(snapshot, line.path): bytes.fromhex(line.sha256) for line in seal.read(source)
                }
            for name in (SEAL_NAME, META_NAME):
                found = hash_file(os.path.join(snapshot.path, name))
                if found is None:
                    raise DamageFound(f"Snapshot {snapshot.id} is damaged: {name} is missing.")
                sums[name] = found
        return cls(snapshot.path, sums)

    def changed_since(self, other: "Expectation") -> tuple[set[str], set[str]]:
        """The paths whose content is new or another one here, and those that only ``other`` has."""
        new = {path for path, digest in self.sums.items() if other.sums.get(path) != digest}
        return new, other.sums.keys() - self.sums.keys()

    def local(self, path: str) -> str:
        """Where a file is on this computer."""
        return os.path.join(self.folder, *path.split("/"))


def _inside(snapshot: Snapshot, path: str) -> str:
    """The path. Raises DamageFound if it leads out of the backup: a seal may come from elsewhere."""
    top, _, below = path.partition("/")
    if top == snapshot.udid:
        with contextlib.suppress(confined.PathRefused):
            if not _USUAL.fullmatch(below):
                confined.parse(below)
            return path
    raise DamageFound(
        f"The seal of snapshot {snapshot.id} names a file that is not in it: {confined.shown(path)}."
    )
