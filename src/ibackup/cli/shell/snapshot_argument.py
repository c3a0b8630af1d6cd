"""What a SNAPSHOT argument means: an id, a unique prefix of one, ``latest``, or a path to any backup folder."""

import os
import re
from typing import TYPE_CHECKING

from ibackup.base.errors import DamageFound, IbackupError, UsageError
from ibackup.base.events import Caution
from ibackup.base.udids import is_udid
from ibackup.cli.shell.application import App
from ibackup.explore.opening import SnapshotTarget

if TYPE_CHECKING:
    from ibackup.store.records.snapshot import Snapshot

LATEST = "latest"
_ID = re.compile(r"\d{1,8}(T\d{0,6}Z?)?")
_META = "snapshot.json"


def resolve(app: App, ref: str | None, *, only_read: bool = False) -> SnapshotTarget:
    """Find the backup that a SNAPSHOT argument names; None means ``latest``.

    Args:
        app: of this run.
        ref: the argument.
        only_read: files are only read, so a folder named by its path need not have an intact record beside it.

    Raises:
        UsageError: nothing has that name, or several things do.
        NotABackup: the folder is not a backup, or cannot be read.
        DamageFound: it is a snapshot whose record is damaged.
        StoreMissing: it names a snapshot and the store is missing.
    """
    if ref is None or ref == LATEST:
        return _of(_of_store(app, LATEST))
    path = os.path.expanduser(ref)
    if _ID.fullmatch(ref):
        try:
            return _of(_of_store(app, ref))
        except IbackupError:
            # A folder's name may look like an id: if no snapshot has it, it means the folder.
            if not os.path.isdir(path):
                raise
    return _folder(app, path, ref, only_read=only_read)


def _of_store(app: App, ref: str) -> "Snapshot":
    """A snapshot by its id, the beginning of one, or ``latest``; of the named phone, or the one the user chooses."""
    store = app.open_store()
    return store.snapshot(ref, app.udid or app.phones.with_snapshots(store, ref))


def is_id(ref: str) -> bool:
    """Whether a SNAPSHOT argument looks like an id, or the beginning of one, and not like a path."""
    return ref == LATEST or _ID.fullmatch(ref) is not None


def names_backup(text: str) -> bool:
    """Whether a first argument is a SNAPSHOT (an id or a path), and not what to show from the newest one."""
    path = os.path.expanduser(text)
    begins_like_one = text.startswith((f".{os.sep}", f"..{os.sep}", "~")) or os.path.isabs(path)
    return is_id(text) or begins_like_one or os.path.lexists(path)


def _of(snapshot: "Snapshot") -> SnapshotTarget:
    return SnapshotTarget(snapshot.backup_path, snapshot, snapshot.udid)


# -- a folder -----------------------------------------------------------------------------------------------


def _folder(app: App, path: str, ref: str, *, only_read: bool) -> SnapshotTarget:
    """The backup in a folder: the folder itself, a snapshot's folder, or a folder with a single backup in it."""
    from ibackup.apple.backup import Backup

    if not os.path.lexists(path):
        raise UsageError(
            f"There is no snapshot or folder named {ref}.",
            hint="`ibackup list` shows the snapshots; a path to any backup folder works too.",
        )
    path = os.path.abspath(path)
    if os.path.exists(os.path.join(path, _META)):
        return _snapshot_folder(path)
    with Backup.open(path) as backup:
        path = backup.path
    parent = os.path.dirname(path)
    if os.path.exists(os.path.join(parent, _META)):
        try:
            target = _snapshot_folder(parent)
        except DamageFound as error:
            if not only_read:
                raise
            app.reporter(Caution(error.message, "ibackup still reads the backup beside it."))
        else:
            if os.path.basename(target.path) == os.path.basename(path):
                return target
    name = os.path.basename(path)
    return SnapshotTarget(path, None, name if is_udid(name) else None)


def _snapshot_folder(path: str) -> SnapshotTarget:
    from ibackup.store.records.snapshot import Snapshot

    return _of(Snapshot.open(path))
