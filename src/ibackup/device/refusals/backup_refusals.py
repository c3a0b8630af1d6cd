"""What a phone's error codes mean: what happened, why, and what to do, in words for the person who waits.

``error_texts`` has the MBErrorDomain codes that end a backup, a restore or a change of the backup password, and the
phone's own words that say more; ``lockdown_refusals`` has the errors of lockdownd, which guards everything else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ibackup.apple import plist_values
from ibackup.base.errors import IbackupError, PasswordNeeded, PhoneRefused
from ibackup.base.settings_paths import settings_paths
from ibackup.base.sizes import exact_size
from ibackup.device.refusals.error_texts import AGAIN, BY_CODE, NESTED, SAYINGS, Refusal

Job = Literal["backup", "restore", "encryption", "icloud"]

PASSCODE_NOT_ENTERED = 208
PROMPT_STANDS_S = 50.0
"""A passcode prompt that nobody touches stays at least a minute. If it is gone sooner, it was cancelled."""
_MOST_NAMED = 5
_CODE = re.compile(r"MBErrorDomain(?:/| error | Code=)(\d{1,5})(?!\d)", re.ASCII)
PURGE_MARGIN = 2 << 30  # a phone asks to purge what is missing and this much more


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalContext:
    """What is known when a phone refuses.

    Attributes:
        noun: "iPhone" or "iPad".
        ios_version: which paths in Settings to name.
        job: what was asked of it.
        encrypted: its backups are encrypted.
        requires_encryption: a profile demands encrypted backups.
        password_given: a password was sent along with the request.
        free_bytes: what the store's disk had free when the phone asked.
        purge_bytes: what the phone asked to purge (DLMessagePurgeDiskSpace).
        phone_free_bytes: what the phone had free when it was asked.
        prompt_s: how many seconds the phone showed its passcode prompt, 0 for not at all; None: nobody looked.
        unreadable: files that it said it could not read, each with its reason; safe to print.
    """

    noun: str = "iPhone"
    ios_version: str | None = None
    job: Job = "backup"
    encrypted: bool = False
    requires_encryption: bool = False
    password_given: bool = False
    free_bytes: int | None = None
    purge_bytes: int | None = None
    phone_free_bytes: int | None = None
    prompt_s: float | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def needed_bytes(self) -> int | None:
        """What the backup needs in all, by the phone's purge request; None if unknown."""
        if self.free_bytes is None or self.purge_bytes is None:
            return None
        return max(self.purge_bytes + self.free_bytes - PURGE_MARGIN, 0)


_JOB_WORDS: Mapping[Job, str] = {
    "backup": "backup",
    "restore": "restore",
    "encryption": "change of the backup password",
    "icloud": "change of iCloud Backup",
}


def refusal(code: int, description: str, *, context: RefusalContext) -> IbackupError:
    """The error for a phone's ErrorCode, not yet raised.

    Args:
        code: ErrorCode of the phone's Response; not 0.
        description: its ErrorDescription, or an empty string; made safe to print.
        context: what else is known.
    """
    said = plist_values.printable(description).strip()
    meant = _meant(code, said, context.job)
    found = meant or BY_CODE.get(code)
    if found is None:
        return PhoneRefused(
            f"The {context.noun} refused with an error that ibackup does not know (MBErrorDomain {code}).",
            why=f"It said: {said}" if said else "It gave no reason.",
            hint=AGAIN.format(noun=context.noun),
            error_code=code,
        )
    special = _SPECIAL.get(found.code)
    if special is not None:
        found = special(found, context)
    words = {"noun": context.noun, "job": _JOB_WORDS[context.job]}
    paths = settings_paths(context.ios_version, context.noun)
    why = (found.why if said or not found.unsaid else found.unsaid).format(**words)
    # If many causes share one code, the phone's own words say more than ours.
    if said and (found.error is PhoneRefused or meant is not None):
        why = f"{why} It said: {said}".strip()
    what = f"{found.what.format(**words)[:-1]} (MBErrorDomain {code})."
    hint = (found.restore_hint if context.job == "restore" else "") or found.hint
    return found.error(what, why=why, hint=hint.format(**words, **paths), error_code=code)


def _meant(code: int, said: str, job: Job) -> Refusal | None:
    """What the phone's own words say beyond the code: known words, or a code inside that says more."""
    if code == 105 and job == "restore" and "on device" in said:  # older phones say so of their own storage
        return BY_CODE[106]
    small = said.lower()
    for saying in SAYINGS:
        if (not saying.codes or code in saying.codes) and any(words in small for words in saying.words):
            return saying.row
    inner = next((int(each) for each in _CODE.findall(said) if int(each) in NESTED), code)
    return BY_CODE[inner] if inner != code else None


def _unread(row: Refusal, context: RefusalContext) -> Refusal:
    """104: with the files that the phone could not read. In many versions, a single one fails the whole backup."""
    if not context.unreadable:
        return row
    more = len(context.unreadable) - _MOST_NAMED
    named = "; ".join((*context.unreadable[:_MOST_NAMED], *([f"and {more:,} more"] if more > 0 else [])))
    return replace(
        row,
        why=f"It could not read {_literal(named)}.",
        hint=(
            f"{row.hint} If it is the same few files again, they are damaged on the phone: the app or photo "
            f"they belong to blocks every backup, by any program."
        ),
    )


def _literal(text: str) -> str:
    """The text as a template that gives it back."""
    return text.replace("{", "{{").replace("}", "}}")


def _no_room(row: Refusal, context: RefusalContext) -> Refusal:
    """105: with figures, if the phone's purge request and our free space are known."""
    needed, free = context.needed_bytes, context.free_bytes
    if free is None:
        return row
    why = f"{exact_size(free)} are free."
    if needed is not None and needed > free:
        missing = exact_size(needed - free)
        why = f"The backup needs {exact_size(needed)}, but only {exact_size(free)} are free: {missing} are missing."
    return replace(row, why=why)


def _phone_full(row: Refusal, context: RefusalContext) -> Refusal:
    """106: with the phone's free space, if it reported that."""
    free = context.phone_free_bytes
    why = "The backup is larger than its free space." if context.job == "restore" else ""
    if free is not None:
        why = f"It has {exact_size(free)} free. {why}".strip()
    return replace(row, why=why)


def _password(row: Refusal, context: RefusalContext) -> Refusal:
    """207 has three causes: a profile wants encryption, no password was given, or it is the wrong one."""
    if context.requires_encryption and not context.encrypted and context.job == "backup":
        return Refusal(
            row.code,
            PhoneRefused,
            "A profile on the {noun} allows encrypted backups only.",
            "No backup password is set yet.",
            "Set one with `ibackup encryption on`.",
        )
    if not context.password_given and context.job != "backup":
        return Refusal(
            row.code,
            PasswordNeeded,
            "The backup password is needed.",
            "The {noun}'s backups are encrypted.",
            "Give it with --password-file or at the prompt.",
        )
    return row


def _passcode(row: Refusal, context: RefusalContext) -> Refusal:
    """208 means a locked phone, a cancelled prompt or an unanswered one; how long the prompt was shown says which."""
    if context.prompt_s is None:
        return row
    hint = "Unlock the {noun}, run the command again and enter the passcode on it: the one that unlocks it."
    if not context.prompt_s:
        what, why = "The {noun} is locked.", "It did not even ask for its passcode."
    elif context.prompt_s < PROMPT_STANDS_S:
        what = "The passcode prompt on the {noun} was cancelled."
        why = f"It was gone after {context.prompt_s:.0f} seconds, which normally happens only after a minute or more."
    else:
        what = "The passcode was not entered on the {noun} in time."
        why = f"It asked for it for {context.prompt_s:.0f} seconds."
    return replace(row, what=what, why=why, hint=hint)


_SPECIAL = {104: _unread, 105: _no_room, 106: _phone_full, 207: _password, PASSCODE_NOT_ENTERED: _passcode}
