"""Second copies in ``ibackup status``: how many snapshots each has, and when it was last proven."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.cli.commands.copy_opening import phones_of
from ibackup.cli.commands.copy_text import config_members
from ibackup.cli.commands.status_text import age_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import rfc3339, wrap

if TYPE_CHECKING:
    from ibackup.jobs.overview.copy_overview import CopyStatus


def statuses(app: App, now: datetime) -> "list[CopyStatus]":
    """How each copy stands; with ``--phone``, for that phone."""
    if not app.config.copies:
        return []
    from ibackup.jobs.overview.copy_overview import status_of

    store = app.open_store()
    found: list[CopyStatus] = []
    for config in app.config.copies:
        try:
            found.append(status_of(config, phones_of(app, config, store), now))
        except UsageError:
            continue  # the phone in --phone does not go there
    return found


def advice(app: App, *, is_backed_up: bool) -> Iterator[str]:
    """For someone with backups and no second copy: a line that says so, once."""
    if app.config.copies or not is_backed_up or app.settings.json or app.settings.quiet:
        return
    from ibackup.store.records.told_once import is_first_time

    if is_first_time("second-copy"):
        yield wrap(
            "All backups are on this one disk. To keep a second copy on another disk, a NAS or in a cloud: "
            "`ibackup copy add NAME --to FOLDER`. ibackup says this only once."
        )


def copy_row(copy: "CopyStatus") -> dict[str, object]:
    """One for programs."""
    return config_members(copy.config) | {
        "snapshots": copy.snapshots,
        "missing": copy.missing,
        "proven": rfc3339(copy.proven) if copy.proven else None,
        "damaged": copy.damaged,
        "stale": copy.stale,
    }


def copy_lines(copies: "Sequence[CopyStatus]", now: datetime) -> Iterator[str]:
    """One line each for people."""
    for copy in copies:
        name = copy.config.name
        proven = (
            f"proven {age_text(max(now - copy.proven, timedelta()))} ago" if copy.proven else "never proven"
        )
        missing = f", {copy.missing:,} not copied yet" if copy.missing else ""
        said = f"Second copy {name}: {count_text(copy.snapshots, 'snapshot')}{missing}, {proven}."
        if copy.damaged:
            said += f" DAMAGED: `ibackup copy show {name}` says more."
        elif copy.stale or copy.missing:
            said += f" To bring it up to date: `ibackup copy run {name}`"
        yield wrap(said)
