"""The record of each file of the working copy, which also answers the phone's listings."""

from collections.abc import Iterator
from typing import Protocol

from ibackup.base.confined import FolderItem as LedgerItem


class LedgerProtocol(Protocol):
    """The record of a working copy, always in step with its files.

    Paths are '/'-joined and relative to the ``<UDID>`` folder, which is the empty string. Each call comes
    only after the file system made the change. Calls come from two threads (the receiving and the writing
    one) but never from both at once. So no locking is needed, but calls must be possible from any thread.
    """

    def stored(self, path: str, size: int, sha256: bytes, mtime: float, sha1: bytes | None = None) -> None:
        """A file is complete under its final name and replaces what was there; its folders are already known.

        Args:
            path: the file.
            size: bytes written.
            sha256: the 32-byte digest of these bytes.
            mtime: the modification time the file system gave it, seconds since 1970.
            sha1: the 20-byte digest that the phone's list may have; None if it has none for such a file.
        """
        ...

    def could_not_read(self, path: str, device_path: str, said: str, size: int) -> None:
        """The phone could not read the file that was just stored there to its end.

        Args:
            path: the file.
            device_path: where it is on the phone.
            said: the phone's words.
            size: bytes that arrived.
        """
        ...

    def moved(self, source: str, target: str) -> None:
        """A file, or a folder with everything below it, has a new name; what was at the target is gone."""
        ...

    def removed(self, path: str) -> None:
        """A file, or a folder with everything below it, is gone. An unknown path is not an error."""
        ...

    def made_dir(self, path: str) -> None:
        """A folder exists; its parents are already known. A known folder is not an error."""
        ...

    def get(self, path: str) -> LedgerItem | None:
        """What is at a path, or None."""
        ...

    def version(self, folder: str) -> int:
        """A number that no other state of this or another folder has or had; 0 for an unknown folder."""
        ...

    def listing(self, folder: str) -> Iterator[LedgerItem]:
        """The content of a folder, one level deep, in any order; nothing for an unknown folder."""
        ...
