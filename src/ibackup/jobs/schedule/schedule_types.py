"""What to start and when, and what the system has."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Literal, Protocol, get_args
from zoneinfo import ZoneInfo

Program = Literal["nightly", "watch"]
PROGRAMS: tuple[Program, ...] = get_args(Program)
SchedulerKind = Literal["systemd", "cron", "launchd", "windows"]
NAMES: dict[SchedulerKind, str] = {
    "systemd": "systemd",
    "cron": "cron",
    "launchd": "launchd",
    "windows": "Windows' Task Scheduler",
}


@dataclass(frozen=True, slots=True)
class ScheduledCommand:
    """What the system should start: ``nightly`` every day, or ``watch``, to keep it running.

    Attributes:
        at: when, by the computer's own clock; None if it always runs.
        command: the program, with its full path, and its arguments.
        environment: variables that the system would otherwise leave out or change.
        password_file: the file whose first line is the backup password; passed on in the system's best way.
    """

    at: time | None
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    password_file: str | None = None

    @property
    def program(self) -> Program:
        """Which of the two programs it is."""
        return "watch" if self.at is None else "nightly"

    @property
    def whole_command(self) -> tuple[str, ...]:
        """The command with the password file as an option, if the system has no better way to pass it on."""
        given = ("--password-file", self.password_file) if self.password_file else ()
        return (*self.command, *given)


@dataclass(frozen=True, slots=True)
class Piece:
    """A text for the system; ``place`` is its file, or what it is part of."""

    place: str
    content: str


@dataclass(frozen=True, slots=True)
class Installed:
    """One of our schedules in the system.

    Attributes:
        at: when it starts; None if it always runs or someone changed the rule.
        place: where it is.
        problem: why it will not start, one sentence; empty if nothing is known to prevent it.
        condition: what its start depends on, a sentence or two; empty if on nothing.
    """

    kind: SchedulerKind
    at: time | None
    place: str
    problem: str = ""
    program: Program = "nightly"
    condition: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether it starts when its time has come; what does not is never promised."""
        return not (self.problem or self.condition)


class Scheduler(Protocol):
    """One kind of schedule on one user's account, for one of the two programs."""

    kind: SchedulerKind
    program: Program

    def missing(self) -> str:
        """Why this kind cannot be used on this computer, one sentence; empty if it can."""

    def pieces(self, job: ScheduledCommand) -> tuple[Piece, ...]:
        """What is written; the same on every system.

        Raises:
            UsageError: the job cannot be written for this kind.
        """

    def install(self, job: ScheduledCommand) -> None:
        """Install it, replacing an earlier one.

        Raises:
            IbackupError: the system refuses it; if there was none before, nothing is left behind.
        """

    def remove(self) -> bool:
        """Remove it completely; False if there was none.

        Raises:
            IbackupError: the system refuses to remove it.
        """

    def find(self) -> Installed | None:
        """The installed schedule, read from files where possible; starts at most one quick program."""

    def caveat(self) -> str:
        """What can keep it from starting, with the exact command that fixes it; empty if nothing does."""


def system_zone() -> tzinfo | None:
    """The time zone this computer schedules in; None if it is this program's own."""
    if not os.environ.get("TZ") or os.name != "posix":
        return None
    try:
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def next_run(at: time, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The next moment with this time of day, in a zone; None: in local time.

    It follows local time, so the run is at the same hour before and after a change to summer time.
    """
    local = now.astimezone(zone)
    for days in (0, 1):
        day = local.date() + timedelta(days=days)
        moment = datetime.combine(day, at, zone).astimezone(zone)
        if moment > local:
            return moment
    raise AssertionError("tomorrow is after now")
