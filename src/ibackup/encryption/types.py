"""What is asked of a phone's encryption setting, and what came of it."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from ibackup.device import PhoneFacts
from ibackup.keychain import Keychain
from ibackup.store import Store

Action = Literal["on", "off", "change"]

FORGOTTEN = (
    "If nobody knows it: it may be an old one, since the setting travels along when a phone is set up from another. "
    "Old encrypted backups stay closed without it; nobody can recover it, not Apple either. For new backups the {noun} "
    "can drop it: Settings > General > Transfer or Reset {noun} > Reset > Reset All Settings. That deletes no photos, "
    "messages or apps, but resets Wi-Fi networks, Home Screen layout, wallpaper, privacy and other settings, and "
    "takes cards out of Apple Pay."
)
"""Advice for those whose phone encrypts with a password that nobody remembers."""


def forgotten(noun: str) -> str:
    """That advice, for an iPhone or an iPad."""
    return FORGOTTEN.format(noun=noun)


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that somebody chose.

    Attributes:
        keep: put it into the keychain, before the phone is asked.
    """

    text: str = field(repr=False)
    keep: bool = False


class Answers(Protocol):
    """Whoever can be asked, a person or options. Each is asked once at most, when nothing else is in the way.

    Each may raise an error of the tree, which ends the command before the phone was asked for anything.
    """

    def old(self, phone: PhoneFacts) -> str:
        """The password so far."""

    def new(self, phone: PhoneFacts, action: Action) -> NewPassword:
        """The one to be."""

    def agree(self, phone: PhoneFacts) -> None:
        """Whether encryption shall really be switched off."""


@dataclass(frozen=True, slots=True)
class Request:
    """One change of a phone's backup password.

    Attributes:
        answers: gives the passwords.
        store: where its snapshots are; None when there is no store yet.
        keychain: where passwords are kept, None where there is none.
        udid: which phone; None takes the only one that is connected.
        wait: seconds to wait for a phone that is not connected.
        patience: seconds to wait for somebody at the phone (unlock, Trust).
    """

    answers: Answers
    store: Store | None = None
    keychain: Keychain | None = None
    udid: str | None = None
    wait: float = 0.0
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done; the phone has said so.

    Attributes:
        changed: False when the phone was as it should be already.
        noun: what messages call the phone.
        encrypted: whether its backups are encrypted now.
        in_keychain: the password in force is in the keychain.
        snapshot: the snapshot that a change made, empty when it made none.
        rewraps: the snapshot whose files it has.
        older: snapshots that open with the password of before, or with none.
        next_is_full: the next backup is sent whole.
    """

    action: Action
    udid: str
    device_name: str
    noun: str
    encrypted: bool
    in_keychain: bool = False
    snapshot: str = ""
    rewraps: str = ""
    older: tuple[str, ...] = ()
    next_is_full: bool = True
    changed: bool = True
