"""What is told of each file of the working copy, and asked back when the phone wants a listing."""

from collections.abc import Iterator
from typing import Protocol

from ibackup.confined import Item as LedgerItem

__all__ = ["Ledger", "LedgerItem"]


class Ledger(Protocol):
    """The record of a working copy, always in step with its files.

    Paths are '/'-joined and relative to the ``<UDID>`` folder, which itself is the empty string. A call comes
    only after the file system did what it tells of. Calls come from two threads (the one that receives and the
    one that writes) but never from both at once, so no locking is needed, only the freedom to change threads.
    """

    def stored(self, path: str, size: int, sha256: bytes, mtime: float) -> None:
        """A file is complete under its final name, over what stood there; its folders were told of before.

        Args:
            path: the file.
            size: bytes written.
            sha256: the 32-byte digest of these bytes.
            mtime: the modification time the file system gave it, seconds since 1970.
        """
        ...

    def moved(self, source: str, target: str) -> None:
        """A file, or a folder with all below it, has a new name; what stood at the target is gone."""
        ...

    def removed(self, path: str) -> None:
        """A file, or a folder with all below it, is gone. A path that is not known is not an error."""
        ...

    def made_dir(self, path: str) -> None:
        """A folder exists; its parents were told of before. A folder that is known is not an error."""
        ...

    def get(self, path: str) -> LedgerItem | None:
        """What stands at a path, or None."""
        ...

    def listing(self, folder: str) -> Iterator[LedgerItem]:
        """What a folder holds, one level deep, in any order; nothing for a folder that is not known."""
        ...
