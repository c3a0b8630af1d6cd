"""``ibackup watch``: back up phones that are due as they are plugged in."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ibackup.base.exit_codes import worst
from ibackup.cli.commands.copies_at_night import copies_of_the_night, report_to_fleet
from ibackup.cli.commands.unattended_run import Unattended, unattended_options
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command

if TYPE_CHECKING:
    from ibackup.jobs.copying.copy_night import CopyTurn
    from ibackup.jobs.nights.night_context import NightContext


@ibackup_command("watch", own_log="watch.log")
@unattended_options
def command(app: App, **given: Any) -> int:
    """Back up each phone that is due when you plug it in, while this runs.

    The phone asks for its passcode right when you plug it in, while you are there. This runs until Ctrl-C, in a
    terminal or as a user service. It waits if usbmuxd restarts, the computer sleeps or the store is away. While no
    phone has its turn, it runs the second copies that are due; a phone that is plugged in comes first.
    """
    from ibackup.jobs.nights.in_reach import InReach
    from ibackup.jobs.nights.plug_watch import watch

    run = Unattended(app, given, "watch")
    with run as job:
        bell = job.home.bell if job.home is not None else None
        plugs = InReach(job.clock, job.signs, job.config.limits, job.observe, bell=bell)
        try:
            watch(replace(job, copies=partial(_copies, app)), plugs)
        finally:
            plugs.close()
    return app.result({}, "")


def _copies(app: App, job: "NightContext") -> "list[CopyTurn]":
    """The copies that are due; what they did is reported to the fleet."""
    turns = copies_of_the_night(app, job)
    report_to_fleet(app, worst(each.code for each in turns), job.observe, turns)
    return turns
