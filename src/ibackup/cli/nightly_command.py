"""``ibackup nightly``: every phone that is due, without anybody who thinks of it."""

from typing import Any

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.unattended import Unattended, message, row, text, unattended_options
from ibackup.errors import ExitCode


@ibackup_command("nightly", own_log="nightly.log")
@click.option(
    "--once", is_flag=True, help="One try and no waiting, at any hour: for a cron job that runs often"
)
@unattended_options
def command(app: App, once: bool, **given: Any) -> int:
    """Back up every phone that is due: for cron, systemd, launchd or the Task Scheduler.

    Each phone in the config or in the store is waited for within its window, backed up, and proven. Since iOS 16.1 a
    phone asks for its passcode at each backup: people are told, and a phone that nobody answers is tried again later.

    Nothing is printed when all is well, unless on a terminal. A phone that is away is no error until its backup is too
    old; over several phones the exit code is the first of 4, 1, 16, 14, 12, 13, 15, 20, 3, 30 that occurred.
    """
    from ibackup.unattended.night import run_night
    from ibackup.unattended.plugs import Plugs

    run = Unattended(app, given, "nightly", once=once)
    with run as job:
        plugs = Plugs(job.clock)
        try:
            report = run_night(job, plugs)
        finally:
            plugs.close()
    if report.error is not None and not report.phones:
        raise report.error
    code = report.code
    if code:
        run.tell_worries()
    lines = [text(each) for each in report.phones] if code and run.silent else []
    if not report.phones:
        lines = [
            "" if run.silent else "There is no phone to look after: connect one, or run `ibackup now` once."
        ]
    return app.result(
        {"phones": [row(each) for each in report.phones]},
        "\n".join(lines),
        code,
        message=message(report, code) if code else "",
        hint=_hint(code),
        skippable=True,
    )


def _hint(code: ExitCode) -> str:
    if not code:
        return ""
    return "`phones` in the result has each phone's own message and hint."
