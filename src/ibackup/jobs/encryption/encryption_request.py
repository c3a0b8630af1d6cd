"""A request to change a phone's encryption setting, and its outcome."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from ibackup.base.settings_paths import SettingsPlace
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.jobs.phone_to_open import PhoneToOpen
from ibackup.vault.keychain import Keychain

Action = Literal["on", "off", "change"]

_FORGOTTEN = (
    "If nobody knows it, try old ones: the setting moves along when a phone is set up from another. Old "
    "encrypted backups stay closed without it; nobody can recover it, not Apple either. For new backups, you "
    "can remove it on the {noun}: {path}. That deletes no photos, messages or apps, but resets Wi-Fi networks, "
    "Home Screen layout, wallpaper, privacy and other settings, and removes cards from Apple Pay."
)


def forgotten(noun: str, ios_version: str | None) -> str:
    """Advice for when nobody remembers the backup password of an iPhone or an iPad."""
    return _FORGOTTEN.format(noun=noun, path=SettingsPlace.RESET_ALL.path(ios_version, noun))


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that the user chose.

    Attributes:
        keep: put it into the keychain before asking the phone.
    """

    text: str = field(repr=False)
    keep: bool = False


class EncryptionAnswers(Protocol):
    """Where answers come from: someone at the terminal, or options.

    Each question is asked at most once, when nothing else prevents the change.
    Each may raise an error of the tree, which ends the command before it asks the phone for anything.
    """

    def old(self, phone: PhoneFacts) -> str:
        """The current password."""

    def new(self, phone: PhoneFacts, action: Action) -> NewPassword:
        """The new password."""

    def agree(self, phone: PhoneFacts) -> None:
        """Whether to really switch encryption off."""


@dataclass(frozen=True, slots=True)
class EncryptionRequest(PhoneToOpen):
    """One change of a phone's backup password; of the phone that ``PhoneToOpen`` describes.

    Attributes:
        answers: provides the passwords.
        keychain: where passwords are kept; None if there is none.
    """

    answers: EncryptionAnswers
    keychain: Keychain | None = None
    cable_only: bool = field(default=True, kw_only=True)


@dataclass(frozen=True, slots=True)
class EncryptionOutcome:
    """What was done, as the phone confirmed.

    Attributes:
        changed: False if the phone already had this setting.
        encrypted: whether its backups are encrypted now.
        in_keychain: the current password is in the keychain.
        snapshot: the snapshot that a change made; empty if none.
        rewraps: the snapshot whose files it has.
        older: snapshots that open with the previous password, or with none.
        next_is_full: the next backup is sent in full.
    """

    action: Action
    udid: str
    device_name: str
    encrypted: bool
    in_keychain: bool = False
    snapshot: str = ""
    rewraps: str = ""
    older: tuple[str, ...] = ()
    next_is_full: bool = True
    changed: bool = True
