"""One backup in a mounted tree: opened when someone looks into it, closed when others are used more."""

import os
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime

from ibackup.apple.backup import Backup
from ibackup.base.closeable import Closeable
from ibackup.base.errors import IbackupError
from ibackup.base.events import ignore
from ibackup.explore.file_index import FileIndex
from ibackup.explore.opening import SnapshotTarget, opened
from ibackup.explore.target_names import NameRules
from ibackup.mount.backup_files import BackupFiles
from ibackup.mount.mount_nodes import MountedNode, text_file
from ibackup.vault.unlocker import Unlocker

MOST_OPEN = 3
"""Backups that stay open: with the list of its files, one of 300,000 takes 30 MiB."""
FILES = "Files"
_LOCKED = "This backup could not be opened.txt"


class OpenBackups(Closeable):
    """Opens backups for as long as the tree is mounted; used by one thread at a time.

    Args:
        unlocker: opens the encrypted ones; it must not ask anybody.
        rules: the names that the face can show.
        links: whether the symbolic links of a backup are shown as such.
        own_links: whether the face has links at all.
    """

    def __init__(self, unlocker: Unlocker, rules: NameRules, *, links: bool, own_links: bool) -> None:
        self.unlocker = unlocker
        self.rules = rules
        self.links = links
        self.own_links = own_links
        self._open: OrderedDict[str, tuple[Backup, FileIndex | None]] = OrderedDict()
        self._holds = ExitStack()
        self._held: set[str] = set()

    def backup(self, target: SnapshotTarget) -> Backup:
        """A backup, open; a snapshot is held against pruning from now on. Raises IbackupError."""
        known = self._open.get(target.path)
        if known is not None:
            self._open.move_to_end(target.path)
            return known[0]
        self.hold(target)
        backup = opened(target, self.unlocker, ignore)
        self._open[target.path] = (backup, None)
        while len(self._open) > MOST_OPEN:
            _, (oldest, _) = self._open.popitem(last=False)
            oldest.close()
        return backup

    def index(self, target: SnapshotTarget) -> FileIndex:
        """The files of a backup. Raises IbackupError."""
        backup = self.backup(target)
        index = self._open[target.path][1]
        if index is None:
            index = FileIndex.of(backup, with_times=True)
            self._open[target.path] = (backup, index)
        return index

    def hold(self, target: SnapshotTarget) -> None:
        """Keep a snapshot from being pruned until the end. Raises IbackupError."""
        from ibackup.store.phone_folder import PhoneFolder

        folder = PhoneFolder.holding(target.snapshot) if target.snapshot is not None else None
        if folder is not None and target.snapshot is not None and target.path not in self._held:
            self._holds.enter_context(folder.hold(target.snapshot, f"mount-{os.getpid()}"))
            self._held.add(target.path)

    def close(self) -> None:
        """Close all of them, and let go of the snapshots."""
        for backup, _ in self._open.values():
            backup.close()
        self._open.clear()
        self._holds.close()


class MountedBackup:
    """The folder of one backup.

    Args:
        opens: opens it.
        target: which.
        made: when its data is from; None if unknown.
    """

    def __init__(self, opens: OpenBackups, target: SnapshotTarget, made: datetime | None) -> None:
        self._opens = opens
        self._target = target
        self._made = int(made.timestamp()) if made is not None else 0

    @property
    def modified(self) -> int:
        """When its data is from, seconds since 1970."""
        return self._made

    @property
    def rules(self) -> NameRules:
        """The names that the face can show."""
        return self._opens.rules

    @property
    def links(self) -> bool:
        """Whether symbolic links are shown as such."""
        return self._opens.links

    def backup(self) -> Backup:
        """It, open. Raises IbackupError."""
        return self._opens.backup(self._target)

    def index(self) -> FileIndex:
        """Its files. Raises IbackupError."""
        return self._opens.index(self._target)

    def children(self) -> Mapping[str, MountedNode]:
        """What is in it; a text that says why, if it cannot be opened."""
        try:
            self.backup()
        except IbackupError as error:
            said = f"{error.message}\n{error.hint}\n".replace("\n\n", "\n")
            return {_LOCKED: text_file(said, self.modified)}
        return {FILES: BackupFiles(self)}
