"""``ibackup rehearse``: test-restore a backup into a virtual iPhone."""

from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import printable, styled, time_text, whole, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.snapshot_argument import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.jobs.restore.rehearsal import Rehearsal


@ibackup_command("rehearse")
@click.argument("snapshot", required=False, metavar="[SNAPSHOT|FOLDER]")
@password_options
def command(app: App, snapshot: str | None, password_file: str | None, password_command: str | None) -> int:
    """Restore a SNAPSHOT, or a backup FOLDER, into a virtual iPhone.

    The virtual iPhone checks every file, checksum and key as a phone does, and keeps nothing. This needs no phone
    and changes nothing. The result is recorded in the store. Without an argument, ibackup uses the newest snapshot.
    """
    from ibackup.jobs.backup_source import BackupSource
    from ibackup.jobs.restore.rehearsal import rehearse

    target = resolve(app, snapshot)
    unlocker = PasswordSources(app, password_file, password_command).unlocker
    outcome = rehearse(BackupSource(target.path, target.snapshot), unlocker, app.reporter)
    name = f"snapshot {target.snapshot.id}" if target.snapshot else f"'{whole(target.path)}'"
    payload = outcome.to_members()
    if outcome.error is None:
        return app.result(payload, _restorable(outcome, name))
    error = outcome.error
    head = "NOT RESTORABLE:"
    said = printable(error.message)
    said += "" if said.endswith((".", "!", "?")) else "."  # a phone's own message may lack a full stop
    sent = " It is what the phone sent, unchanged." if outcome.flawed else ""
    text = wrap(f"{head} {name}. {said}{sent}")
    return app.result(
        payload | {"error_code": error.error_code},
        text.replace(head, styled(head, fg="red", bold=True), 1) + "\n" + wrap(error.hint, "  "),
        ExitCode.FLAWED if outcome.flawed else ExitCode.DAMAGE,
        message=f"{name[:1].upper()}{name[1:]} cannot be restored. {error.message}",
        hint=error.hint,
    )


def _restorable(outcome: "Rehearsal", name: str) -> str:
    snapshot = outcome.source.snapshot
    whose = f" of {printable(snapshot.meta.device_name)}" if snapshot else ""
    head = "Restorable,"
    lines = [
        wrap(
            f"{head} proven {time_text(outcome.when)}: {name}{whose}, {count_text(outcome.files, 'file')}, "
            f"{size_text(outcome.bytes)}."
        ).replace(head, styled(head, fg="green", bold=True), 1),
        wrap(f"A virtual iPhone accepted all of it: {'; '.join(_found(outcome))}."),
    ]
    if outcome.sealed:
        lines.append(wrap("Every byte is unchanged since the backup was sealed."))
    return "\n".join(lines)


def _found(outcome: "Rehearsal") -> "Iterator[str]":
    yield "every file arrived with the right size"
    if outcome.encrypted:
        yield "every key opened, and every file decrypted"
    if outcome.digests:
        yield f"{count_text(outcome.digests, 'file')} also matched the phone's own checksum"
