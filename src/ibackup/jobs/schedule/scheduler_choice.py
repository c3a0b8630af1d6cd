"""Chooses the scheduler: the one this system has, unless the user names one. Only one at a time."""

import sys

from ibackup.base.errors import UsageError
from ibackup.jobs.schedule.schedule_types import (
    NAMES,
    PROGRAMS,
    Installed,
    Piece,
    Program,
    ScheduledCommand,
    Scheduler,
    SchedulerKind,
)


def scheduler(kind: SchedulerKind, program: Program = "nightly") -> Scheduler:
    """The scheduler of a kind; `status` loads only those of its own system."""
    if kind == "systemd":
        from ibackup.jobs.schedule.systemd import Systemd

        return Systemd(program)
    if kind == "cron":
        from ibackup.jobs.schedule.cron import Cron

        return Cron(program)
    if kind == "launchd":
        from ibackup.jobs.schedule.launchd import Launchd

        return Launchd(program)
    from ibackup.jobs.schedule.windows_tasks import Windows

    return Windows(program)


def _here() -> tuple[SchedulerKind, ...]:
    """The kinds that this system may have, best first."""
    if sys.platform == "darwin":
        return ("launchd", "cron")
    if sys.platform == "win32":
        return ("windows",)
    return ("systemd", "cron")


def usual() -> SchedulerKind:
    """The first usable kind on this system; if none is usable, its best kind."""
    return next((kind for kind in _here() if not scheduler(kind).missing()), _here()[0])


def pieces(kind: SchedulerKind, job: ScheduledCommand) -> tuple[Piece, ...]:
    """What a kind writes; works on every system."""
    return scheduler(kind, job.program).pieces(job)


def find(program: Program = "nightly") -> Installed | None:
    """The installed schedule for a program, or None."""
    return next((found for kind in _here() if (found := scheduler(kind, program).find())), None)


def install(job: ScheduledCommand, kind: SchedulerKind | None = None) -> tuple[Installed, str]:
    """Have the system start the job, and remove the schedule of any other kind for the same program.

    Returns:
        The schedule, and a sentence about what can keep it from starting, or nothing.

    Raises:
        UsageError: this computer lacks that kind.
        IbackupError: the system refuses it.
    """
    chosen = scheduler(kind or usual(), job.program)
    reason = chosen.missing()
    if reason:
        raise UsageError(
            f"`ibackup {job.program}` cannot be started by {NAMES[chosen.kind]} here. {reason}",
            hint=_WATCH_HINT if job.program == "watch" else _HINTS.get(chosen.kind, _OWN_HINT),
        )
    chosen.install(job)
    for other in _here():
        if other != chosen.kind:
            scheduler(other, job.program).remove()
    found = chosen.find()
    if found is None:
        raise AssertionError(f"{chosen.kind} does not find the schedule it installed")
    return found, chosen.caveat()


_OWN_HINT = "Leave --kind out to use what this system has."
_WATCH_HINT = "Run `ibackup watch` in a terminal, or add it to whatever starts services here."
_HINTS: dict[SchedulerKind, str] = {
    "systemd": "Log in as this user, or run `loginctl enable-linger` once. Without systemd, install cron (Debian: "
    "`sudo apt install cron`) and use --kind cron.",
    "cron": "Install it (Debian: `sudo apt install cron`), or leave --kind out.",
}


def remove() -> tuple[SchedulerKind, ...]:
    """Remove all of our schedules, and return their kinds.

    Raises:
        IbackupError: the system refuses to remove one.
    """
    removed = [kind for kind in _here() for program in PROGRAMS if scheduler(kind, program).remove()]
    return tuple(dict.fromkeys(removed))
