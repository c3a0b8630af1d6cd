"""One backup in a mounted tree: opened when someone looks into it, closed when others are used more."""

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from functools import partial

from ibackup.apple.backup import Backup
from ibackup.base.closeable import Closeable
from ibackup.base.errors import IbackupError
from ibackup.base.events import ignore
from ibackup.explore.file_index import FileIndex
from ibackup.explore.opening import SnapshotTarget, opened
from ibackup.explore.target_names import NameRules
from ibackup.mount import exported_tree
from ibackup.mount.backup_files import BackupFiles, open_file
from ibackup.mount.gone_files import gone_files
from ibackup.mount.mount_nodes import FixedFolder, MountedNode, text_file
from ibackup.vault.unlocker import Unlocker

MOST_OPEN = 3
"""Backups that stay open: with the list of its files, one of 300,000 takes 30 MiB."""
FILES = "Files"
GONE = "Everything that was deleted since the snapshot before"
_CARDS = "Contacts"
_MOST_TREES = 24
_LOCKED = "This backup could not be opened.txt"


class OpenBackups(Closeable):
    """Opens backups for as long as the tree is mounted; used by one thread at a time.

    Args:
        unlocker: opens the encrypted ones.
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
        self._trees: OrderedDict[tuple[str, str, bool], Mapping[str, MountedNode]] = OrderedDict()
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

    def once(
        self, key: tuple[str, str, bool], make: Callable[[], Mapping[str, MountedNode]]
    ) -> Mapping[str, MountedNode]:
        """What ``make`` returned the first time, as long as others are not used more. Raises what it raises."""
        if key not in self._trees:
            self._trees[key] = make()
            while len(self._trees) > _MOST_TREES:
                self._trees.popitem(last=False)
        self._trees.move_to_end(key)
        return self._trees[key]

    def hold(self, target: SnapshotTarget) -> None:
        """Keep a snapshot from being pruned until the end. Raises IbackupError."""
        from ibackup.store.phone_folder import PhoneFolder

        folder = PhoneFolder.holding(target.snapshot) if target.snapshot is not None else None
        if folder is None or target.snapshot is None or target.path in self._held:
            return
        if os.access(folder.path, os.W_OK):  # nobody prunes a disk that cannot be written
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
        earlier: the snapshot before, to show what was deleted since; None if there is none.
    """

    def __init__(
        self,
        opens: OpenBackups,
        target: SnapshotTarget,
        made: datetime | None,
        earlier: "MountedBackup | None" = None,
    ) -> None:
        self._opens = opens
        self._target = target
        self._made = int(made.timestamp()) if made is not None else 0
        self._earlier = earlier

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MountedBackup) and other._target.path == self._target.path

    def __hash__(self) -> int:
        return hash(self._target.path)

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
            found: dict[str, MountedNode] = {FILES: BackupFiles(self), **self.contents(None)}
        except IbackupError as error:
            return self._sorry(error)
        if self._earlier is not None:
            found[GONE] = FixedFolder(self._made, partial(self._gone, self._earlier))
        return found

    def contents(self, later: "MountedBackup | None") -> dict[str, MountedNode]:
        """A folder for each kind of content, and the contacts; only what a later one has not. Raises IbackupError."""
        found: dict[str, MountedNode] = {
            title: FixedFolder(self._made, partial(self._of_kind, kind, later))
            for kind, title in exported_tree.KINDS.items()
        }
        cards = self._of_kind(exported_tree.CONTACTS, later)
        return found | {name: node for name, node in cards.items() if name.startswith(_CARDS)}

    def _gone(self, earlier: "MountedBackup") -> Mapping[str, MountedNode]:
        """What the snapshot before had and this one has not."""
        try:
            earlier.backup()
            gone = partial(gone_files, earlier, self.index())
            return {FILES: FixedFolder(earlier.modified, gone), **earlier.contents(self)}
        except IbackupError as error:
            return self._sorry(error)

    def _of_kind(self, kind: str, later: "MountedBackup | None") -> Mapping[str, MountedNode]:
        """The content of a kind, read once."""
        key = (self._target.path, kind, later is not None)
        try:
            return self._opens.once(
                key,
                lambda: exported_tree.exported(
                    self.backup(),
                    kind,
                    partial(open_file, self),
                    self._made,
                    later=later.backup() if later is not None else None,
                ),
            )
        except IbackupError as error:
            return self._sorry(error)

    def _sorry(self, error: IbackupError) -> Mapping[str, MountedNode]:
        said = f"{error.message}\n{error.hint}".strip()
        return {_LOCKED: text_file(f"{said}\n", self._made)}
