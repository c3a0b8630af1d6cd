"""What people are told: which phone, what happened, what to do. Never a secret."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ibackup.config import Alarm
from ibackup.errors import IbackupError
from ibackup.events import PromptKind

_TODO: dict[PromptKind, str] = {
    "passcode": "Enter the passcode on the {noun} {name} to start tonight's backup (60 s).",
    "unlock": "Unlock the {noun} {name} with its passcode, so that tonight's backup can start.",
    "trust": "Tap Trust on the {noun} {name} and enter its passcode, so that tonight's backup can start.",
    "accessory": "Allow the {noun} {name} to connect to this computer, so that tonight's backup can start.",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        alarm: what it is about; decides where it goes.
        title: a few words.
        text: a sentence or two, and what to do.
    """

    alarm: Alarm
    title: str
    text: str

    @property
    def urgent(self) -> bool:
        """Whether something is wrong."""
        return self.alarm not in ("done", "needs_passcode")


def needs_person(kind: PromptKind, noun: str, name: str) -> Message:
    """Somebody has to do something at the phone."""
    return Message("needs_passcode", f"Backup of {name}", _TODO[kind].format(noun=noun, name=name))


def charges_only(name: str) -> Message:
    """A phone is plugged in, and usbmuxd does not see it."""
    return Message(
        "needs_passcode",
        f"Backup of {name}",
        f"{name} is plugged in and charges, but talks to no computer: it has been locked for too long. "
        "Unlock it with its passcode once.",
    )


def done(name: str, files: int, size: str) -> Message:
    """A backup was made."""
    return Message("done", f"{name} is backed up", f"{size}, {files:,} files, checked and sealed.")


def failed(name: str, error: IbackupError) -> Message:
    """A backup failed."""
    return Message("failed", f"{name} was not backed up", f"{error.message} {error.hint}".strip())


def store_gone(error: IbackupError) -> Message:
    """The store cannot be opened."""
    return Message("failed", "The store is not there", f"{error.message} {error.hint}".strip())


def stale(name: str, newest: datetime | None, now: datetime) -> Message:
    """No good backup within the limit."""
    since = f"for {_age(now - newest)}" if newest is not None else "at all so far"
    return Message(
        "stale",
        f"{name} has no fresh backup",
        f"There has been no good backup of {name} {since}. "
        "Connect it to the computer, unlock it, and run `ibackup now`.",
    )


def damage(name: str, snapshot: str) -> Message:
    """A snapshot is not what it was."""
    return Message(
        "damage",
        f"A backup of {name} is damaged",
        f"Snapshot {snapshot} is not what it was. `ibackup verify {snapshot}` names the files, and "
        "where they are still whole; the next backup has the phone send them again. The disk may be failing.",
    )


def room_low(store: str, free: str) -> Message:
    """The disk fills up."""
    return Message(
        "room_low",
        "The disk of the backups is nearly full",
        f"{free} are free where {store} is. "
        "`ibackup prune --keep-last 7 --dry-run` says what old snapshots would give back.",
    )


def _age(age: timedelta) -> str:
    days = age.days
    if days >= 2:
        return f"{days} days"
    return f"{int(age.total_seconds() // 3600)} hours"
