"""One request to a phone about its backup password.

Saves the password before asking, and finds out the outcome after.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ibackup.base.errors import IbackupError, PasswordNeeded, PhoneRefused
from ibackup.base.events import Caution, Observer, PhaseStarted
from ibackup.device.backup2.settings_session import SettingsSession
from ibackup.device.folder.served_files import ServedFiles
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.phones.over_wifi import OverWifi
from ibackup.device.phones.phone import Phone, open_phone
from ibackup.jobs.encryption.encryption_request import forgotten
from ibackup.store.kept_pairings import KeptPairings
from ibackup.vault.keychain import Keychain, KeychainTrouble

_NOTHING_DONE = frozenset([207, 208])
"""With these errors the phone refused before doing anything; with others it may already have made the change."""
_BACK_AGAIN_S = 10.0
"""How long to wait for a phone after a lost connection, to find out what it has done."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """The current and the new password; None if there is none."""

    old: str | None = field(repr=False)
    new: str | None = field(repr=False)


class Refused(Exception):
    """The phone refused: its password is unchanged. ``error`` is for the user."""

    def __init__(self, error: IbackupError) -> None:
        super().__init__(error.message)
        self.error = error


def ask(phone: Phone, files: ServedFiles, passwords: Passwords, observe: Observer) -> None:
    """Have the phone change its password.

    Raises:
        Refused: it refused.
        ConnectionLost: it is unknown whether it made the change.
        IbackupError, KeyboardInterrupt: the same.
    """
    observe(PhaseStarted("prepare", f"Asking the {phone.facts.noun}."))
    with phone.watch() as unplugged:
        session = SettingsSession(phone, files, observe, unplugged=unplugged)
        try:
            session.change_password(old=passwords.old, new=passwords.new)
        except IbackupError as error:
            if error.error_code not in _NOTHING_DONE:
                raise
            if isinstance(error, PasswordNeeded):
                error.hint = f"{error.hint} {forgotten(phone.facts.noun, phone.facts.ios_version)}"
            raise Refused(error) from error


def standing(phone: Phone, patience: float, observe: Observer) -> PhoneFacts | None:
    """What a phone reports after the connection was lost; None if it does not answer."""
    observe(PhaseStarted("find", "Asking the phone whether it made the change."))
    if phone.connection == "WiFi":
        phone.close()  # it has one user at a time
    try:
        with open_phone(
            phone.udid,
            wait=_BACK_AGAIN_S,
            patience=min(patience, _BACK_AGAIN_S),
            limits=phone.limits,
            observer=observe,
            recognition=phone.recognition,
            wifi=OverWifi(KeptPairings()) if phone.connection == "WiFi" else None,
        ) as again:
            return again.facts
    except IbackupError:
        return None


class Custody:
    """Keeps the keychain in step while a phone takes a new password.

    Args:
        keychain: None if there is none.
        udid: the phone's.
        passwords: its passwords.
        keep: whether to keep the new one in the keychain.
        observe: notified if the keychain fails after the phone has changed its password.
    """

    def __init__(
        self,
        keychain: Keychain | None,
        udid: str,
        passwords: Passwords,
        observe: Observer,
        *,
        keep: bool = False,
    ) -> None:
        self._keychain = keychain
        self._udid = udid
        self._passwords = passwords
        self._observe = observe
        self._keeps = keep and passwords.new is not None
        self._held = False

    def hold(self) -> None:
        """Keep the new password beside the old one. Raises KeychainTrouble; the phone must not be asked then."""
        new = self._passwords.new
        if self._keychain is not None and self._keeps and new is not None:
            # From an earlier attempt with an unknown outcome: the phone may have it, and refuse for that reason.
            self._held = self._keychain.pending(self._udid) != new
            self._keychain.hold(self._udid, new)

    def drop(self) -> None:
        """The phone refused it."""
        if self._held:
            self._try(lambda keychain: keychain.drop(self._udid))

    def took(self) -> bool:
        """The phone accepted it; returns whether the keychain now has it as the current password.

        A previous one is always kept, for the snapshots that it opens.
        """
        new, old = self._passwords.new, self._passwords.old
        if new is None or not self._keeps:
            self._try(lambda keychain: keychain.retire(self._udid))
            return False
        return self._try(lambda keychain: keychain.keep(self._udid, new, before=old))

    def _try(self, step: Callable[[Keychain], None]) -> bool:
        if self._keychain is None:
            return False
        try:
            step(self._keychain)
        except KeychainTrouble as error:
            self._observe(Caution(error.message, error.hint))
            return False
        return True


def settled(phone: Phone, *, wanted: bool) -> None:
    """Check that a phone that reports success has really made the change.

    Raises:
        PhoneRefused: its setting did not change.
    """
    try:
        facts = phone.refresh()
    except IbackupError:
        return  # rely on its answer: it may have ended a session that was idle for this long
    if facts.will_encrypt is not None and facts.will_encrypt is not wanted:
        raise PhoneRefused(
            f"The {facts.noun} reported success, but its setting did not change.",
            why=f"Its backups are {'encrypted' if facts.will_encrypt else 'not encrypted'}.",
            hint=f"Restart the {facts.noun} and run the command again.",
        )
