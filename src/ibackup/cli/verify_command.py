"""``ibackup verify``: is this backup good?"""

import os
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.output import printable, size_text, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.cli.snapshots import Target, resolve
from ibackup.errors import ExitCode, IbackupError, PasswordNeeded, UsageError

if TYPE_CHECKING:
    from ibackup.manifest.findings import Finding
    from ibackup.proving import Verdict

_SHOWN = 20  # findings named on screen; --json names all
_WORDS = {
    "plist-unreadable": "cannot be read",
    "plists-disagree": "disagree with each other",
    "not-finished": "the backup was never finished",
    "manifest-damaged": "the list of files is damaged",
    "row-unusable": "an entry of the list is unusable",
    "wrong-file-id": "an entry of the list has the wrong name",
    "record-unreadable": "an entry of the list cannot be read",
    "missing": "is missing",
    "size-differs": "has the wrong size",
    "content-changed": "has changed since it was backed up",
    "unreadable": "cannot be read from this disk",
    "not-a-file": "is not a plain file",
    "not-sealed": "was added after the backup was sealed",
    "not-in-manifest": "is not in the list of files",
    "seal-damaged": "the seal is damaged",
    "keybag-damaged": "the keys are damaged",
    "class-key-damaged": "a key is damaged",
    "file-key-damaged": "its key is damaged",
    "padding-wrong": "does not decrypt",
    "database-damaged": "the database is damaged",
    "database-unchecked": "the database was not checked",
}


@ibackup_command("verify")
@click.argument("what", metavar="[SNAPSHOT|FOLDER]", required=False)
@click.option(
    "--level",
    type=click.Choice(["quick", "full", "deep"]),
    default="full",
    show_default=True,
    help="quick: names and sizes; full: every byte; deep: also decrypt it all",
)
@click.option(
    "--seal",
    "seal_file",
    metavar="FILE",
    is_flag=False,
    flag_value="",
    default=None,
    help="For a FOLDER made elsewhere: when it is good, write its checksums beside it (or to FILE)",
)
@password_options
def command(
    app: App,
    what: str | None,
    level: str,
    seal_file: str | None,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Prove a snapshot, or any existing backup folder, good.

    Without an argument the newest snapshot of each phone is verified. A FOLDER may be one that Finder, iTunes, Apple
    Devices or another tool made; nothing is ever written to it.
    """
    from ibackup.manifest.findings import Level
    from ibackup.proving import prove

    targets = _targets(app, what)
    if seal_file is not None and (what is None or targets[0].snapshot is not None):
        raise UsageError(
            "--seal is for a folder made elsewhere.", hint="Snapshots of ibackup have their seal already."
        )
    sources = PasswordSources(app, password_file, password_command)
    verdicts: list[Verdict] = []
    failures: list[IbackupError] = []
    for target in targets:
        try:
            verdicts.append(
                prove(
                    target.path,
                    Level(level),
                    snapshot=target.snapshot,
                    password=sources.find,
                    on_finding=lambda finding: app.reporter.emit(_json(finding)),
                    observer=app.reporter,
                )
            )
        except PasswordNeeded as error:
            if len(targets) == 1:
                raise
            failures.append(error)
    app.stop_progress()
    sealed = _seal(targets[0], verdicts, seal_file) if seal_file is not None else ""
    code = ExitCode.OK
    if not all(verdict.good for verdict in verdicts):
        code = ExitCode.DAMAGE
    elif failures:
        code = failures[0].exit_code
    texts = [_text(verdict) for verdict in verdicts] + [wrap(str(error)) for error in failures]
    return app.result(_payload(verdicts, level), "\n\n".join([*texts, *([sealed] if sealed else [])]), code)


def _targets(app: App, what: str | None) -> list[Target]:
    if what is not None:
        return [resolve(app, what)]
    store = app.open_store()
    phones = [store.phone(app.udid)] if app.udid else store.phones()
    newest = [snapshot for phone in phones if (snapshot := phone.newest()) is not None]
    if not newest:
        raise UsageError(
            "There is no snapshot to verify.",
            hint="Make one with `ibackup now`, or name the folder of a backup that another program made.",
        )
    return [Target(snapshot.backup_path, snapshot, snapshot.udid) for snapshot in newest]


def _seal(target: Target, verdicts: "list[Verdict]", file: str) -> str:
    from ibackup.proving import make_seal, seal_beside

    path = os.path.abspath(file) if file else seal_beside(target.path)
    if not all(verdict.good for verdict in verdicts):
        return wrap("No seal was made, since the backup is not good.")
    try:
        count = make_seal(target.path, path)
    except FileExistsError:
        return wrap(f"The seal {path} was there already, and what was verified agrees with it.")
    return wrap(f"Sealed: the checksums of {count:,} files are in {path}. Later damage will be found.")


def _json(finding: "Finding") -> dict[str, object]:
    return {
        "event": "finding",
        "kind": finding.kind.value,
        "severity": finding.severity.value,
        "file_id": finding.file_id,
        "file": finding.file,
        "domain": finding.domain,
        "path": finding.path,
        "expected": finding.expected,
        "found": finding.found,
    }


def _payload(verdicts: "list[Verdict]", level: str) -> dict[str, object]:
    backups = []
    for verdict in verdicts:
        summary = verdict.summary
        backups.append(
            {
                "snapshot": verdict.snapshot or None,
                "path": verdict.path,
                "status": "good" if verdict.good else "damaged",
                "sealed": verdict.sealed,
                "manifest_checked": summary.manifest_checked,
                "files": summary.files,
                "bytes": summary.bytes,
                "rows": summary.rows,
                "checked_by_seal": summary.by_seal,
                "checked_by_digest": summary.by_digest,
                "checked_by_size": summary.by_size,
                "decrypted": summary.decrypted,
                "databases": summary.databases,
                "damage": summary.damage,
                "notes": summary.notes,
                "intact_in": verdict.intact_in,
            }
        )
    good = all(verdict.good for verdict in verdicts)
    head = backups[0] if len(backups) == 1 else {}
    return {"status": "good" if good else "damaged", "level": level, **head, "backups": backups}


def _text(verdict: "Verdict") -> str:
    name = verdict.snapshot or verdict.path
    summary = verdict.summary
    size = f"{summary.files:,} files, {size_text(summary.bytes)}"
    if verdict.good:
        lines = [f"Good: {name}: {size}. {_how(verdict)}"]
    else:
        lines = [f"DAMAGED: {name}: {summary.damage:,} of {size}."]
    text = [wrap(line) for line in lines]
    text += _findings([finding for finding in verdict.findings if finding.is_damage], verdict)
    if len([group for group in verdict.groups if group.damage]) > 1 or summary.damage > _SHOWN:
        text += [
            wrap(f"{group.count:,} in {printable(group.part)}: {_WORDS.get(group.kind, group.kind)}", "  ")
            for group in verdict.groups[:_SHOWN]
            if group.damage
        ]
    if not verdict.good:
        text += _advice(verdict)
    if summary.notes:
        text.append(wrap(f"{summary.notes:,} notes that are no cause for concern (--json lists them)."))
    return "\n".join(text)


def _how(verdict: "Verdict") -> str:
    summary = verdict.summary
    if summary.level.value == "quick":
        how = "Every file is there with its size."
    else:
        by_content = summary.by_seal + summary.by_digest
        how = f"Every byte was read; {by_content:,} files were checked by content"
        how += f", {summary.by_size:,} only by size." if summary.by_size else "."
    if not summary.manifest_checked:
        how += " The list of files is locked: give the password to check against it too."
    if summary.level.value == "deep":
        how += (
            f" {summary.decrypted:,} files decrypt and {summary.databases} databases are sound: "
            if summary.decrypted
            else " "
        )
        how += "a restore would have everything it needs."
    return how


def _findings(damage: "list[Finding]", verdict: "Verdict") -> list[str]:
    lines = []
    for finding in damage[:_SHOWN]:
        where = f"{finding.domain} {finding.path}".strip() or finding.file or "the backup"
        details = (
            f" (expected {finding.expected}, found {finding.found})"
            if finding.expected and finding.found
            else ""
        )
        lines.append(
            wrap(
                f"{printable(where)}: {_WORDS.get(finding.kind.value, finding.kind.value)}{printable(details)}",
                "  ",
            )
        )
        if finding.file in verdict.intact_in:
            lines.append(f"    still whole in snapshot {verdict.intact_in[finding.file]}")
    if len(damage) > _SHOWN:
        lines.append(f"  … and {verdict.summary.damage - _SHOWN:,} more (--json names all)")
    return lines


def _advice(verdict: "Verdict") -> list[str]:
    if not verdict.snapshot:
        return [
            wrap(
                "What to do: take a new backup now, to another disk if this one may be failing, and keep this one "
                "until then."
            )
        ]
    return [
        wrap(
            "What to do: run `ibackup now`; the phone sends the damaged files again. This disk may be failing: look at "
            "it, and keep a second copy."
        )
    ]
