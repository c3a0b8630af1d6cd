"""One request to a phone about its backup password: kept before it is asked, and its outcome found out after."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ibackup.device import Phone, PhoneFacts, SettingsSession, open_phone
from ibackup.device.serving import ServedFiles
from ibackup.encryption.types import forgotten
from ibackup.errors import IbackupError, PasswordNeeded, PhoneRefused
from ibackup.events import Caution, Observer, PhaseStarted
from ibackup.keychain import Keychain, KeychainTrouble

_NOTHING_DONE = frozenset([207, 208])
"""With these the phone says no before it does anything; with others it may have done it all the same."""
_BACK_AGAIN_S = 10.0
"""How long a phone that was lost is waited for, to hear what it has done."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """The password so far and the one to be, None where there is none."""

    old: str | None = field(repr=False)
    new: str | None = field(repr=False)


class Refused(Exception):
    """The phone said no: its password is what it was. ``error`` is for the user."""

    def __init__(self, error: IbackupError) -> None:
        super().__init__(error.message)
        self.error = error


def ask(phone: Phone, files: ServedFiles, passwords: Passwords, observe: Observer) -> None:
    """Have the phone change its password.

    Raises:
        Refused: it said no.
        ConnectionLost: whether it has done it is not known.
        IbackupError, KeyboardInterrupt: likewise.
    """
    observe(PhaseStarted("prepare", f"Asking the {phone.facts.noun}."))
    with phone.watch() as unplugged:
        session = SettingsSession(phone, observe, unplugged=unplugged)
        try:
            session.change_password(files, old=passwords.old, new=passwords.new)
        except IbackupError as error:
            if error.error_code not in _NOTHING_DONE:
                raise
            if isinstance(error, PasswordNeeded):
                error.hint = f"{error.hint} {forgotten(phone.facts.noun)}"
            raise Refused(error) from error


def standing(phone: Phone, patience: float, observe: Observer) -> PhoneFacts | None:
    """What a phone says of itself after it was lost; None when it does not answer."""
    observe(PhaseStarted("find", "Asking the phone what it has done."))
    try:
        with open_phone(
            phone.udid, wait=_BACK_AGAIN_S, patience=min(patience, _BACK_AGAIN_S), observer=observe
        ) as again:
            return again.facts
    except IbackupError:
        return None


class Custody:
    """Looks after the keychain while a phone is asked to take a password.

    Args:
        keychain: None where there is none.
        udid: the phone's.
        passwords: its passwords.
        keep: whether the new one belongs into the keychain.
        observe: told when the keychain fails after the phone has changed its password.
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
        """Keep the new password beside the old one. Raises KeychainTrouble: then the phone must not be asked."""
        new = self._passwords.new
        if self._keychain is not None and self._keeps and new is not None:
            # Of an earlier attempt whose outcome nobody knows: the phone may have it, and refuse for that very reason.
            self._held = self._keychain.pending(self._udid) != new
            self._keychain.hold(self._udid, new)

    def drop(self) -> None:
        """The phone did not take it."""
        if self._held:
            self._try(lambda keychain: keychain.drop(self._udid))

    def took(self) -> bool:
        """The phone took it; whether the keychain has it as the password of today now.

        One that was there before is kept in any case, for the snapshots that it opens.
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
    """Look whether a phone that says it is done has done it.

    Raises:
        PhoneRefused: its setting did not change.
    """
    try:
        facts = phone.refresh()
    except IbackupError:
        return  # its word has to do: it may have ended a session that stood idle for so long
    if facts.will_encrypt is not None and facts.will_encrypt is not wanted:
        raise PhoneRefused(
            f"The {facts.noun} said that it is done, and its setting did not change.",
            why=f"Its backups are {'encrypted' if facts.will_encrypt else 'not encrypted'}.",
            hint=f"Restart the {facts.noun} and run the command again.",
        )
