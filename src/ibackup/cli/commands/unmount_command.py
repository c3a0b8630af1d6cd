"""``ibackup unmount``: the end of ``ibackup mount``."""

import os

import click

from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import printable


@ibackup_command("unmount")
@click.argument("folder", required=False, type=click.Path(), shell_complete=files)
def command(app: App, folder: str | None) -> int:
    """Unmount what `ibackup mount` shows: at FOLDER, which may be a WebDAV address, or everything.

    The `ibackup mount` that shows it ends, and forgets all keys. It also removes what a crash left mounted.
    """
    from ibackup.mount.unmounting import unmount_named

    done = unmount_named(os.path.expanduser(folder) if folder else None)
    said = "\n".join(f"Unmounted: {printable(each)}" for each in done) or "Nothing is mounted."
    return app.result({"unmounted": done}, said)
