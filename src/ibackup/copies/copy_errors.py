"""What can be wrong with a second copy, each told apart: away is not gone, and a full disk is not a wrong password."""

import re
from typing import Literal

from ibackup.base.errors import (
    DamageFound,
    IbackupError,
    Interrupted,
    NoRoom,
    PasswordNeeded,
    StoreMissing,
    UsageError,
)
from ibackup.base.exit_codes import ExitCode
from ibackup.base.long_programs import LongEnd
from ibackup.base.masked_addresses import masked
from ibackup.copies.copy_address import CopyAddress

WhyMissing = Literal["away", "unmounted", "missing", "other"]
FLEET = "the fleet"
"""Instead of the name of a copy, for what all copies of a fleet share. No copy can have this name."""


class CopyMissing(StoreMissing):
    """A copy is not there.

    Attributes:
        reason: ``away``: its host does not answer; ``unmounted``: its disk is not there; ``missing``: the place is
            there, but no repository; ``other``: another repository is in its place.
    """

    def __init__(self, what: str, reason: WhyMissing, *, why: str = "", hint: str = "") -> None:
        super().__init__(what, why=why, hint=hint)
        self.reason: str = reason

    @property
    def is_away(self) -> bool:
        """Whether it may simply come back."""
        return self.reason in ("away", "unmounted")


class CopyLocked(IbackupError):
    """Another program works on the copy."""

    exit_code = ExitCode.BUSY


class CopyPasswordWrong(PasswordNeeded):
    """The copy's password does not open it."""


_AWAY = (
    "connection refused",
    "no such host",
    "i/o timeout",
    "network is unreachable",
    "no route to host",
    "connection reset by peer",
    "connection timed out",
    "could not resolve hostname",
    "connection closed by",
    "host is down",
    "tls handshake timeout",
    "connection lost",
)
_FULL = (
    "no space left on device",
    "507 insufficient storage",
    "disk quota exceeded",
    "not enough space",
    "file too big for remaining disk space",
)
_MISSING = ("unable to open config file", "repository does not exist", "there a repository at the following")
_PASSWORD = ("wrong password or no key found", "an empty password is not a password")
# What opens rclone's own config, a crypt remote, and the host.
_CREDENTIALS = (
    "couldn't decrypt configuration",
    "bad password?",
    "undecryptable",
    "unable to authenticate",
    "401 unauthorized",
    "signaturedoesnotmatch",
    "invalidaccesskeyid",
)
_NO_KEYS = ("nocredentialproviders", "no ec2 imds role found", "failed to refresh cached credentials")
_NO_BUCKET = "nosuchbucket"
_NO_REMOTE = "didn't find section in config file"
_DATED = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
_LOCKED = ("already locked",)
_REFUSED = ("access denied", "403 forbidden", "401 unauthorized", "permission denied")
_HOPELESS = (*_FULL, "access denied", "403 forbidden", "401 unauthorized")
_INTERRUPTED = (130, -2, 0xC000013A)


def _called(name: str) -> str:
    return "The fleet" if name == FLEET else f"The copy {name}"


def _table(name: str) -> str:
    return "the [fleet] table" if name == FLEET else "its [[copies]] table"


def is_hopeless(line: str) -> bool:
    """Whether a line of restic's says that a place is full or refuses, which restic tries again for 15 minutes."""
    said = line.casefold()
    return any(each in said for each in _HOPELESS) or ("permission denied" in said and "retrying" in said)


def away(name: str, address: CopyAddress, why: str = "") -> CopyMissing:
    """The error about a host that does not answer."""
    return CopyMissing(
        f"{_called(name)} is away: {address.shown} does not answer.",
        "away",
        why=why,
        hint="It is not lost. The next run tries again; check the network, or the computer there.",
    )


def not_there(name: str, address: CopyAddress) -> CopyMissing:
    """The error about an address that answers and has no repository, or a folder that may be on a missing disk."""
    if address.unmounted():
        return CopyMissing(
            f"{_called(name)} is not mounted: there is nothing in '{address.path}'.",
            "unmounted",
            why="Its disk is probably not connected.",
            hint="Connect the disk, then run the command again. ibackup "
            f"{'writes nothing' if name == FLEET else 'makes no new repository'} in its place.",
        )
    if name == FLEET:
        return CopyMissing(
            f"There is no fleet at {address.shown}.",
            "missing",
            why="The place itself answers, and has nothing of a fleet.",
            hint="Compare it with `bucket` in the [fleet] table. If everything there was removed, bring back the "
            "bucket's earlier versions.",
        )
    return CopyMissing(
        f"The copy {name} is gone: there is no repository at {address.shown}.",
        "missing",
        why="The place itself is there, so the repository was removed or renamed.",
        hint=f"Find out who removed it. To begin a new copy: `ibackup copy remove {name}`, then `ibackup copy add`.",
    )


def another(name: str, address: CopyAddress, wanted: str, found: str) -> CopyMissing:
    """The error about a repository that is not the one that ``copy add`` made."""
    return CopyMissing(
        f"Another repository is in the place of the copy {name}: {address.shown}.",
        "other",
        why=f"Its id is {found[:10]}, not {wanted[:10]}.",
        hint="Nothing was written. If you replaced it yourself: "
        f"`ibackup copy remove {name}`, then `ibackup copy add`.",
    )


def no_room_here(snapshot_id: str, target: str) -> NoRoom:
    """The error about a disk here on which a snapshot does not fit."""
    return NoRoom(
        f"There is not enough space for snapshot {snapshot_id} in '{target}'.",
        hint="Free some space there, or choose another folder.",
    )


def damaged_there(name: str, snapshot_id: str, target: str, end: LongEnd) -> DamageFound:
    """The error about a snapshot that came back in part."""
    return DamageFound(
        f"Parts of snapshot {snapshot_id} in {name} are damaged or missing.",
        why=masked(end.said[-1])[:300],
        hint=f"What could be restored is in '{target}'. For more: `ibackup copy prove {name} --all`",
    )


def says_full(end: LongEnd) -> bool:
    """Whether a program failed since there was too little space where it wrote."""
    said = "\n".join(end.said).casefold()
    return any(each in said for each in _FULL)


def error_of_rclone(name: str, address: CopyAddress, end: LongEnd, doing: str) -> IbackupError:
    """The same as ``error_of`` for an rclone that failed."""
    said = "\n".join(end.said).casefold()
    if not end.silent and any(each in said for each in _CREDENTIALS):
        return CopyPasswordWrong(
            f"{_called(name)} does not open with the credentials that rclone has.",
            why=_last_words(end, "rclone"),
            hint="Compare them with `rclone config show`, or with the file under `key_file` in "
            f"{_table(name)}.",
        )
    if any(each in said for each in _NO_KEYS):
        return CopyPasswordWrong(
            f"There are no keys for the bucket {address.shown}.",
            hint="Name a file with AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=… lines: with --key-file where a "
            f"command has it, or under `key_file` in {_table(name)}.",
        )
    if _NO_BUCKET in said:
        return CopyMissing(
            f"There is no such bucket: {address.shown}.",
            "missing",
            hint="Check the address, or make the bucket in your object store's settings.",
        )
    if _NO_REMOTE in said:
        return UsageError(
            f"rclone has no such remote: {address.shown}.",
            hint="`rclone listremotes` shows those that it has, and `rclone config` makes one.",
        )
    return error_of(name, address, end, doing, "rclone")


def error_of(
    name: str, address: CopyAddress, end: LongEnd, doing: str, program: str = "restic"
) -> IbackupError:
    """The error of our tree for a program that failed.

    Args:
        name: of the copy.
        address: where it is.
        end: how the program ended.
        doing: what it was asked to do, as the end of "restic could not …".
        program: which one.
    """
    said = "\n".join(end.said).casefold()
    if end.silent or any(each in said for each in _AWAY):
        return away(name, address, "" if end.silent else _last_words(end, program))
    if says_full(end):
        return NoRoom(
            f"{_called(name)} is full: {address.shown}.",
            hint="Free some space there, or have old snapshots removed from it. What was copied before is unchanged.",
        )
    if end.code == 10 or (end.code == 1 and any(each in said for each in _MISSING)):
        return not_there(name, address)
    if end.code == 12 or any(each in said for each in _PASSWORD):
        return CopyPasswordWrong(
            f"The password does not open the copy {name}.",
            hint="Compare `password_file` or `password_command` in its [[copies]] table with what you wrote down. If "
            "the password is right, someone may have replaced the repository.",
        )
    if end.code == 11 or any(each in said for each in _LOCKED):
        return CopyLocked(
            f"Another program is working on the copy {name}.",
            hint="Run the command again later. A lock that a crash left ends by itself after 30 minutes.",
        )
    refused = any(each in said for each in _REFUSED)
    if end.code in _INTERRUPTED and not refused:
        return Interrupted(
            f"Copying to {name} was interrupted.",
            hint="Run the command again: it continues. What was copied before is unchanged.",
        )
    return IbackupError(
        f"{program} could not {doing}"
        + (": it has no permission." if refused else f" (exit code {end.code})."),
        why=_last_words(end, program),
        hint="Check the credentials and the permissions there." if refused else "With -v, the log says more.",
    )


def _last_words(end: LongEnd, program: str) -> str:
    """What a program said last, for people, without secrets; empty if it said nothing."""
    from ibackup.base.json_output import object_of

    # An indented line only continues what the one before began.
    for line in reversed([each for each in end.said if not each[:1].isspace()] or end.said):
        found = object_of(line.encode())
        text = (
            next((str(found[key]) for key in ("message", "error", "msg") if found.get(key)), "")
            if found
            else line
        )
        text = " ".join(masked(_DATED.sub("", text)).replace("Fatal: ", "").split())
        if text:
            return f'{program} said: "{text[:300].rstrip(".")}".'
    return ""
