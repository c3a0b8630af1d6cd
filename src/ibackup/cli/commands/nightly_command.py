"""``ibackup nightly``: back up every phone that is due, without anyone having to remember."""

from typing import Any

import click

from ibackup.base.exit_codes import ExitCode, worst
from ibackup.cli.commands.copies_at_night import (
    copies_of_the_night,
    copy_lines,
    copy_message,
    copy_row,
    report_to_fleet,
)
from ibackup.cli.commands.unattended_run import Unattended, unattended_options
from ibackup.cli.commands.unattended_text import message, row, text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command


@ibackup_command("nightly", own_log="nightly.log")
@click.option(
    "--once", is_flag=True, help="Try once, at any hour, without waiting: for a cron job that runs often"
)
@unattended_options
def command(app: App, once: bool, **given: Any) -> int:
    """Back up every phone that is due: for cron, systemd, launchd or the Task Scheduler.

    For each phone in the config or in the store, ibackup waits within its window, backs it up, and checks the
    backup. Since iOS 16.1 a phone asks for its passcode at each backup: ibackup sends a notification, and if nobody
    responds, it tries that phone again later.

    Without a terminal, nothing is printed if all is well. A phone that is away is not an error until its backup is
    stale; then ibackup also sends a notification. Having no phone at all to back up is an error. After the phones,
    each second copy that is due is run (`ibackup copy run`). With several phones or copies, the exit code is the first
    of 4, 1, 16, 14, 11, 12, 13, 15, 20, 3, 30 that occurred.
    """
    from ibackup.jobs.nights.in_reach import InReach
    from ibackup.jobs.nights.night import run_night

    run = Unattended(app, given, "nightly", once=once)
    with run as job:
        plugs = InReach(job.clock, job.signs, job.config.limits, job.observe)
        try:
            report = run_night(job, plugs)
        finally:
            plugs.close()
        copies = copies_of_the_night(app, job)
        run.tell_home(report.error)
        code = worst([report.code, *(each.code for each in copies)])
        report_to_fleet(app, code, job.observe)
    if report.error is not None and not report.phones:
        run.note_failure(report.error)
        raise report.error
    if code:
        run.tell_worries()
    lines = [text(each) for each in report.phones] + copy_lines(copies) if code and run.silent else []
    return app.result(
        {"phones": [row(each) for each in report.phones], "copies": [copy_row(each) for each in copies]},
        "\n".join(lines),
        code,
        message=""
        if not code
        else message(report, code)
        if code == report.code
        else copy_message(copies, code),
        hint=_hint(code),
        skippable=True,
    )


def _hint(code: ExitCode) -> str:
    if not code:
        return ""
    return "`phones` and `copies` in the result have each one's own message and hint."
