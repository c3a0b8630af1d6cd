"""What a SNAPSHOT argument means: an id, a unique prefix of one, ``latest``, or a path to any backup folder."""

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibackup.cli.common import App
from ibackup.errors import IbackupError, PasswordNeeded, UsageError
from ibackup.events import PhaseStarted

if TYPE_CHECKING:
    from ibackup.cli.passwords import PasswordSources
    from ibackup.manifest.backup import Backup
    from ibackup.store import PhoneFolder, Snapshot, Store

LATEST = "latest"
_ID = re.compile(r"\d{4,8}(T\d{0,6}Z?)?")
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


def resolve(app: App, ref: str | None) -> Target:
    """Find the backup that a SNAPSHOT argument names; None is the same as ``latest``.

    Raises:
        UsageError: nothing, or more than one thing, has that name.
        NotABackup: the folder holds no backup, or may not be looked into.
        DamageFound: it is a snapshot whose record is damaged.
        StoreMissing: a snapshot is meant and the store is not there.
    """
    if ref is None or ref == LATEST:
        return _of(_latest(app))
    path = os.path.expanduser(ref)
    if _ID.fullmatch(ref):
        try:
            return _of(_in_store(app, ref))
        except IbackupError:
            # A folder may be called like an id: when no snapshot is, the folder is meant.
            if not os.path.isdir(path):
                raise
    return _folder(path, ref)


def open_unlocked(app: App, target: Target, sources: "PasswordSources") -> "Backup":
    """Open a backup and, when it is encrypted, unlock it; whoever gets it closes it.

    Raises:
        PasswordNeeded: it is encrypted and no source gives a password, or (PasswordWrong) the wrong one.
        NotABackup: it is none, or damaged beyond reading.
    """
    from ibackup.manifest.backup import Backup

    backup = Backup.open(target.path, known=True)
    try:
        if not backup.unlocked:
            password = _password(sources, target.udid or backup.udid)
            app.reporter(PhaseStarted("prepare", "Opening the encrypted backup."))
            backup.unlock(password)
    except BaseException:
        backup.close()
        raise
    return backup


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


# -- in the store -------------------------------------------------------------------------------------------


def _phones(app: App, store: "Store") -> "list[PhoneFolder]":
    """The phones that may be meant: the one of ``--phone``, else all."""
    return [store.phone(app.udid)] if app.udid else list(store.phones())


def _latest(app: App) -> "Snapshot":
    store = app.open_store()
    phones = [phone for phone in _phones(app, store) if phone.snapshots()]
    if not phones:
        raise UsageError(
            "There is no snapshot of this phone in the store."
            if app.udid
            else "There is no snapshot in the store.",
            hint="`ibackup now` makes one; a path to any backup folder works too.",
        )
    if len(phones) > 1:
        known = ", ".join(_called(app, phone) for phone in phones)
        raise UsageError(
            "The store holds snapshots of more than one phone.", hint=f"Say --phone with one of: {known}"
        )
    return phones[0].find(LATEST)


def _in_store(app: App, ref: str) -> "Snapshot":
    """The one snapshot whose id is, or begins with, ``ref``."""
    phones = _phones(app, app.open_store())
    found = [(phone, snapshot) for phone in phones for snapshot in phone.snapshots() if snapshot.id == ref]
    if not found:
        found = [
            (phone, snapshot)
            for phone in phones
            for snapshot in phone.snapshots()
            if snapshot.id.startswith(ref)
        ]
    if len(found) == 1:
        return found[0][1]
    if not found:
        # A snapshot whose record is damaged has the name too: the store says what is wrong with it.
        for phone in phones:
            if any(broken.id.startswith(ref) for broken in phone.broken()):
                return phone.find(ref)
        raise UsageError(
            f"There is no snapshot {ref} in the store.", hint="`ibackup list` shows what there is."
        )
    if len({snapshot.id for _, snapshot in found}) == 1:
        known = ", ".join(_called(app, phone) for phone, _ in found)
        raise UsageError(
            f"More than one phone has a snapshot {ref}.", hint=f"Say --phone with one of: {known}"
        )
    raise UsageError(
        f"More than one snapshot begins with {ref}.",
        hint="Say more of it: " + ", ".join(sorted(snapshot.id for _, snapshot in found)[-8:]),
    )


def _called(app: App, phone: "PhoneFolder") -> str:
    known = app.config.phone(phone.udid)
    return known.name if known else phone.udid


# -- a folder -----------------------------------------------------------------------------------------------


def _folder(path: str, ref: str) -> Target:
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
        target = _snapshot_folder(parent)
        if os.path.basename(target.path) == os.path.basename(path):
            return target
    name = os.path.basename(path)
    return Target(path, None, name if _UDID.fullmatch(name) else None)


def _snapshot_folder(path: str) -> Target:
    from ibackup.store import Snapshot

    return _of(Snapshot.open(path))
