"""The snapshots of a phone that have the same keys, with their index and the file that it is written to."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.base.errors import PasswordNeeded
from ibackup.search.index_container import ContainerReader, IndexNotKept, IndexUnusable, secret_of
from ibackup.search.kept_indexes import KeptIndexes, NewFile
from ibackup.search.snapshot_index import SnapshotIndex
from ibackup.search.text_blocks import MemoryBlocks

_SAVE_EVERY_S: Final = 60.0


@dataclass(slots=True)
class SnapshotGroup:
    """The snapshots that have the same keys.

    Attributes:
        keybag: theirs; None if they are not encrypted.
        backup: one of them, unlocked unless it is locked.
        locked: why no key opens them; None if one does.
        index: what is known about them; reader: where its texts are.
        members: the ids of all of them; new: whether the index may lack one.
        known: the numbers of those that are, by their ids.
    """

    keybag: bytes | None
    backup: Backup
    locked: PasswordNeeded | None = None
    index: SnapshotIndex | None = None
    reader: ContainerReader | None = None
    members: set[str] = field(default_factory=set)
    new: bool = False
    known: dict[str, int] = field(default_factory=dict)

    @property
    def secret(self) -> bytes | None:
        """What the key of the index comes from."""
        return None if self.keybag is None else secret_of(self.backup.keys)

    def take(self, found: "tuple[SnapshotIndex, ContainerReader] | None") -> None:
        """Use another index."""
        self.let_go()
        if found is not None:
            self.index, self.reader = found

    def let_go(self) -> None:
        """Close the index."""
        if self.index is not None:
            self.index.close()
        if self.reader is not None:
            self.reader.close()
        self.index = self.reader = None


class IndexFile:
    """The file that takes the texts while an index grows; without a place to keep it, memory does."""

    def __init__(self, group: SnapshotGroup, kept: KeptIndexes | None) -> None:
        self._group = group
        self._kept = kept
        self._file: NewFile | None = None
        self._memory = MemoryBlocks()
        self._saved = time.monotonic()

    def begin(self, stale: Sequence[int]) -> None:
        """Begin with what is known, without some snapshots. Raises IndexUnusable, IndexNotKept, OSError."""
        self.drop()
        index = self._group.index = self._group.index or SnapshotIndex()
        if stale:
            index.drop(stale)
        if self._kept is None:
            index.write_to(self._memory)
        else:
            self._file = self._kept.begin(self._group.secret)
            index.write_to(self._file.writer)

    def save_now_and_then(self, *, more: bool) -> None:
        """Save what there is if that took long, and continue. Raises IndexNotKept."""
        if more and self._kept is not None and time.monotonic() - self._saved > _SAVE_EVERY_S:
            self.end()
            self.begin([])
            self._saved = time.monotonic()

    def end(self) -> None:
        """Save. Raises IndexNotKept."""
        group = self._group
        if group.index is None:
            return
        if self._file is None or self._kept is None:
            group.index.end_block()
            group.index.read_from(self._memory)
            return
        self._file.finish(group.index.image())
        if group.reader is not None:
            group.reader.close()
        self._kept.put(self._file, group.keybag)
        self._file = None
        try:
            found = self._kept.reader(group.keybag, group.secret)
        except (OSError, IndexUnusable) as error:
            raise IndexNotKept("it is not there any more") from error
        group.reader = found
        group.index.read_from(found)

    def drop(self) -> None:
        """Remove what was not saved."""
        if self._file is not None:
            self._file.drop()
            self._file = None
