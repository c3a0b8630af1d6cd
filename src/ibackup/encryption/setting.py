"""Encryption switched on or off: the phone's setting alone, no backup is touched."""

from dataclasses import replace
from typing import Literal

from ibackup.device import Phone, PhoneFacts, open_phone
from ibackup.device.serving import nothing_to_show
from ibackup.encryption.asking import Custody, Passwords, Refused, ask, settled, standing
from ibackup.encryption.types import Outcome, Request, forgotten
from ibackup.errors import IbackupError, PhoneRefused, UsageError
from ibackup.events import Observer, PhaseStarted
from ibackup.store.trouble import telling

Switch = Literal["on", "off"]
_STATE = {True: "encrypted", False: "not encrypted"}


def switch(request: Request, action: Switch, observe: Observer) -> Outcome:
    """Switch the encryption of a phone's backups on or off.

    Raises:
        UsageError: it is on already, with whatever password.
        PhoneRefused: a profile demands encryption, or the phone said no.
        PasswordWrong: the password so far is another one.
        PersonNeeded: the passcode was not entered.
        IbackupError: whatever else; the text says where the phone stands.
    """
    observe(PhaseStarted("find", "Looking for the phone."))
    with (
        telling("The setting could not be changed."),
        open_phone(request.udid, wait=request.wait, patience=request.patience, observer=observe) as phone,
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
        raise UsageError(
            f"The backups of this {facts.noun} are encrypted already.",
            why="A password is set on it.",
            hint=f"`ibackup encryption change` sets another one; it asks for the present one. {forgotten(facts.noun)}",
        )


def _passwords(request: Request, action: Switch, facts: PhoneFacts) -> tuple[Passwords, bool]:
    if action == "on":
        chosen = request.answers.new(facts, action)
        return Passwords(None, chosen.text), chosen.keep
    if facts.requires_encryption:
        raise PhoneRefused(
            f"A profile on the {facts.noun} allows encrypted backups only, so encryption cannot be switched off.",
            hint="See Settings > General > VPN & Device Management, or ask those who manage it. "
            "`ibackup encryption change` sets another password.",
        )
    request.answers.agree(facts)
    return Passwords(request.answers.old(facts), None), False


def _tell_standing(
    error: IbackupError, phone: Phone, custody: Custody, patience: float, observe: Observer, *, wanted: bool
) -> None:
    """Add to an error in the middle where the phone stands: it may have done it all the same."""
    facts = standing(phone, patience, observe)
    if facts is None or facts.will_encrypt is None:
        said = "Whether it has changed its setting is not known."
        hint = "Connect it, and see `ibackup encryption status`. Keep the password, whatever it says."
    elif facts.will_encrypt is wanted:
        custody.took()
        said = f"It has changed its setting all the same: its backups are {_STATE[wanted]} now."
        hint = (
            "Nothing more has to be done."
            if not wanted
            else "The password that you chose is in force: keep it."
        )
    else:
        custody.drop()
        said = f"It has not changed its setting: its backups are {_STATE[not wanted]}."
        hint = "Run the command again."
    error.why, error.hint = f"{error.why} {said}".strip(), hint


def _outcome(request: Request, action: Switch, phone: Phone) -> Outcome:
    older: tuple[str, ...] = ()
    if request.store is not None:
        held = request.store.phone(phone.udid, told_by_phone=True).snapshots()
        older = tuple(each.id for each in held if each.meta.encrypted is (action == "off"))
    return Outcome(
        action,
        phone.udid,
        phone.facts.name or phone.facts.noun,
        phone.facts.noun,
        encrypted=action == "on",
        older=older,
    )
