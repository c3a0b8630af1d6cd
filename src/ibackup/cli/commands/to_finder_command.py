"""``ibackup to-finder``: put a snapshot where Apple's programs show it."""

import click

from ibackup.base.errors import UsageError
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.shared_options import to_option
from ibackup.cli.shell.snapshot_argument import resolve


@ibackup_command("to-finder")
@click.argument("snapshot")
@to_option("Folder for the backup [where Finder, Apple Devices or iTunes keeps backups]")
def command(app: App, snapshot: str, to: str | None) -> int:
    """Copy SNAPSHOT to where Finder, iTunes or Apple Devices shows it.

    Those programs may change the copy; the snapshot stays the same. ibackup never replaces a backup there: if this
    phone has one, the copy's name includes its date, like Finder's archived backups. SNAPSHOT is an id, the
    beginning of one, or `latest`.
    """
    from ibackup.jobs.keeping.finder_folder import finder_folder
    from ibackup.jobs.keeping.publishing import publish

    target = resolve(app, snapshot)
    if target.snapshot is None:
        raise UsageError(
            f"{target.path} is not an ibackup snapshot.", hint="`ibackup list` shows the snapshots."
        )
    done = publish(target.snapshot, to if to is not None else finder_folder(), observe=app.reporter)
    payload = {
        "snapshot": target.snapshot.id,
        "udid": target.snapshot.udid,
        "path": done.path,
        "archived": done.archived,
        "files": done.files,
        "bytes": done.bytes,
        "cloned": done.cloned,
    }
    lines = [
        wrap(
            f"Copied {size_text(done.bytes)}, {done.files:,} files; every byte is unchanged since it was sealed."
        ),
        f"It is in {done.path}",
    ]
    if to is None:
        lines.append(
            wrap(
                "This phone has another backup there, so this one is listed with its date."
                if done.archived
                else "It is now this phone's backup there: the next backup made there updates it."
            )
        )
    return app.result(payload, "\n".join(lines))
