"""Opens a backup that someone named, with all that has to be said about it before its contents are believed."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibackup.base import slices
from ibackup.base.errors import DamageFound, PasswordNeeded
from ibackup.base.events import Caution, Observer, PhaseStarted

if TYPE_CHECKING:
    from ibackup.apple.backup import Backup
    from ibackup.store.records.snapshot import Snapshot
    from ibackup.vault.unlocker import Unlocker

_OPENING = PhaseStarted("prepare", "Opening the encrypted backup.")


@dataclass(frozen=True, slots=True)
class SnapshotTarget:
    """A backup that the user named.

    Attributes:
        path: the folder in Apple's format.
        snapshot: the snapshot of ours that it belongs to, None for a folder made by another program.
        udid: the phone's UDID, if known without opening the backup.
        copy: the second copy that it was fetched from; ``path`` is then a private folder, which is removed again.
    """

    path: str
    snapshot: "Snapshot | None" = None
    udid: str | None = None
    copy: str = ""

    @property
    def label(self) -> str:
        """The name by which the user can refer to it."""
        return self.snapshot.id if self.snapshot else self.path


@contextlib.contextmanager
def open_unlocked(
    target: SnapshotTarget,
    unlocker: "Unlocker",
    observe: Observer,
    meanwhile: Callable[[], None] | None = None,
) -> "Iterator[Backup]":
    """A backup, opened and, if it is encrypted, unlocked.

    Args:
        target: the backup.
        unlocker: opens it.
        observe: gets the phase of opening it, and a caution for each thing to know about it.
        meanwhile: called while another thread derives the key, which takes a second or more.

    Raises:
        PasswordNeeded: it is encrypted and no source gives a password, or (PasswordWrong) the wrong one.
        NotABackup: it is not a backup, or was made by another program and is too damaged to read.
        DamageFound: it is a snapshot and too damaged to read; the same applies while it is in use.
    """
    with telling_damage(target), opened(target, unlocker, observe, meanwhile) as backup:
        yield backup


def opened(
    target: SnapshotTarget,
    unlocker: "Unlocker",
    observe: Observer,
    meanwhile: Callable[[], None] | None = None,
) -> "Backup":
    """The same for a caller that keeps it open. Raises the same errors, with FormatError in place of DamageFound."""
    from ibackup.apple.backup import Backup

    backup = Backup.open(target.path, known=True)
    try:
        _unlock(backup, target, unlocker, observe, meanwhile)
        _tell_of_list(backup, observe)
    except BaseException:
        backup.close()
        raise
    return backup


def own_copy(backup: "Backup") -> "Backup":
    """The same backup, opened once more for another thread; close it when done. Raises NotABackup, FormatError."""
    from ibackup.apple.backup import Backup

    other = Backup.open(backup.path, known=True)
    try:
        if backup.salvaged:
            other.salvage()
        if not other.unlocked:
            other.unlock_like(backup)
        if backup.list_lost is not None:
            other.go_without_list()
    except BaseException:
        other.close()
        raise
    return other


@contextlib.contextmanager
def telling_damage(target: SnapshotTarget) -> Iterator[None]:
    """Within it, what cannot be read of a snapshot is an error that says so. Raises DamageFound, NotABackup."""
    from ibackup.apple.format_errors import FormatError

    try:
        yield
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
    backup: "Backup",
    target: SnapshotTarget,
    unlocker: "Unlocker",
    observe: Observer,
    meanwhile: Callable[[], None] | None,
) -> None:
    if backup.salvage():
        observe(
            Caution(
                "Manifest.plist cannot be read, but the list of files can: ibackup looks the files up there.",
                "`ibackup verify` says more.",
            )
        )
    if backup.unlocked:
        return
    backup.refuse_without_list()
    udid = target.udid or backup.udid
    if meanwhile is not None and not unlocker.open_by_key(backup, udid):
        password = unlocker.password(udid)  # here, because nobody could interrupt a thread at a prompt
        if password is not None:
            observe(_OPENING)
            _derive_beside(unlocker, backup, password, meanwhile)
    require_unlocked(backup, udid, unlocker)


def require_unlocked(backup: "Backup", udid: str, unlocker: "Unlocker") -> None:
    """Open a backup if it is encrypted; its list of files is not read. Raises PasswordNeeded, PasswordWrong."""
    if backup.unlocked:
        return
    unlocker.open(backup, udid, _OPENING)
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


def _tell_of_list(backup: "Backup", observe: Observer) -> None:
    """Say where the list of files comes from, if not from its usual place, or that there is none."""
    from ibackup.apple import mixture
    from ibackup.apple.verify.whole_backup_checks import caution

    if told := caution(backup):
        observe(Caution(told))
    lost = backup.go_without_list()
    found = mixture.glance(backup)
    if found is not None:
        observe(Caution(f"{found.file}: {found.text}."))
    if backup.rearranged is not None:
        observe(
            Caution(
                f"Another program changed where the files of this backup are: they {backup.rearranged.what}.",
                "ibackup reads them where they are. `ibackup verify` says what a phone would need.",
            )
        )
    if lost is not None and not backup.rows.guessed:
        observe(
            Caution(
                f"{lost.message} Attachments, app data and pictures among the others have no names any more.",
                "Look for another copy of this backup: you need only its Manifest.db.",
            )
        )
    elif lost is not None:
        observe(
            Caution(
                lost.message,
                "ibackup can still show and take out what has the same name on every phone: messages, "
                "contacts, calls, calendars, notes, and pictures by the camera's numbers. An older backup "
                "may have the rest.",
            )
        )
    elif backup.where.list_under_way:
        observe(
            Caution(
                "This backup is not finished: its list of files is still in Snapshot/. ibackup reads it "
                "there, and the files from both places.",
                "`ibackup verify` says what is missing.",
            )
        )
