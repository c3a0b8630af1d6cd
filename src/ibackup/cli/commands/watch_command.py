"""``ibackup watch``: back up phones that are due as they are plugged in."""

from dataclasses import replace
from functools import partial
from typing import Any

from ibackup.cli.commands.copies_at_night import copies_of_the_night
from ibackup.cli.commands.unattended_run import Unattended, unattended_options
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command


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
            watch(replace(job, copies=partial(copies_of_the_night, app)), plugs)
        finally:
            plugs.close()
    return app.result({}, "")
