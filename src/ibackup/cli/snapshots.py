"""What a SNAPSHOT argument means: an id, a unique prefix of one, ``latest``, or a path to any backup folder."""

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibackup.cli.common import App
from ibackup.errors import DamageFound, IbackupError, PasswordNeeded, UsageError
from ibackup.events import Caution, PhaseStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.cli.passwords import PasswordSources
    from ibackup.manifest.backup import Backup
    from ibackup.store import Snapshot

LATEST = "latest"
_ID = re.compile(r"\d{1,8}(T\d{0,6}Z?)?")
_UDID = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{16}")
_META = "snapshot.json"


@dataclass(frozen=True, slots=True)
class Target:
    """A backup that is meant.

    Attributes:
        path: the folder in Apple's format.
        snapshot: the snapshot of ours that it belongs to, None for a folder made elsewhere.
        udid: the phone's, as far as it is known without opening the backup.
    """

    path: str
    snapshot: "Snapshot | None" = None
    udid: str | None = None

    @property
    def label(self) -> str:
        """How the user would name it again."""
        return self.snapshot.id if self.snapshot else self.path


def resolve(app: App, ref: str | None, *, only_read: bool = False) -> Target:
    """Find the backup that a SNAPSHOT argument names; None is the same as ``latest``.

    Args:
        app: of this run.
        ref: the argument.
        only_read: files are only looked at: a backup folder named by its path need not have a sound record beside it.

    Raises:
        UsageError: nothing, or more than one thing, has that name.
        NotABackup: the folder holds no backup, or may not be looked into.
        DamageFound: it is a snapshot whose record is damaged.
        StoreMissing: a snapshot is meant and the store is not there.
    """
    if ref is None or ref == LATEST:
        return _of(app.open_store().snapshot(LATEST, app.udid))
    path = os.path.expanduser(ref)
    if _ID.fullmatch(ref):
        try:
            return _of(app.open_store().snapshot(ref, app.udid))
        except IbackupError:
            # A folder may be called like an id: when no snapshot is, the folder is meant.
            if not os.path.isdir(path):
                raise
    return _folder(app, path, ref, only_read=only_read)


def is_id(ref: str) -> bool:
    """Whether a SNAPSHOT argument looks like an id, or the beginning of one, and not like a path."""
    return ref == LATEST or _ID.fullmatch(ref) is not None


@contextlib.contextmanager
def open_unlocked(
    app: App, target: Target, sources: "PasswordSources", meanwhile: Callable[[], None] | None = None
) -> "Iterator[Backup]":
    """A backup, opened and, when it is encrypted, unlocked.

    Args:
        app: of this run.
        target: the backup.
        sources: of its password.
        meanwhile: called while another thread works on the key, which takes it a second or more.

    Raises:
        PasswordNeeded: it is encrypted and no source gives a password, or (PasswordWrong) the wrong one.
        NotABackup: it is none, or a folder made elsewhere and damaged beyond reading.
        DamageFound: it is a snapshot, and damaged beyond reading; so does what is done with it meanwhile.
    """
    from ibackup.manifest.backup import Backup
    from ibackup.manifest.flaws import FormatError

    try:
        with Backup.open(target.path, known=True) as backup:
            _unlock(app, backup, target, sources, meanwhile)
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
    target: Target,
    sources: "PasswordSources",
    meanwhile: Callable[[], None] | None,
) -> None:
    if backup.salvage():
        app.reporter(
            Caution(
                "Manifest.plist cannot be read, but the list of files can: they are looked up there.",
                "`ibackup verify` tells more.",
            )
        )
    if backup.unlocked:
        return
    from ibackup.unlocking import by_key, unlock

    udid, keychain = target.udid or backup.udid, sources.keychain
    if keychain is not None and by_key(backup, udid, keychain):
        return
    password = _password(sources, udid)
    app.reporter(PhaseStarted("prepare", "Opening the encrypted backup."))

    def open_it() -> None:
        unlock(backup, udid, lambda _: password, keychain)

    if meanwhile is None:
        open_it()
        return
    from concurrent.futures import ThreadPoolExecutor

    backup.choose_kdf()  # here, since the thread would compete for the interpreter with what goes on meanwhile
    with ThreadPoolExecutor(1, thread_name_prefix="unlock") as pool:
        unlocking = pool.submit(open_it)
        meanwhile()
        unlocking.result()


def _password(sources: "PasswordSources", udid: str) -> str:
    password = sources.find(udid)
    if password is None:
        raise PasswordNeeded(
            "This backup is encrypted and no password was given.",
            hint="Use --password-file or --password-command, or set IBACKUP_PASSWORD_FILE; on a terminal you are "
            "asked for it.",
        )
    return password


def _of(snapshot: "Snapshot") -> Target:
    return Target(snapshot.backup_path, snapshot, snapshot.udid)


# -- a folder -----------------------------------------------------------------------------------------------


def _folder(app: App, path: str, ref: str, *, only_read: bool) -> Target:
    """The backup in a folder: itself, a snapshot's folder, or one with a single backup in it."""
    from ibackup.manifest.backup import Backup

    if not os.path.lexists(path):
        raise UsageError(
            f"There is no snapshot and no folder named {ref}.",
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
            app.reporter(Caution(error.message, "The backup beside it is read all the same."))
        else:
            if os.path.basename(target.path) == os.path.basename(path):
                return target
    name = os.path.basename(path)
    return Target(path, None, name if _UDID.fullmatch(name) else None)


def _snapshot_folder(path: str) -> Target:
    from ibackup.store import Snapshot

    return _of(Snapshot.open(path))
