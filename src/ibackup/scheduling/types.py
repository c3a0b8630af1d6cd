"""What is started when, and what the system has of it."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, Protocol, get_args

Program = Literal["nightly", "watch"]
PROGRAMS: tuple[Program, ...] = get_args(Program)
Kind = Literal["systemd", "cron", "launchd", "windows"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAMES: dict[Kind, str] = {
    "systemd": "systemd",
    "cron": "a line in the crontab",
    "launchd": "a launchd agent",
    "windows": "a task of Windows' Task Scheduler",
}


@dataclass(frozen=True, slots=True)
class Job:
    """What the system is to start: ``nightly`` every day, or ``watch`` once and for all.

    Attributes:
        at: when, by the computer's own clock; None for what runs all the time.
        command: the program, as a whole path, and its arguments.
        environment: variables that the system's own start would leave out or change.
        password_file: whose first line is the password of the backups; handed over as the system does that best.
    """

    at: time | None
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    password_file: str | None = None

    @property
    def program(self) -> Program:
        """Which of the two it is."""
        return "watch" if self.at is None else "nightly"

    @property
    def whole_command(self) -> tuple[str, ...]:
        """The command with the password file as an option, where the system has no better way to hand it over."""
        given = ("--password-file", self.password_file) if self.password_file else ()
        return (*self.command, *given)


@dataclass(frozen=True, slots=True)
class Piece:
    """A text that the system is given; ``place`` is the file it goes to, or what it is a part of."""

    place: str
    content: str


@dataclass(frozen=True, slots=True)
class Installed:
    """A schedule of ours that the system has.

    Attributes:
        at: when it starts; None for what runs all the time, and when somebody has made it another rule.
        place: where it stands.
        problem: why it will not start all the same, one sentence; empty when nothing is known to be in the way.
    """

    kind: Kind
    at: time | None
    place: str
    problem: str = ""
    program: Program = "nightly"


class Scheduler(Protocol):
    """One kind of schedule on one user's account, for one of the two programs."""

    kind: Kind
    program: Program

    def missing(self) -> str:
        """Why this kind cannot be used on this computer, one sentence; empty when it can."""

    def pieces(self, job: Job) -> tuple[Piece, ...]:
        """What is written; the same on every system.

        Raises:
            UsageError: the job cannot be written so.
        """

    def install(self, job: Job) -> None:
        """Hand it to the system in place of an earlier one.

        Raises:
            IbackupError: the system does not take it; nothing is left of it where there was none before.
        """

    def remove(self) -> bool:
        """Take it away without a trace; False when there was none.

        Raises:
            IbackupError: the system does not give it back.
        """

    def find(self) -> Installed | None:
        """What there is, from its files where they tell; no more than one quick program is started."""

    def caveat(self) -> str:
        """What keeps it from starting at times, and the exact command against it; empty when nothing does."""


def next_run(at: time, now: datetime) -> datetime:
    """When a time of day comes next, in local time.

    The clock on the wall counts, so that the run is at the same time before and after a change to summer time.
    """
    local = now.astimezone()
    for days in (0, 1):
        day = local.date() + timedelta(days=days)
        moment = datetime.combine(day, at).astimezone()
        if moment > local:
            return moment
    raise AssertionError("tomorrow is after now")
