"""``ibackup status``: are my backups fresh and good?"""

import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import DURATION, App, ibackup_command
from ibackup.cli.completing import files
from ibackup.cli.output import rfc3339
from ibackup.errors import ExitCode, IbackupError

if TYPE_CHECKING:
    from ibackup.overview import Overview, PhoneStatus


@ibackup_command("status")
@click.option("--max-age", type=DURATION, metavar="TIME", help="Older than this is stale [7d]")
@click.option("--accept-icloud", is_flag=True, help="Let a fresh backup in iCloud count, too")
@click.option(
    "--prometheus",
    metavar="FILE",
    help="Also write metrics for node_exporter's textfile collector",
    shell_complete=files,
)
def command(app: App, max_age: float | None, accept_icloud: bool, prometheus: str | None) -> int:
    """Tell whether the backups are fresh and good, one line a phone.

    No phone is needed. Exit code 30 means that a phone has no good backup within the limit, 4 that the newest one is
    known to be damaged. What iCloud did is shown as the phone told it last: to a backup, the doctor or `ibackup
    icloud`.
    """
    from ibackup.cli.status_text import headline, text
    from ibackup.overview import look

    now = datetime.now(UTC)
    next_run, watched = _scheduled(now)
    try:
        overview = look(
            app.open_store(),
            app.config,
            now,
            udid=app.udid,
            max_age_s=max_age,
            accept_icloud=accept_icloud,
            next_run=next_run,
            watched=watched,
        )
    except IbackupError as error:
        if prometheus:
            _write(prometheus, None, now, error.exit_code)
        raise
    if prometheus:
        _write(prometheus, overview, now, overview.code)
    rows = [_row(phone) for phone in overview.phones]
    for row in rows:
        app.reporter.emit({"event": "phone", **row})
    payload = {
        "store": overview.store,
        "free_bytes": overview.free_bytes,
        "next_run": _moment(overview.next_run),
        "watched": overview.watched,
        "phones": rows,
    }
    message, hint = headline(overview)
    return app.result(payload, text(overview, now), overview.code, message=message, hint=hint, skippable=True)


def _scheduled(now: datetime) -> "tuple[datetime | None, bool]":
    """When the nights start next, and whether a watch is kept running.

    A scheduler that cannot be asked says nothing about the backups.
    """
    from ibackup.scheduling import find, next_run

    with contextlib.suppress(IbackupError):
        nights, watch = find(), find("watch")
        moment = next_run(nights.at, now) if nights and nights.at and not nights.problem else None
        return moment, watch is not None and not watch.problem
    return None, False


def _write(path: str, overview: "Overview | None", now: datetime, code: ExitCode) -> None:
    from ibackup.overview.metrics import render
    from ibackup.store.durable import write_file
    from ibackup.store.trouble import telling

    with telling(f"The metrics could not be written to {path!r}."):
        # Put in place whole, and readable for the collector, which is another user.
        write_file(os.path.abspath(path), render(overview, now, code).encode(), mode=0o644)


def _row(phone: "PhoneStatus") -> dict[str, object]:
    newest, proof, cloud, running = phone.newest, phone.proof, phone.cloud, phone.running
    return {
        "udid": phone.udid,
        "name": phone.name,
        "state": "damaged" if phone.damage else "stale" if phone.is_stale else "good",
        "stale": phone.is_stale,
        "newest_snapshot": newest.id if newest else None,
        "data_from": _moment(newest.meta.data_from) if newest else None,
        "age_s": int(phone.age.total_seconds()) if phone.age is not None else None,
        "max_age_s": int(phone.max_age.total_seconds()),
        "encrypted": newest.meta.encrypted if newest else None,
        "checked": newest.meta.checked if newest else None,
        "proof": {"level": proof.level, "when": rfc3339(proof.when)} if proof else None,
        "rehearsed": _moment(phone.rehearsed),
        "damage": phone.damage or None,
        "damaged_snapshot": phone.damaged_snapshot or None,
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
