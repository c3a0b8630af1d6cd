"""``ibackup pin``: have prune leave a snapshot alone."""

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.output import wrap
from ibackup.cli.snapshots import resolve
from ibackup.errors import UsageError


@ibackup_command("pin")
@click.argument("snapshot")
@click.option("--note", metavar="TEXT", default="", help="Why; `list` and `show` say it")
@click.option("--remove", is_flag=True, help="Unpin it: the rules decide again")
def command(app: App, snapshot: str, note: str, remove: bool) -> int:
    """Have `ibackup prune` leave SNAPSHOT alone, whatever its rules are.

    SNAPSHOT is an id, the beginning of one, or `latest`.
    """
    from ibackup.keeping.pruning import pin, unpin
    from ibackup.store import PhoneFolder

    if remove and note:
        raise UsageError("--note does not go with --remove.", hint="Leave one of them out.")
    target = resolve(app, snapshot)
    if target.snapshot is None:
        raise UsageError(
            f"{target.path} is no snapshot of ibackup's.", hint="`ibackup list` shows the snapshots."
        )
    found = target.snapshot
    folder = PhoneFolder.of(found)
    proofs = unpin(folder, found) if remove else pin(folder, found, note)
    payload = {
        "snapshot": found.id,
        "path": found.path,
        "udid": found.udid,
        "pinned": proofs.pinned,
        "pin_note": proofs.pin_note,
    }
    done = "pinned: `ibackup prune` leaves it alone" if proofs.pinned else "no longer pinned"
    return app.result(payload, wrap(f"Snapshot {found.id} is {done}."), skippable=True)
