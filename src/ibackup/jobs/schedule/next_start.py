"""When the next unattended backup starts, as far as this computer knows."""

from dataclasses import dataclass
from datetime import datetime

from ibackup.base.errors import IbackupError
from ibackup.jobs.schedule.schedule_types import Installed, next_run, system_zone
from ibackup.jobs.schedule.scheduler_choice import find


@dataclass(frozen=True, slots=True)
class NextStart:
    """What starts backups.

    Attributes:
        installed: the schedules that the system has.
        next_run: when the nights start next; None if no schedule is sure to start them.
        watched: whether a watch is kept running.
        unsure: whether there is a schedule of which nobody knows whether it starts.
    """

    installed: tuple[Installed, ...] = ()
    next_run: datetime | None = None
    watched: bool = False
    unsure: bool = False


def next_start(now: datetime) -> NextStart:
    """Ask the system's schedulers; a scheduler that cannot be read has nothing installed."""
    try:
        nights, watch = find(), find("watch")
    except IbackupError:
        return NextStart()
    return NextStart(
        tuple(each for each in (nights, watch) if each is not None),
        next_run(nights.at, now, system_zone()) if nights and nights.at and nights.is_sure else None,
        watch is not None and watch.is_sure,
        nights is not None and bool(nights.condition),
    )
