"""What a SNAPSHOT argument means: an id, a unique prefix of one, ``latest``, or a path to any backup folder."""

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibackup.base import slices
from ibackup.base.errors import DamageFound, IbackupError, PasswordNeeded, UsageError
from ibackup.base.events import Caution, PhaseStarted
from ibackup.base.udids import is_udid
from ibackup.cli.shell.application import App

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.apple.backup import Backup
    from ibackup.store.records.snapshot import Snapshot
    from ibackup.vault.unlocker import Unlocker

LATEST = "latest"
_ID = re.compile(r"\d{1,8}(T\d{0,6}Z?)?")
_META = "snapshot.json"


@dataclass(frozen=True, slots=True)
class SnapshotTarget:
    """A backup that the user named.

    Attributes:
        path: the folder in Apple's format.
        snapshot: the snapshot of ours that it belongs to, None for a folder made by another program.
        udid: the phone's UDID, if known without opening the backup.
    """

    path: str
    snapshot: "Snapshot | None" = None
    udid: str | None = None

    @property
    def label(self) -> str:
        """The name by which the user can refer to it."""
        return self.snapshot.id if self.snapshot else self.path


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


@contextlib.contextmanager
def open_unlocked(
    app: App, target: SnapshotTarget, unlocker: "Unlocker", meanwhile: Callable[[], None] | None = None
) -> "Iterator[Backup]":
    """A backup, opened and, if it is encrypted, unlocked.

    Args:
        app: of this run.
        target: the backup.
        unlocker: opens it.
        meanwhile: called while another thread derives the key, which takes a second or more.

    Raises:
        PasswordNeeded: it is encrypted and no source gives a password, or (PasswordWrong) the wrong one.
        NotABackup: it is not a backup, or was made by another program and is too damaged to read.
        DamageFound: it is a snapshot and too damaged to read; the same applies while it is in use.
    """
    from ibackup.apple.backup import Backup
    from ibackup.apple.format_errors import FormatError

    try:
        with Backup.open(target.path, known=True) as backup:
            _unlock(app, backup, target, unlocker, meanwhile)
            _tell_of_list(app, backup)
            yield backup
    except FormatError as error:
        if target.snapshot is None:
            raise
        target.snapshot.refuse_if_removed()
        raise DamageFound(
            error.what,
            why=error.why,
            hint=f"This snapshot is damaged: `ibackup verify {target.label}` says how much of it. `ibackup list` shows "
            "others.",
        ) from error


def _unlock(
    app: App,
    backup: "Backup",
    target: SnapshotTarget,
    unlocker: "Unlocker",
    meanwhile: Callable[[], None] | None,
) -> None:
    if backup.salvage():
        app.reporter(
            Caution(
                "Manifest.plist cannot be read, but the list of files can: ibackup looks the files up there.",
                "`ibackup verify` says more.",
            )
        )
    if backup.unlocked:
        return
    backup.refuse_without_list()
    udid = target.udid or backup.udid
    phase = PhaseStarted("prepare", "Opening the encrypted backup.")
    if meanwhile is not None and not unlocker.open_by_key(backup, udid):
        password = unlocker.password(udid)  # here, because nobody could interrupt a thread at a prompt
        if password is not None:
            app.reporter(phase)
            _derive_beside(unlocker, backup, password, meanwhile)
    unlocker.open(backup, udid, phase)
    if not backup.unlocked:
        raise PasswordNeeded(
            "This backup is encrypted and no password was given.",
            hint="Use --password-file or --password-command, or set IBACKUP_PASSWORD_FILE; on a terminal you are "
            "asked for it.",
        )


def _derive_beside(
    unlocker: "Unlocker", backup: "Backup", password: str, meanwhile: Callable[[], None]
) -> None:
    """Try a password in another thread; the unlocker remembers its key, whether it is the right one or not."""
    from concurrent.futures import ThreadPoolExecutor

    backup.choose_kdf()  # here, because the thread would compete for the interpreter with the work in the meantime
    with ThreadPoolExecutor(1, thread_name_prefix="unlock") as pool:
        trying = pool.submit(unlocker.opens, backup, password)
        meanwhile()
        slices.wait_for(trying)


def _tell_of_list(app: App, backup: "Backup") -> None:
    """Say where the list of files comes from, if not from its usual place, or that there is none."""
    from ibackup.apple import mixture
    from ibackup.apple.verify.whole_backup_checks import caution

    if told := caution(backup):
        app.reporter(Caution(told))
    lost = backup.go_without_list()
    found = mixture.glance(backup)
    if found is not None:
        app.reporter(Caution(f"{found.file}: {found.text}."))
    if backup.rearranged is not None:
        app.reporter(
            Caution(
                f"Another program changed where the files of this backup are: they {backup.rearranged.what}.",
                "ibackup reads them where they are. `ibackup verify` says what a phone would need.",
            )
        )
    if lost is not None and not backup.rows.guessed:
        app.reporter(
            Caution(
                f"{lost.message} Attachments, app data and pictures among the others have no names any more.",
                "Look for another copy of this backup: you need only its Manifest.db.",
            )
        )
    elif lost is not None:
        app.reporter(
            Caution(
                lost.message,
                "ibackup can still show and take out what has the same name on every phone: messages, "
                "contacts, calls, calendars, notes, and pictures by the camera's numbers. An older backup "
                "may have the rest.",
            )
        )
    elif backup.where.list_under_way:
        app.reporter(
            Caution(
                "This backup is not finished: its list of files is still in Snapshot/. ibackup reads it "
                "there, and the files from both places.",
                "`ibackup verify` says what is missing.",
            )
        )


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
