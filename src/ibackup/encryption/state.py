"""Where a phone's encryption stands, and whether the password that is at hand still opens its newest backup."""

from collections.abc import Callable
from dataclasses import dataclass

from ibackup.backup import custody
from ibackup.device import PhoneFacts, open_phone
from ibackup.errors import IbackupError, NoPhone, NotABackup, PasswordWrong, UsageError
from ibackup.events import Caution, Observer, PhaseStarted
from ibackup.manifest.backup import Backup
from ibackup.store import PhoneFolder, Snapshot, Store


@dataclass(frozen=True, slots=True)
class State:
    """What is known.

    Attributes:
        udid: of the phone.
        phone: what the phone says, None when it is not connected.
        newest: its newest snapshot, None when there is none.
        had_password: a password was at hand.
        opens: whether it, or another one that the keychain has, opens ``newest``; None when there was nothing to try.
    """

    udid: str
    phone: PhoneFacts | None
    newest: Snapshot | None
    had_password: bool
    opens: bool | None


def look(
    store: Store | None,
    udid: str | None,
    password: Callable[[str], str | None],
    observe: Observer,
    *,
    wait: float = 0.0,
    patience: float = 60.0,
) -> State:
    """Look at the phone, if it is there, and at its newest snapshot.

    Raises:
        NoPhone, PersonNeeded, …: it cannot be asked, and nothing is known of it here.
        UsageError: several are meant.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    phone: PhoneFacts | None = None
    trouble: IbackupError | None = None
    try:
        with open_phone(udid, wait=wait, patience=patience, observer=observe) as found:
            phone = found.facts
    except UsageError:
        raise
    except IbackupError as error:
        trouble = error
    folder = _folder(store, phone.udid if phone is not None else udid)
    if trouble is not None and folder is None:
        raise trouble
    if trouble is not None and not isinstance(trouble, NoPhone):
        observe(Caution(f"The phone could not be asked. {trouble.message}", trouble.hint))
    newest = folder.newest() if folder is not None else None
    known = phone.udid if phone is not None else (folder.udid if folder is not None else "")
    had, opens = _try(newest, password, observe)
    return State(known, phone, newest, had, opens)


def _folder(store: Store | None, udid: str | None) -> PhoneFolder | None:
    """The folder of the phone that is meant, None where there is none."""
    if store is None:
        return None
    if udid is not None:
        folder = store.phone(udid)
        return folder if folder.snapshots() else None
    having = [folder for folder in store.phones() if folder.snapshots()]
    return having[0] if len(having) == 1 else None


def _try(
    newest: Snapshot | None, password: Callable[[str], str | None], observe: Observer
) -> tuple[bool, bool | None]:
    """Whether there is a password, and whether it opens the snapshot."""
    if newest is None or not newest.meta.encrypted:
        return False, None
    given = password(newest.udid)
    observe(PhaseStarted("prepare", f"Trying it on the backup {newest.id}."))
    try:
        with Backup.open(newest.backup_path, known=True) as backup:
            if given is not None:
                try:
                    backup.unlock(given)
                except PasswordWrong:
                    pass  # told as the result
            custody.settle(backup, newest.udid, given, observe, fresh=False)
            return given is not None, backup.unlocked if given is not None or backup.unlocked else None
    except NotABackup as error:
        observe(Caution(f"The newest snapshot, {newest.id}, cannot be read. {error.message}", error.hint))
        return given is not None, None
