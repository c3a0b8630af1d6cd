"""A phone's error codes and its own words as data: what happened, why, and what to do.

The texts are templates: ``{noun}`` stands for iPhone or iPad, ``{job}`` for what was asked of it, and ``{UPDATE}`` for
the path of that ``SettingsPlace``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ibackup.base.errors import IbackupError, Interrupted, NoRoom, PasswordWrong, PersonNeeded, PhoneRefused


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row: an error code of MBErrorDomain.

    Attributes:
        unsaid: in place of ``why`` where the phone adds no words of its own.
        restore_hint: what to do about one that ended a restore, where that is something else.
    """

    code: int
    error: type[IbackupError]
    what: str
    why: str = ""
    hint: str = ""
    unsaid: str = ""
    restore_hint: str = ""


@dataclass(frozen=True, slots=True)
class Saying:
    """Words of a phone that say more than its code.

    Attributes:
        words: what its text has in it, in small letters; any of them.
        row: what they mean; its code is not used.
        codes: for these codes alone; empty for any.
    """

    words: tuple[str, ...]
    row: Refusal
    codes: frozenset[int] = frozenset()


AGAIN = "Restart the {noun}, then try again."
_AFRESH = "Try again; if it happens again, make a backup from scratch with --full."
_ANOTHER = "Run `ibackup verify`; then try again, or restore another snapshot: `ibackup list`."
_OTHER_SNAPSHOT = "Run `ibackup verify`, which names damaged files; restore another snapshot: `ibackup list`."

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        1,
        PhoneRefused,
        "The {noun} could not do the {job}.",
        hint=AGAIN,
        unsaid="It gave no reason, or does not know the request.",
    ),
    Refusal(2, PhoneRefused, "Several things went wrong on the {noun} during the {job}.", hint=AGAIN),
    Refusal(
        3,
        PhoneRefused,
        "The {noun} still has its own snapshot from an earlier {job}.",
        "Nothing is wrong on this computer. Only a restart of the {noun} removes that snapshot.",
        AGAIN,
    ),
    Refusal(
        4,
        PhoneRefused,
        "The {noun} misses a file that the {job} needs.",
        hint=_AFRESH,
        restore_hint=_ANOTHER,
    ),
    Refusal(
        9,
        PhoneRefused,
        "Files changed on the {noun} while it read them.",
        "An app was writing.",
        "Leave the {noun} alone and try again.",
    ),
    Refusal(10, PhoneRefused, "The {noun} could not write its own records.", hint=AGAIN),
    Refusal(
        11,
        PhoneRefused,
        "The {noun} could not read its own records of the last backup.",
        hint=_AFRESH,
        restore_hint=_ANOTHER,
    ),
    Refusal(
        12,
        PhoneRefused,
        "The {noun} could not read what it needs for the {job}.",
        hint=_AFRESH,
        restore_hint=_ANOTHER,
    ),
    Refusal(
        22,
        PhoneRefused,
        "A profile on the {noun} forbids this.",
        "The organization that manages the {noun} decided this; some profiles require encrypted backups.",
        "See {PROFILES} on the {noun}, or ask the organization that manages it.",
    ),
    Refusal(
        25,
        PhoneRefused,
        "The {noun} is still being restored from iCloud.",
        "It allows no {job} until that has ended.",
        "See {BACKUP} on the {noun}; wait until it has finished.",
    ),
    Refusal(
        100,
        PhoneRefused,
        "A read or write failed during the {job}.",
        hint=AGAIN,
        unsaid="The {noun} does not say where.",
    ),
    Refusal(
        101,
        PhoneRefused,
        "The {noun} could not read from its own storage.",
        hint="Restart the {noun}. If the problem persists, save your photos and documents another way first.",
    ),
    Refusal(
        102,
        PhoneRefused,
        "The {noun} could not write to its own storage.",
        hint=AGAIN,
        restore_hint="Restart the {noun} first: after a restore it must, before it takes the next one. If it says the "
        "same again, the backup's list lacks the folders of some files: restore another snapshot (`ibackup list`).",
    ),
    Refusal(
        103,
        PhoneRefused,
        "The {noun} could not read the backup from this computer.",
        hint=_AFRESH,
        restore_hint=_ANOTHER,
    ),
    Refusal(
        104,
        PhoneRefused,
        "The {noun} could not hand over some of its files.",
        "Often the phone locked itself in the meantime, or it cannot read one of the files.",
        f"{AGAIN} Keep it unlocked until the files arrive.",
    ),
    Refusal(
        105,
        NoRoom,
        "There is not enough space on this computer for the backup.",
        hint="Free some space, remove old snapshots with `ibackup prune`, or put the store on a larger disk with "
        "--store.",
        restore_hint="Free some space on this computer: the {noun} asks for a copy of its backup to be kept.",
    ),
    Refusal(
        106,
        NoRoom,
        "There is not enough space on the {noun}.",
        hint="Free some on it: {PHONE_STORAGE}. It needs free space while it makes a backup.",
        restore_hint="Delete something on the {noun}, or use one with more storage. `ibackup extract` takes single "
        "files out of the backup.",
    ),
    Refusal(
        202, Interrupted, "The {job} was cancelled on the {noun}.", hint="Start it again when you are ready."
    ),
    Refusal(
        203,
        PhoneRefused,
        "The backup does not fit this {noun}'s iOS version.",
        "A backup cannot be restored to an older iOS than it came from.",
        "Update the {noun} in {UPDATE}, then try again.",
        restore_hint="Update the {noun} in {UPDATE}, or restore an older snapshot: `ibackup list`.",
    ),
    Refusal(
        204,
        PhoneRefused,
        "The {noun} finds no complete backup.",
        hint=_AFRESH,
        restore_hint="Use another snapshot: `ibackup list`.",
    ),
    Refusal(
        205,
        PhoneRefused,
        "The {noun} finds the backup damaged.",
        "A file is missing or differs from the backup's own list.",
        _AFRESH,
        restore_hint=_OTHER_SNAPSHOT,
    ),
    Refusal(
        207,
        PasswordWrong,
        "The backup password is wrong.",
        hint="Give the password that was set when backup encryption was switched on; it may be older than you think.",
    ),
    Refusal(
        208,
        PersonNeeded,
        "The {noun} was locked, or its passcode was not entered in time.",
        "Since iOS 16 every backup asks for the passcode on the {noun} itself, and waits for it between one minute and "
        "three.",
        "Unlock the {noun}, start again and enter the passcode on it when it asks.",
        restore_hint="Unlock the {noun}, start again and enter its passcode when it asks.",
    ),
    Refusal(
        209,
        PersonNeeded,
        "The {noun} cannot read some of its files yet.",
        "It has not been unlocked since it was last switched on.",
        "Unlock the {noun} with its passcode, then run the command again. Do not restart it: that locks them again.",
    ),
    Refusal(
        210,
        PhoneRefused,
        "The {noun} is not signed in to an account that this needs.",
        hint="Sign in at the top of Settings on the {noun}.",
    ),
    Refusal(
        211,
        PhoneRefused,
        "The {noun} refuses a restore while Find My is on.",
        hint="Switch it off for the restore: {FIND_MY}.",
    ),
    Refusal(
        212,
        PersonNeeded,
        "The {noun} has not been set up yet.",
        "Its setup assistant is still on the screen.",
        "Finish the setup on the {noun}, then try again.",
    ),
    Refusal(
        223,
        PhoneRefused,
        "The {noun} postponed the {job}.",
        "It is busy with something else, or too warm.",
        "Leave the {noun} connected to power for a while, unlock it and try again.",
    ),
)

BY_CODE: Mapping[int, Refusal] = {row.code: row for row in REFUSALS}

NESTED = frozenset([22, 25, 105, 106, 202, 203, 207, 208, 209, 210, 211, 212, 223])
"""Codes that say more than the one around them."""

SAYINGS: tuple[Saying, ...] = (
    Saying(("mdm setting present",), BY_CODE[22]),
    Saying(("no account exists",), BY_CODE[210]),
    Saying(("failed to create snapshot: file exists",), BY_CODE[3]),
    # Of this computer's disk it says 105.
    Saying(
        ("no space left on device", "nsposixerrordomain/28"),
        BY_CODE[106],
        frozenset([1, 2, 100, 101, 102, 106]),
    ),
    Saying(
        ("keychain",),
        Refusal(
            1,
            PhoneRefused,
            "The {noun} could not read its keychain.",
            "It can do so only while it is unlocked.",
            "Unlock the {noun} with its passcode, keep it unlocked until the files arrive, and try again. If that does "
            "not help, restart it and unlock it once more.",
        ),
        frozenset([1, 2, 100, 101, 102]),
    ),
    Saying(
        ("supervised device",),
        Refusal(
            1,
            PhoneRefused,
            "The backup is from a supervised phone.",
            "It can only be restored to a phone that an organization manages.",
            "Restore it to a supervised phone, or take out what you need with `ibackup extract`.",
        ),
    ),
    Saying(
        ("file path is invalid", "invalid file type"),
        Refusal(
            205,
            PhoneRefused,
            "The {noun} does not accept the backup's list of files.",
            "A path or a record in it is one that no phone writes.",
            _AFRESH,
            restore_hint="`ibackup verify` names the row. Restore another snapshot: `ibackup list`.",
        ),
        frozenset([205]),
    ),
    Saying(
        ("mkdir", "creating directory", "making directory", "no such file or directory"),
        Refusal(
            102,
            PhoneRefused,
            "The {noun} could not create the folders of some files.",
            "They are not in the backup's list.",
            AGAIN,
            restore_hint="`ibackup verify` names the files. Restore another snapshot: `ibackup list`.",
        ),
        frozenset([102]),
    ),
)
"""The first one that fits counts."""
