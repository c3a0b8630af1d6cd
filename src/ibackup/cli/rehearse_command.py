"""``ibackup rehearse``: would this backup restore? A virtual iPhone tries."""

from typing import TYPE_CHECKING

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.output import count_text, printable, rfc3339, size_text, styled, time_text, whole, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.cli.snapshots import resolve
from ibackup.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.restore import Rehearsal


@ibackup_command("rehearse")
@click.argument("snapshot", required=False, metavar="[SNAPSHOT|FOLDER]")
@password_options
def command(app: App, snapshot: str | None, password_file: str | None, password_command: str | None) -> int:
    """Restore a SNAPSHOT, or a backup FOLDER, into a virtual iPhone.

    The virtual iPhone checks every file, digest and key as a phone does, and keeps nothing. No phone is needed, and
    nothing is changed. What came of it is written down in the store. Without an argument the newest snapshot is taken.
    """
    from ibackup.restore import Source, rehearse

    target = resolve(app, snapshot)
    sources = PasswordSources(app, password_file, password_command)
    outcome = rehearse(
        Source(target.path, target.snapshot), sources.find, app.reporter, keychain=sources.keychain
    )
    name = f"snapshot {target.snapshot.id}" if target.snapshot else f"'{whole(target.path)}'"
    payload = _payload(outcome)
    if outcome.error is None:
        return app.result(payload, _restorable(outcome, name))
    error = outcome.error
    head = "NOT RESTORABLE:"
    text = wrap(f"{head} {name}. {printable(error.message)}")
    return app.result(
        payload | {"error_code": error.error_code},
        text.replace(head, styled(head, fg="red", bold=True), 1) + "\n" + wrap(error.hint, "  "),
        ExitCode.DAMAGE,
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
        wrap(f"A virtual iPhone took it whole: {'; '.join(_found(outcome))}."),
    ]
    if outcome.sealed:
        lines.append(wrap("Every byte is what it was when the backup was sealed."))
    return "\n".join(lines)


def _found(outcome: "Rehearsal") -> "Iterator[str]":
    yield "every file came, with the right size"
    if outcome.encrypted:
        yield "every key opened, and every file decrypted"
    if outcome.digests:
        yield f"{count_text(outcome.digests, 'file')} had a digest of the phone's, and it was right"


def _payload(outcome: "Rehearsal") -> dict[str, object]:
    source = outcome.source
    return {
        "snapshot": source.snapshot.id if source.snapshot else None,
        "path": source.path,
        "status": "restorable" if outcome.good else "damaged",
        "when": rfc3339(outcome.when),
        "files": outcome.files,
        "bytes": outcome.bytes,
        "folders": outcome.folders,
        "links": outcome.links,
        "digests": outcome.digests,
        "sealed": outcome.sealed,
    }
