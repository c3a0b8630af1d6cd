"""What a phone's error codes mean: what happened, why, and what to do, in words for the person who waits.

A table of the MBErrorDomain codes that end a backup, a restore or a change of the backup password;
``lockdown_refusals`` has the errors of lockdownd, which guards everything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ibackup.device import values
from ibackup.errors import (
    IbackupError,
    Interrupted,
    NoRoom,
    PasswordNeeded,
    PasswordWrong,
    PersonNeeded,
    PhoneRefused,
)

Job = Literal["backup", "restore", "encryption", "icloud"]

PASSCODE_NOT_ENTERED = 208
PROMPT_STANDS_S = 50.0
"""A passcode prompt that nobody touches stands at least a minute; one that was gone before was cancelled."""
PURGE_MARGIN = 2 << 30  # a phone asks to purge what is missing and this much more


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalContext:
    """What is known when a phone refuses.

    Attributes:
        noun: "iPhone" or "iPad".
        job: what was asked of it.
        encrypted: its backups are encrypted.
        requires_encryption: a profile demands encrypted backups.
        password_given: a password was sent along with the request.
        free_bytes: what the store's disk had free when the phone asked.
        purge_bytes: what the phone asked to purge (DLMessagePurgeDiskSpace).
        prompt_s: how many seconds the phone showed its passcode prompt, 0 for not at all; None: nobody looked.
    """

    noun: str = "iPhone"
    job: Job = "backup"
    encrypted: bool = False
    requires_encryption: bool = False
    password_given: bool = False
    free_bytes: int | None = None
    purge_bytes: int | None = None
    prompt_s: float | None = None

    @property
    def needed_bytes(self) -> int | None:
        """What the backup needs in all, as far as the phone's purge request tells."""
        if self.free_bytes is None or self.purge_bytes is None:
            return None
        return max(self.purge_bytes + self.free_bytes - PURGE_MARGIN, 0)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row: an error code of MBErrorDomain.

    In the texts ``{noun}`` stands for iPhone or iPad and ``{job}`` for what was asked.
    """

    code: int
    error: type[IbackupError]
    what: str
    why: str = ""
    hint: str = ""


AGAIN = "Restart the {noun}, then try again."
_AFRESH = "Try again; if it happens again, make a backup from scratch with --full."

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        1,
        PhoneRefused,
        "The {noun} could not do the {job}.",
        "It gave no reason, or does not know the request.",
        AGAIN,
    ),
    Refusal(2, PhoneRefused, "Several things went wrong on the {noun} during the {job}.", "", AGAIN),
    Refusal(
        3,
        PhoneRefused,
        "The {noun} found something of an earlier, interrupted {job} in its way.",
        "Usually it still holds a snapshot of its own.",
        AGAIN,
    ),
    Refusal(4, PhoneRefused, "The {noun} misses a file that the {job} needs.", "", _AFRESH),
    Refusal(
        9,
        PhoneRefused,
        "Files changed on the {noun} while it read them.",
        "An app was writing.",
        "Leave the {noun} alone and try again.",
    ),
    Refusal(10, PhoneRefused, "The {noun} could not write its own records.", "", AGAIN),
    Refusal(11, PhoneRefused, "The {noun} could not read its own records of the last backup.", "", _AFRESH),
    Refusal(12, PhoneRefused, "The {noun} could not read what it needs for the {job}.", "", _AFRESH),
    Refusal(
        25,
        PhoneRefused,
        "The {noun} is still being restored from iCloud.",
        "It takes no {job} until that has ended.",
        "See Settings > your name > iCloud > iCloud Backup on the {noun}; wait until it has finished.",
    ),
    Refusal(
        100,
        PhoneRefused,
        "A read or write failed during the {job}.",
        "The {noun} does not say where.",
        AGAIN,
    ),
    Refusal(
        101,
        PhoneRefused,
        "The {noun} could not read from its own storage.",
        "",
        "Restart the {noun}; if it stays, save your photos and documents another way first.",
    ),
    Refusal(
        102,
        PhoneRefused,
        "The {noun} could not write to its own storage.",
        "After a restore it must restart before the next one.",
        AGAIN,
    ),
    Refusal(103, PhoneRefused, "The {noun} could not read the backup from this computer.", "", _AFRESH),
    Refusal(
        104,
        PhoneRefused,
        "The {noun} could not hand over some of its files.",
        "Either this computer could not store them or one of them cannot be read on the {noun}.",
        "Check the room on the disk, restart the {noun} and try again; reinstall an app whose files it names.",
    ),
    Refusal(
        105,
        NoRoom,
        "There is not enough room on this computer for the backup.",
        "",
        "Free some room, remove old snapshots with `ibackup prune`, or put the store on a larger disk with --store.",
    ),
    Refusal(
        106,
        NoRoom,
        "There is not enough room on the {noun}.",
        "The backup holds more than it has free.",
        "Delete something on the {noun} or restore to one with more storage.",
    ),
    Refusal(
        202, Interrupted, "The {job} was cancelled on the {noun}.", "", "Start it again when you are ready."
    ),
    Refusal(
        203,
        PhoneRefused,
        "The backup does not fit this {noun}'s iOS version.",
        "A backup cannot be restored to an older iOS than it came from.",
        "Update the {noun} in Settings > General > Software Update, then try again.",
    ),
    Refusal(
        204, PhoneRefused, "The {noun} finds no complete backup.", "", "Use another snapshot: `ibackup list`."
    ),
    Refusal(
        205,
        PhoneRefused,
        "The {noun} finds the backup damaged.",
        "A file is missing or is not what the backup's own list says.",
        "Run `ibackup verify`; then try again, or use an older snapshot.",
    ),
    Refusal(
        207,
        PasswordWrong,
        "The backup password is wrong.",
        "",
        "Give the password that was set when backup encryption was switched on; it may be older than you think.",
    ),
    Refusal(
        208,
        PersonNeeded,
        "The {noun} was locked, or its passcode was not entered in time.",
        "Since iOS 16 every backup asks for the passcode on the {noun} itself, and waits for it a minute or so.",
        "Unlock the {noun}, start again and enter the passcode on it when it asks.",
    ),
    Refusal(
        210,
        PhoneRefused,
        "The {noun} is not signed in to an account that this needs.",
        "",
        "Sign in under Settings.",
    ),
    Refusal(
        211,
        PhoneRefused,
        "The {noun} refuses a restore while Find My is on.",
        "",
        "Switch it off for the restore: Settings > your name > Find My > Find My {noun}.",
    ),
    Refusal(
        212,
        PersonNeeded,
        "The {noun} has not been set up yet.",
        "Its setup assistant is still on the screen.",
        "Finish the setup on the {noun}, then try again.",
    ),
)

_ANOTHER = "Run `ibackup verify`; then try again, or restore another snapshot: `ibackup list`."
RESTORE_HINTS: Mapping[int, str] = {
    4: _ANOTHER,
    11: _ANOTHER,
    12: _ANOTHER,
    102: "Restart the {noun} first: after a restore it must, before it takes the next one.",
    103: _ANOTHER,
    105: "Free some room on this computer: the {noun} wants a copy of its backup to be kept.",
    106: "Delete something on the {noun}, restore some of the apps alone with --app, or take one with more storage.",
    203: "Update the {noun} in Settings > General > Software Update, or restore an older snapshot: `ibackup list`.",
    205: "Run `ibackup verify`, which names damaged files; restore another snapshot: `ibackup list`.",
    208: "Unlock the {noun}, start again and enter its passcode when it asks.",
}
"""What to do about a code that ended a restore, where that is something else."""

_BY_CODE: Mapping[int, Refusal] = {row.code: row for row in REFUSALS}
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
    row = _BY_CODE.get(code)
    said = values.printable(description).strip()
    if row is None:
        return PhoneRefused(
            f"The {context.noun} refused with an error that is not known here (MBErrorDomain {code}).",
            why=f"It said: {said}" if said else "It gave no reason.",
            hint=AGAIN.format(noun=context.noun),
            error_code=code,
        )
    special = _SPECIAL.get(code)
    if special is not None:
        row = special(row, context)
    words = {"noun": context.noun, "job": _JOB_WORDS[context.job]}
    why = row.why.format(**words)
    # The phone's own words tell more than ours where many causes share one code.
    if said and row.error is PhoneRefused:
        why = f"{why} It said: {said}".strip()
    what = f"{row.what.format(**words)[:-1]} (MBErrorDomain {code})."
    hint = RESTORE_HINTS.get(code, row.hint) if context.job == "restore" else row.hint
    return row.error(what, why=why, hint=hint.format(**words), error_code=code)


def _no_room(row: Refusal, context: RefusalContext) -> Refusal:
    """105: with figures when the phone's purge request and our free space tell them."""
    needed, free = context.needed_bytes, context.free_bytes
    if free is None:
        return row
    why = f"{exact(free)} are free."
    if needed is not None and needed > free:
        why = f"The backup needs {exact(needed)}, {exact(free)} are free: {exact(needed - free)} are missing."
    return Refusal(row.code, row.error, row.what, why, row.hint)


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
    """208 stands for a locked phone, a cancelled prompt and one that nobody answered: its time on the screen tells."""
    if context.prompt_s is None:
        return row
    hint = "Unlock the {noun}, run the command again and enter the passcode on it: the one that unlocks it."
    if not context.prompt_s:
        what, why = "The {noun} is locked.", "It did not even ask for its passcode."
    elif context.prompt_s < PROMPT_STANDS_S:
        what = "The passcode prompt on the {noun} was cancelled."
        why = f"It was gone after {context.prompt_s:.0f} seconds, which it is by itself only after a minute or more."
    else:
        what = "The passcode was not entered on the {noun} in time."
        why = f"It asked for it for {context.prompt_s:.0f} seconds."
    return Refusal(row.code, row.error, what, why, hint)


_SPECIAL = {105: _no_room, 207: _password, PASSCODE_NOT_ENTERED: _passcode}


def size(count: int) -> str:
    """Bytes as people read them: "61.2 GB"."""
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def exact(count: int) -> str:
    """The same with every digit for those who want it: "61.2 GB (61,234,567,890 bytes)"."""
    return size(count) if count < 1000 else f"{size(count)} ({count:,} bytes)"
