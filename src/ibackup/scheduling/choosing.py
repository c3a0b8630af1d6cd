"""Which kind: the one that this system has, unless somebody says; and only one at a time."""

import sys

from ibackup.errors import UsageError
from ibackup.scheduling.types import NAMES, PROGRAMS, Installed, Job, Kind, Piece, Program, Scheduler


def scheduler(kind: Kind, program: Program = "nightly") -> Scheduler:
    """The scheduler of a kind; `status` asks for those of its own system, at once, and loads no other."""
    if kind == "systemd":
        from ibackup.scheduling.systemd import Systemd

        return Systemd(program)
    if kind == "cron":
        from ibackup.scheduling.cron import Cron

        return Cron(program)
    if kind == "launchd":
        from ibackup.scheduling.launchd import Launchd

        return Launchd(program)
    from ibackup.scheduling.windows import Windows

    return Windows(program)


def _here() -> tuple[Kind, ...]:
    """The kinds that this system may have, the best first."""
    if sys.platform == "darwin":
        return ("launchd", "cron")
    if sys.platform == "win32":
        return ("windows",)
    return ("systemd", "cron")


def usual() -> Kind:
    """The kind that this system has; its best one, usable or not, when it has none."""
    return next((kind for kind in _here() if not scheduler(kind).missing()), _here()[0])


def pieces(kind: Kind, job: Job) -> tuple[Piece, ...]:
    """What a kind writes, on every system."""
    return scheduler(kind, job.program).pieces(job)


def find(program: Program = "nightly") -> Installed | None:
    """The schedule that there is for a program, None when there is none."""
    return next((found for kind in _here() if (found := scheduler(kind, program).find())), None)


def install(job: Job, kind: Kind | None = None) -> tuple[Installed, str]:
    """Have the system start the job; one of another kind for the same program is taken away then.

    Returns:
        What there is now, and what keeps it from starting at times, a sentence or nothing.

    Raises:
        UsageError: this computer has no such kind.
        IbackupError: the system does not take it.
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
        raise AssertionError(f"{chosen.kind} does not find what it installed")
    return found, chosen.caveat()


_OWN_HINT = "Leave --kind away to take what this system has."
_WATCH_HINT = "Run `ibackup watch` in a terminal, or have it started by what starts services here."
_HINTS: dict[Kind, str] = {
    "systemd": "Log in as this user, or run `loginctl enable-linger` once. Without systemd, install cron (Debian: "
    "`sudo apt install cron`) and give --kind cron.",
    "cron": "Install it (Debian: `sudo apt install cron`), or leave --kind away.",
}


def remove() -> tuple[Kind, ...]:
    """Take all that is ours away; the kinds that there were.

    Raises:
        IbackupError: the system does not give one back.
    """
    removed = [kind for kind in _here() for program in PROGRAMS if scheduler(kind, program).remove()]
    return tuple(dict.fromkeys(removed))
