"""``ibackup watch``: wait for phones to be plugged in, and back up each that is due."""

from typing import Any

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.unattended import Unattended, unattended_options


@ibackup_command("watch", own_log="watch.log")
@unattended_options
def command(app: App, **given: Any) -> int:
    """Back up a phone when it is plugged in and due, for as long as this runs.

    Meets the person: the phone asks for its passcode right when it is plugged in. Runs until Ctrl-C, in a terminal or
    as a service of the user; a usbmuxd that restarts, a computer that slept and a store that is away are waited for.
    """
    from ibackup.unattended.plugs import Plugs
    from ibackup.unattended.watching import watch

    run = Unattended(app, given, "watch")
    with run as job:
        plugs = Plugs(job.clock)
        try:
            watch(job, plugs)
        finally:
            plugs.close()
    return app.result({}, "")
