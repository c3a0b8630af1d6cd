"""The notifications: which phone, what happened, what to do. Never a secret."""

from dataclasses import dataclass
from datetime import datetime

from ibackup.base.durations import rough_duration
from ibackup.base.errors import IbackupError
from ibackup.base.events import PromptKind
from ibackup.base.exit_codes import ExitCode
from ibackup.base.identities import JOINERS
from ibackup.config.config_schema import Alarm
from ibackup.jobs.runs.following_up import space_low_text

_TODO: dict[PromptKind, str] = {
    "passcode": "Enter the passcode on the {noun} {name} to start tonight's backup (60 s).",
    "unlock": "Unlock the {noun} {name} with its passcode, so that tonight's backup can start.",
    "trust": "Tap Trust on the {noun} {name} and enter its passcode, so that tonight's backup can start.",
    "accessory": "Allow the {noun} {name} to connect to this computer, so that tonight's backup can start.",
}


_MOST_TITLE, _MOST_TEXT = 200, 2000  # characters


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Names in it come from phones and from folders that others made, so everything that could control a terminal is
    removed.

    Attributes:
        alarm: what it is about; decides where it goes.
        title: a few words.
        text: a sentence or two, and what to do.
    """

    alarm: Alarm
    title: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", _one_line(self.title, _MOST_TITLE))
        object.__setattr__(self, "text", _one_line(self.text, _MOST_TEXT))

    @property
    def urgent(self) -> bool:
        """Whether something is wrong."""
        return self.alarm not in ("done", "needs_passcode")


def needs_person(kind: PromptKind, noun: str, name: str) -> Message:
    """Someone must do something at the phone."""
    return Message("needs_passcode", f"Backup of {name}", _TODO[kind].format(noun=noun, name=name))


def charges_only(name: str) -> Message:
    """A phone is plugged in, but usbmuxd does not see it."""
    return Message(
        "needs_passcode",
        f"Backup of {name}",
        f"{name} is charging, but does not talk to the computer: it has been locked for too long. "
        "Unlock it with its passcode once.",
    )


def trial() -> Message:
    """A test of whether messages arrive."""
    return Message("done", "A test message from ibackup", "Messages about your backups arrive here.")


def done(name: str, files: int, size: str, but: str = "") -> Message:
    """A backup was made; ``but`` says what is wrong with some of its files."""
    text = f"{size}, {files:,} files, checked and sealed. {but}".rstrip()
    return Message("done", f"{name} is backed up", text)


def failed(name: str, error: IbackupError) -> Message:
    """A backup failed."""
    return Message("failed", f"{name} was not backed up", f"{error.message} {error.hint}".strip())


def store_gone(error: IbackupError) -> Message:
    """The store cannot be opened."""
    return Message("failed", "The store is missing", f"{error.message} {error.hint}".strip())


def nothing_to_do(error: IbackupError) -> Message:
    """A schedule runs, and there is no phone to back up."""
    return Message("failed", "Nothing is backed up", f"{error.message} {error.hint}".strip())


def copy_failed(name: str, error: IbackupError) -> Message:
    """A second copy could not be made, or is damaged."""
    text = f"{error.message} {error.hint}".strip()
    if error.exit_code is ExitCode.DAMAGE:
        return Message("damage", f"The second copy {name} is damaged", text)
    return Message("failed", f"The second copy {name} failed", text)


def stale(name: str, newest: datetime | None, now: datetime) -> Message:
    """No good backup within the limit."""
    since = f"for {rough_duration(now - newest)}" if newest is not None else "at all so far"
    return Message(
        "stale",
        f"{name} has no fresh backup",
        f"There has been no good backup of {name} {since}. "
        "Connect it to the computer, unlock it, and run `ibackup now`.",
    )


def damage(name: str, snapshot: str, healing: str = "") -> Message:
    """A snapshot is damaged; ``healing``: what repairs it, as a sentence, if a second copy can."""
    return Message(
        "damage",
        f"A backup of {name} is damaged",
        f"Snapshot {snapshot} has changed since it was made. `ibackup verify {snapshot}` names the files, "
        "and where they are still good; in the next backup the phone sends them again. The disk may be failing. "
        f"{healing}".strip(),
    )


def room_low(store: str, free: str) -> Message:
    """The disk fills up."""
    return Message("room_low", "The disk of the backups is nearly full", space_low_text(store, free))


def _one_line(text: str, most: int) -> str:
    """The text without line breaks, control characters and what turns the direction of writing, and not endless."""
    line = "".join(char if char.isprintable() or char in JOINERS else "?" for char in " ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"
