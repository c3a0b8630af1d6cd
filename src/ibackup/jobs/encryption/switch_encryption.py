"""Switches encryption on or off: only the phone's setting; no backup changes."""

from dataclasses import replace
from typing import Literal

from ibackup.base.errors import IbackupError, PhoneRefused, UsageError
from ibackup.base.events import Observer, PhaseStarted
from ibackup.base.settings_paths import SettingsPlace
from ibackup.device.folder.served_files import nothing_to_show
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.phones.phone import Phone
from ibackup.jobs.encryption.encryption_request import EncryptionOutcome, EncryptionRequest, forgotten
from ibackup.jobs.encryption.password_request import Custody, Passwords, Refused, ask, settled, standing
from ibackup.store.disk.disk_errors import telling

Switch = Literal["on", "off"]
_STATE = {True: "encrypted", False: "not encrypted"}


def switch(request: EncryptionRequest, action: Switch, observe: Observer) -> EncryptionOutcome:
    """Switch the encryption of a phone's backups on or off.

    Raises:
        UsageError: it is already on.
        PhoneRefused: a profile requires encryption, or the phone refused.
        PasswordWrong: the current password is a different one.
        PersonNeeded: the passcode was not entered.
        IbackupError: any other error; its text says which setting the phone has now.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    with (
        telling("The setting could not be changed."),
        request.open_phone(observe) as phone,
    ):
        on = action == "on"
        if on:
            _refuse_second(phone.facts)
        elif phone.facts.will_encrypt is False:
            return replace(_outcome(request, action, phone), changed=False, next_is_full=False)
        passwords, keep = _passwords(request, action, phone.facts)
        custody = Custody(request.keychain, phone.udid, passwords, observe, keep=keep)
        custody.hold()
        try:
            with nothing_to_show(phone.udid) as files:
                ask(phone, files, passwords, observe)
        except Refused as refused:
            custody.drop()
            raise refused.error from None
        except IbackupError as error:
            _tell_standing(error, phone, custody, request.patience, observe, wanted=on)
            raise
        settled(phone, wanted=on)
        return replace(_outcome(request, action, phone), in_keychain=custody.took())


def _refuse_second(facts: PhoneFacts) -> None:
    if facts.will_encrypt:
        advice = forgotten(facts.noun, facts.ios_version)
        raise UsageError(
            f"The backups of this {facts.noun} are encrypted already.",
            why="A password is set on it.",
            hint=f"`ibackup encryption change` sets another one; it asks for the current one. {advice}",
        )


def _passwords(request: EncryptionRequest, action: Switch, facts: PhoneFacts) -> tuple[Passwords, bool]:
    if action == "on":
        chosen = request.answers.new(facts, action)
        return Passwords(None, chosen.text), chosen.keep
    if facts.requires_encryption:
        profiles = SettingsPlace.PROFILES.path(facts.ios_version, facts.noun)
        raise PhoneRefused(
            f"A profile on the {facts.noun} allows encrypted backups only, so encryption cannot be switched off.",
            hint=f"See {profiles}, or ask the organization that manages it. "
            "`ibackup encryption change` sets another password.",
        )
    request.answers.agree(facts)
    return Passwords(request.answers.old(facts), None), False


def _tell_standing(
    error: IbackupError, phone: Phone, custody: Custody, patience: float, observe: Observer, *, wanted: bool
) -> None:
    """Add the phone's state to an error: it may already have made the change."""
    facts = standing(phone, patience, observe)
    if facts is None or facts.will_encrypt is None:
        said = "It is unknown whether the phone has changed its setting."
        hint = "Connect it and check with `ibackup encryption status`. Keep the password in any case."
    elif facts.will_encrypt is wanted:
        custody.took()
        said = f"The phone did change its setting: its backups are now {_STATE[wanted]}."
        hint = "There is nothing more to do." if not wanted else "The password you chose applies: keep it."
    else:
        custody.drop()
        said = f"It has not changed its setting: its backups are {_STATE[not wanted]}."
        hint = "Run the command again."
    error.why, error.hint = f"{error.why} {said}".strip(), hint


def _outcome(request: EncryptionRequest, action: Switch, phone: Phone) -> EncryptionOutcome:
    older: tuple[str, ...] = ()
    if request.store is not None:
        held = request.store.phone(phone.udid, told_by_phone=True).snapshots()
        older = tuple(each.id for each in held if each.meta.encrypted is (action == "off"))
    return EncryptionOutcome(
        action,
        phone.udid,
        phone.facts.name or phone.facts.noun,
        encrypted=action == "on",
        older=older,
    )
