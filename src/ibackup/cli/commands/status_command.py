"""``ibackup status``: are my backups fresh and good?"""

import os
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution
from ibackup.base.exit_codes import ExitCode
from ibackup.base.identities import plain_name, told_apart
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.config_options import key_option
from ibackup.cli.shell.output import is_terminal, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibackup.jobs.overview.copy_overview import CopyStatus
    from ibackup.jobs.overview.store_overview import Overview, PhoneStatus
    from ibackup.jobs.schedule.next_start import NextStart


@ibackup_command("status")
@key_option("nightly", "max_age")
@click.option("--accept-icloud", is_flag=True, help="Also accept a fresh backup in iCloud")
@click.option(
    "--prometheus",
    metavar="FILE",
    help="Also write metrics to FILE for node_exporter's textfile collector",
    shell_complete=files,
)
def command(app: App, max_age: float | None, accept_icloud: bool, prometheus: str | None) -> int:
    """Show whether the backups are fresh and good, one line per phone.

    You need not connect a phone. Exit code 30 means that a phone has no good backup within the limit, 4 that the
    newest one is known to be damaged. For iCloud it shows what the phone last reported: to a backup, the doctor or
    `ibackup icloud`.
    """
    from ibackup.cli.commands.status_of_copies import advice, copy_lines, copy_row, statuses
    from ibackup.cli.commands.status_text import headline, text
    from ibackup.jobs.overview.store_overview import look
    from ibackup.jobs.schedule.next_start import next_start

    now = datetime.now(UTC)
    start = next_start(now)
    _point_out(app, start)
    try:
        overview = look(
            app.open_store(),
            app.config,
            now,
            udid=app.udid,
            max_age_s=max_age,
            accept_icloud=accept_icloud,
            next_run=start.next_run,
            watched=start.watched,
        )
        overview = replace(overview, unsure=start.unsure)
    except IbackupError as error:
        if prometheus:
            _write(prometheus, None, now, error.exit_code)
        raise
    overview = replace(
        overview, phones=tuple(sorted(overview.phones, key=lambda phone: plain_name(phone.name)))
    )
    copies = statuses(app, now)
    if prometheus:
        _write(prometheus, overview, now, overview.code, copies)
    rows = [_row(phone) for phone in overview.phones]
    for row in rows:
        app.reporter.emit({"event": "phone", **row})
    payload = {
        "store": overview.store,
        "free_bytes": overview.free_bytes,
        "next_run": _moment(overview.next_run),
        "watched": overview.watched,
        "phones": rows,
        "copies": [copy_row(each) for each in copies],
    }
    names = told_apart({phone.udid: phone.name for phone in overview.phones})
    shown = replace(
        overview, phones=tuple(replace(phone, name=names[phone.udid]) for phone in overview.phones)
    )
    message, hint = headline(shown)
    more = [*copy_lines(copies, now), *advice(app, is_backed_up=any(each.newest for each in overview.phones))]
    said = "\n".join([text(shown, now, _width()), *more])
    return app.result(payload, said, overview.code, message=message, hint=hint, skippable=True)


def _width() -> int | None:
    """The terminal's; None if the table goes into a file or a pipe."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None


def _point_out(app: App, start: "NextStart") -> None:
    """Warn about schedules that do not start, or may not."""
    for each in start.installed:
        if each.problem:
            app.reporter(Caution("Backups do not start automatically.", each.problem))
        elif each.condition:
            app.reporter(Caution("Nobody knows whether the next backup starts.", each.condition))


def _write(
    path: str,
    overview: "Overview | None",
    now: datetime,
    code: ExitCode,
    copies: "Sequence[CopyStatus]" = (),
) -> None:
    from ibackup.jobs.overview.prometheus_metrics import render
    from ibackup.store.disk.disk_errors import telling
    from ibackup.store.disk.durable import write_file

    with telling(f"The metrics could not be written to {path!r}."):
        # Replaced as a whole, and readable for the collector, which is another user.
        write_file(os.path.abspath(path), render(overview, now, code, copies).encode(), mode=0o644)


def _row(phone: "PhoneStatus") -> dict[str, object]:
    newest, proof, cloud, running = phone.newest, phone.proof, phone.cloud, phone.running
    return {
        "udid": phone.udid,
        "name": phone.name,
        "state": "damaged" if phone.damage else "stale" if phone.is_stale else "good",
        "stale": phone.is_stale,
        "newest_snapshot": newest.id if newest else None,
        "data_from": _moment(phone.made),
        "flawed": phone.flawed,
        "age_s": int(phone.age.total_seconds()) if phone.age is not None else None,
        "max_age_s": int(phone.max_age.total_seconds()),
        "encrypted": newest.meta.encrypted if newest else None,
        "checked": newest.meta.checked if newest else None,
        "photos": newest.meta.photos.to_members() if newest and newest.meta.photos else None,
        "proof": {"level": proof.level, "when": rfc3339(proof.when)} if proof else None,
        "rehearsed": _moment(phone.rehearsed),
        "damage": phone.damage or None,
        "damaged_snapshot": phone.damaged_snapshot or None,
        "damaged_older": list(phone.damaged_older),
        "icloud_backup": cloud.enabled,
        "last_icloud_backup": _moment(cloud.last),
        "icloud_told": _moment(cloud.told),
        "icloud_counts": phone.by_cloud,
        "snapshots": phone.snapshots,
        "running": {"host": running.host, "pid": running.pid, "started": rfc3339(running.started)}
        if running
        else None,
        "left_overs": [{"path": left.path, "state": left.kind, "plan": left.plan} for left in phone.left],
    }


def _moment(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
