"""``ibackup pin``: protect a snapshot from prune."""

import click

from ibackup.base.errors import UsageError
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.snapshot_argument import resolve


@ibackup_command("pin")
@click.argument("snapshot")
@click.option("--note", metavar="TEXT", default="", help="The reason; `list` and `show` display it")
@click.option("--remove", is_flag=True, help="Unpin it, so that the rules apply again")
def command(app: App, snapshot: str, note: str, remove: bool) -> int:
    """Protect SNAPSHOT from `ibackup prune`, whatever the rules say.

    SNAPSHOT is an id, the beginning of one, or `latest`.
    """
    from ibackup.jobs.keeping.pruning import pin, unpin
    from ibackup.store.phone_folder import PhoneFolder

    if remove and note:
        raise UsageError("--note and --remove exclude each other.", hint="Leave one of them out.")
    target = resolve(app, snapshot)
    if target.snapshot is None:
        raise UsageError(
            f"{target.path} is not an ibackup snapshot.", hint="`ibackup list` shows the snapshots."
        )
    found = target.snapshot
    folder = PhoneFolder.holding(found)
    if folder is None:
        raise UsageError(
            f"{found.path} is a copy of a snapshot outside any store.",
            hint="Prune never removes it. `ibackup list` shows the snapshots you can pin.",
        )
    proofs = unpin(folder, found) if remove else pin(folder, found, note)
    payload = {
        "snapshot": found.id,
        "path": found.path,
        "udid": found.udid,
        "pinned": proofs.pinned,
        "pin_note": proofs.pin_note,
    }
    done = "pinned: `ibackup prune` never removes it" if proofs.pinned else "no longer pinned"
    return app.result(payload, wrap(f"Snapshot {found.id} is {done}."), skippable=True)
