"""Which kind: the one that this system has, unless somebody says; and only one at a time."""

import sys

from ibackup.errors import UsageError
from ibackup.scheduling.types import NAMES, Installed, Job, Kind, Piece, Scheduler


def scheduler(kind: Kind) -> Scheduler:
    """The scheduler of a kind; `status` asks for those of its own system, at once, and loads no other."""
    if kind == "systemd":
        from ibackup.scheduling.systemd import Systemd

        return Systemd()
    if kind == "cron":
        from ibackup.scheduling.cron import Cron

        return Cron()
    if kind == "launchd":
        from ibackup.scheduling.launchd import Launchd

        return Launchd()
    from ibackup.scheduling.windows import Windows

    return Windows()


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
    return scheduler(kind).pieces(job)


def find() -> Installed | None:
    """The schedule that there is, None when there is none."""
    return next((found for kind in _here() if (found := scheduler(kind).find())), None)


def install(job: Job, kind: Kind | None = None) -> tuple[Installed, str]:
    """Have the system start the job every day; a schedule of another kind is taken away then.

    Returns:
        What there is now, and what keeps it from starting at times, a sentence or nothing.

    Raises:
        UsageError: this computer has no such kind.
        IbackupError: the system does not take it.
    """
    chosen = scheduler(kind or usual())
    reason = chosen.missing()
    if reason:
        raise UsageError(
            f"{NAMES[chosen.kind].capitalize()} cannot be made here. {reason}",
            hint=_HINTS.get(chosen.kind, "Leave --kind away to take what this system has."),
        )
    chosen.install(job)
    for other in _here():
        if other != chosen.kind:
            scheduler(other).remove()
    found = chosen.find()
    if found is None:
        raise AssertionError(f"{chosen.kind} does not find what it installed")
    return found, chosen.caveat()


_HINTS: dict[Kind, str] = {
    "systemd": "Log in as this user, or run `loginctl enable-linger` once. Without systemd, install cron (Debian: "
    "`sudo apt install cron`) and give --kind cron.",
    "cron": "Install it (Debian: `sudo apt install cron`), or leave --kind away.",
}


def remove() -> tuple[Kind, ...]:
    """Take every schedule of ours away; the kinds that there were.

    Raises:
        IbackupError: the system does not give one back.
    """
    return tuple(kind for kind in _here() if scheduler(kind).remove())
