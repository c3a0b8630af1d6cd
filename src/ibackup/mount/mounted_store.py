"""The top of a mounted store: a folder for each phone, in it one for each snapshot, and the newest."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ibackup.base.errors import IbackupError, PasswordNeeded
from ibackup.base.identities import told_apart
from ibackup.config.config_schema import Config
from ibackup.explore.opening import SnapshotTarget
from ibackup.explore.target_names import Namer
from ibackup.mount.mount_nodes import MountedLink, MountedNode
from ibackup.mount.mounted_backup import MountedBackup, OpenBackups
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store

LATEST = "latest"


def target_of(snapshot: Snapshot) -> SnapshotTarget:
    """A snapshot, as it is opened."""
    return SnapshotTarget(snapshot.backup_path, snapshot, snapshot.udid)


@dataclass(frozen=True, slots=True)
class MountedStore:
    """A folder for each phone that has a snapshot.

    Attributes:
        udid: of the only phone to show; None for all.
    """

    store: Store
    config: Config
    opens: OpenBackups
    udid: str | None = None

    @property
    def modified(self) -> int:
        """Now: backups may come at any time."""
        return int(time.time())

    def children(self) -> Mapping[str, MountedNode]:
        """The phones, by name."""
        return self.phones()

    def phones(self) -> "dict[str, MountedPhone]":
        """The same."""
        folders = [self.store.phone(self.udid)] if self.udid else self.store.phones()
        folders = [each for each in folders if each.snapshots()]
        names = told_apart({each.udid: self._name(each) for each in folders})
        places = Namer(self.opens.rules, lambda _: None)
        found: dict[str, MountedPhone] = {}
        for folder in folders:
            [name] = places.place((), names[folder.udid])
            found[name] = MountedPhone(folder, self.opens)
        return found

    def _name(self, folder: PhoneFolder) -> str:
        known = self.config.phone(folder.udid)
        return known.name if known else folder.device_name() or folder.udid


def mounted_alone(opens: OpenBackups, target: SnapshotTarget) -> MountedBackup:
    """The tree of one backup; of a snapshot in a store, it also shows what was deleted since the one before."""
    snapshot = target.snapshot
    folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
    if folder is None or snapshot is None:
        return MountedBackup(opens, target, snapshot.meta.data_from if snapshot is not None else None)
    before = [each for each in folder.snapshots() if each.id < snapshot.id][-1:]
    earlier = [MountedBackup(opens, target_of(each), each.meta.data_from) for each in before]
    return MountedBackup(opens, target, snapshot.meta.data_from, earlier[0] if earlier else None)


@dataclass(frozen=True, slots=True)
class MountedPhone:
    """A folder for each snapshot of a phone, by the time of its data here; snapshots of one minute with seconds."""

    folder: PhoneFolder
    opens: OpenBackups

    @property
    def modified(self) -> int:
        """When the newest one was made."""
        newest = self.folder.newest()
        return int(newest.meta.data_from.timestamp()) if newest else 0

    def children(self) -> Mapping[str, MountedNode]:
        """The snapshots, and the newest good one as ``latest``. Raises IbackupError."""
        snapshots = self.folder.snapshots()
        minutes = Counter(self._named(each) for each in snapshots)
        places = Namer(self.opens.rules, lambda _: None)
        found: dict[str, MountedNode] = {}
        by_id: dict[str, str] = {}
        before: MountedBackup | None = None
        for each in snapshots:
            minute = self._named(each)
            [name] = places.place((), minute if minutes[minute] == 1 else self._named(each, seconds=True))
            before = MountedBackup(self.opens, target_of(each), each.meta.data_from, before)
            found[name] = before
            by_id[each.id] = name
        newest = self.folder.standing().newest_good
        if newest is not None and newest.id in by_id:
            name = by_id[newest.id]
            found[LATEST] = MountedLink(name, found[name].modified) if self.opens.own_links else found[name]
        return found

    def _named(self, snapshot: Snapshot, *, seconds: bool = False) -> str:
        mark = "." if self.opens.rules.portable else ":"
        form = f"%Y-%m-%d %H{mark}%M{f'{mark}%S' if seconds else ''}"
        return snapshot.meta.data_from.astimezone().strftime(form)


@dataclass(frozen=True, slots=True)
class UnopenedPhone:
    """A phone with a snapshot that cannot be opened.

    Attributes:
        name: of its folder.
        error: why.
        snapshots: how many it has.
        locked: the ids of those that need a password, if that is why.
    """

    name: str
    error: IbackupError
    snapshots: int
    locked: tuple[str, ...]

    @property
    def is_locked(self) -> bool:
        """Whether nothing of it can be read without a password."""
        return len(self.locked) == self.snapshots


def open_each(store: MountedStore) -> list[UnopenedPhone]:
    """Open the newest snapshot of each phone, and the newest encrypted one: passwords are asked for now."""
    failed = []
    for name, phone in store.phones().items():
        snapshots = phone.folder.snapshots()
        encrypted = [each for each in snapshots if each.meta.encrypted]
        try:
            for each in {each.id: each for each in (*snapshots[-1:], *encrypted[-1:])}.values():
                store.opens.backup(target_of(each))
        except IbackupError as error:
            locked = encrypted if isinstance(error, PasswordNeeded) else []
            failed.append(UnopenedPhone(name, error, len(snapshots), tuple(each.id for each in locked)))
    return failed
