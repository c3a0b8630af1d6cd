"""The state of a phone's encryption, and whether the given password still opens its newest backup."""

from dataclasses import dataclass

from ibackup.apple.backup import Backup
from ibackup.base.errors import IbackupError, NoPhone, NotABackup, PasswordWrong, UsageError
from ibackup.base.events import Caution, Observer, PhaseStarted
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.jobs.phone_to_open import PhoneToOpen
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store
from ibackup.vault import custody
from ibackup.vault.unlocker import Unlocker


@dataclass(frozen=True, slots=True)
class EncryptionState:
    """What is known.

    Attributes:
        udid: of the phone.
        phone: what the phone reports; None if it is not connected.
        newest: its newest snapshot, None if there is none.
        had_password: a password was given.
        opens: whether it, or another one in the keychain, opens ``newest``; None if there was nothing to try.
    """

    udid: str
    phone: PhoneFacts | None
    newest: Snapshot | None
    had_password: bool
    opens: bool | None


def look(
    wanted: PhoneToOpen,
    unlocker: Unlocker,
    observe: Observer,
) -> EncryptionState:
    """Check the phone, if it is connected, and its newest snapshot.

    Args:
        wanted: the phone, and the store where its snapshots are.
        unlocker: has its backup password.
        observe: gets progress events.

    Raises:
        NoPhone, PersonNeeded, …: it cannot be read, and nothing is known about it here.
        UsageError: several phones match.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    phone: PhoneFacts | None = None
    trouble: IbackupError | None = None
    try:
        with wanted.open_phone(observe) as found:
            phone = found.facts
    except UsageError:
        raise
    except IbackupError as error:
        trouble = error
    folder = _folder(wanted.store, phone.udid if phone is not None else wanted.udid)
    if trouble is not None and folder is None:
        raise trouble
    if trouble is not None and not isinstance(trouble, NoPhone):
        observe(Caution(f"The phone could not be read. {trouble.message}", trouble.hint))
    newest = folder.newest() if folder is not None else None
    known = phone.udid if phone is not None else (folder.udid if folder is not None else "")
    had, opens = _try(newest, unlocker, observe)
    return EncryptionState(known, phone, newest, had, opens)


def _folder(store: Store | None, udid: str | None) -> PhoneFolder | None:
    """The phone's folder, or None."""
    if store is None:
        return None
    if udid is not None:
        folder = store.phone(udid)
        return folder if folder.snapshots() else None
    having = [folder for folder in store.phones() if folder.snapshots()]
    return having[0] if len(having) == 1 else None


def _try(newest: Snapshot | None, unlocker: Unlocker, observe: Observer) -> tuple[bool, bool | None]:
    """Whether there is a password, and whether it opens the snapshot."""
    if newest is None or not newest.meta.encrypted:
        return False, None
    try:
        with Backup.open(newest.backup_path, known=True) as backup:
            phase = PhaseStarted("prepare", f"Trying it on backup {newest.id}.")
            try:
                given = unlocker.prove_given(backup, newest.udid, phase)
            except PasswordWrong:
                given = unlocker.password(newest.udid)  # the last one is reported as the result
            custody.settle(backup, newest.udid, given, unlocker, observe, fresh=False)
            return given is not None, backup.unlocked if given is not None or backup.unlocked else None
    except NotABackup as error:
        observe(Caution(f"The newest snapshot, {newest.id}, cannot be read. {error.message}", error.hint))
        return given is not None, None
