"""``ibackup to-finder``: put a snapshot where Apple's programs show it."""

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.completing import folders
from ibackup.cli.output import size_text, wrap
from ibackup.cli.snapshots import resolve
from ibackup.errors import UsageError


@ibackup_command("to-finder")
@click.argument("snapshot")
@click.option(
    "--to",
    metavar="FOLDER",
    shell_complete=folders,
    help="The folder that holds backups [where Finder, Apple Devices or iTunes keeps them]",
)
def command(app: App, snapshot: str, to: str | None) -> int:
    """Copy SNAPSHOT to where Finder, iTunes or Apple Devices shows it.

    The copy is theirs to change; the snapshot stays as it is. No backup there is ever replaced: when this phone has
    one, the copy gets its date into its name, as Finder's archived backups have. SNAPSHOT is an id, the beginning of
    one, or `latest`.
    """
    from ibackup.keeping.finder_folder import finder_folder
    from ibackup.keeping.publishing import publish

    target = resolve(app, snapshot)
    if target.snapshot is None:
        raise UsageError(
            f"{target.path} is no snapshot of ibackup's.", hint="`ibackup list` shows the snapshots."
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
        wrap(f"Copied {size_text(done.bytes)}, {done.files:,} files; every byte is as it was sealed."),
        f"It is in {done.path}",
    ]
    if to is None:
        lines.append(
            wrap(
                "This phone has another backup there, so that one is listed with its date."
                if done.archived
                else "It is this phone's backup there now: the next backup made there brings it up to date."
            )
        )
    return app.result(payload, "\n".join(lines))
