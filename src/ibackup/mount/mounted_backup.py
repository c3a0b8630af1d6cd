"""One backup in a mounted tree: opened when someone looks into it, closed when others are used more."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from functools import partial

from ibackup.apple.backup import Backup
from ibackup.base.closeable import Closeable
from ibackup.base.errors import IbackupError
from ibackup.base.events import ignore
from ibackup.explore.file_index import FileIndex
from ibackup.explore.opening import SnapshotTarget, opened, own_copy
from ibackup.explore.target_names import NameRules
from ibackup.mount import exported_tree
from ibackup.mount.backup_files import BackupFiles, open_file
from ibackup.mount.gone_files import gone_files
from ibackup.mount.made_once import MadeOnce
from ibackup.mount.mount_nodes import FixedFolder, MountedNode, text_file
from ibackup.vault.unlocker import Unlocker

MOST_OPEN = 3
"""Backups that stay open: with the list of its files, one of 300,000 takes 30 MiB."""
FILES = "Files"
GONE = "Everything that was deleted since the snapshot before"
_CARDS = "Contacts"
_MOST_TREES = 24
_LOCKED = "This backup could not be opened.txt"


class _OpenBackup:
    """A backup that stays open. Its lock belongs to the thread that uses it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.backup: Backup | None = None
        self.is_over = False

    def close(self) -> None:
        """Close it, once nobody uses it."""
        with self.lock:
            self.is_over = True
            if self.backup is not None:
                self.backup.close()


class OpenBackups(Closeable):
    """Opens backups for as long as the tree is mounted. Any thread may ask.

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
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _OpenBackup] = OrderedDict()
        self._opening = threading.Lock()
        self._holds = ExitStack()
        self._held: set[str] = set()
        self._indexes = MadeOnce[str, FileIndex](MOST_OPEN)
        self._trees = MadeOnce[tuple[str, str, bool], Mapping[str, MountedNode]](_MOST_TREES)

    def backup(self, target: SnapshotTarget) -> Backup:
        """A backup, open, while no other thread uses any; see ``using``. Raises IbackupError."""
        with self.using(target) as backup:
            return backup

    @contextmanager
    def using(self, target: SnapshotTarget) -> Iterator[Backup]:
        """A backup, open, for this thread alone; for short work. Raises IbackupError.

        A snapshot is held against pruning from then on.
        """
        while True:
            with self._lock:
                one = self._open.setdefault(target.path, _OpenBackup())
                self._open.move_to_end(target.path)
                most = len(self._open) - MOST_OPEN
                oldest = [self._open.popitem(last=False)[1] for _ in range(most)]
            for each in oldest:
                each.close()
            with one.lock:
                if one.is_over:
                    continue  # it was closed before its turn came
                if one.backup is None:
                    with self._opening:
                        self._hold(target)
                        one.backup = opened(target, self.unlocker, ignore)
                yield one.backup
                return

    @contextmanager
    def apart(self, target: SnapshotTarget) -> Iterator[Backup]:
        """The same backup, opened once more for what takes long, so that others need not wait. Raises IbackupError."""
        with self.using(target) as backup:
            copy = own_copy(backup)
        with copy:
            yield copy

    def index(self, target: SnapshotTarget) -> FileIndex:
        """The files of a backup. Raises IbackupError."""

        def make() -> FileIndex:
            with self.apart(target) as backup:
                return FileIndex.of(backup, with_times=True)

        return self._indexes.get(target.path, make)

    def once(
        self, key: tuple[str, str, bool], make: Callable[[], Mapping[str, MountedNode]]
    ) -> Mapping[str, MountedNode]:
        """What ``make`` returned the first time, as long as others are not used more. Raises what it raises."""
        return self._trees.get(key, make)

    def _hold(self, target: SnapshotTarget) -> None:
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
        with self._lock:
            still, self._open = list(self._open.values()), OrderedDict()
        for each in still:
            each.close()
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

    def using(self) -> AbstractContextManager[Backup]:
        """It, open, for this thread alone. Raises IbackupError."""
        return self._opens.using(self._target)

    def apart(self) -> AbstractContextManager[Backup]:
        """It, opened once more. Raises IbackupError."""
        return self._opens.apart(self._target)

    def index(self) -> FileIndex:
        """Its files. Raises IbackupError."""
        return self._opens.index(self._target)

    def children(self) -> Mapping[str, MountedNode]:
        """What is in it; a text that says why, if it cannot be opened."""
        try:
            self._opens.backup(self._target)
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
            with earlier.using():
                pass  # it opens
            gone = partial(gone_files, earlier, self.index())
            return {FILES: FixedFolder(earlier.modified, gone), **earlier.contents(self)}
        except IbackupError as error:
            return self._sorry(error)

    def _of_kind(self, kind: str, later: "MountedBackup | None") -> Mapping[str, MountedNode]:
        """The content of a kind, read once."""
        key = (self._target.path, kind, later is not None)

        def make() -> Mapping[str, MountedNode]:
            with ExitStack() as apart:
                backup = apart.enter_context(self.apart())
                newer = apart.enter_context(later.apart()) if later is not None else None
                return exported_tree.exported(backup, kind, partial(open_file, self), self._made, later=newer)

        try:
            return self._opens.once(key, make)
        except IbackupError as error:
            return self._sorry(error)

    def _sorry(self, error: IbackupError) -> Mapping[str, MountedNode]:
        said = f"{error.message}\n{error.hint}".strip()
        return {_LOCKED: text_file(f"{said}\n", self._made)}
