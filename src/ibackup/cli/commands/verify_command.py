"""``ibackup verify``: check a backup."""

import contextlib
import os
import shlex
from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, IbackupError, PasswordNeeded, UsageError
from ibackup.cli.commands.verify_text import differ_text, failure_text, verdict_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import printable, wrap
from ibackup.cli.shell.password_sources import HOW_TO_GIVE, PasswordSources, password_options
from ibackup.cli.shell.shared_options import level_option
from ibackup.cli.shell.snapshot_argument import LATEST, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.apple.verify.findings import Finding
    from ibackup.jobs.backup_source import BackupSource
    from ibackup.jobs.proving.backup_proof import ProofVerdict
    from ibackup.jobs.proving.proof_run import NotProven, ProofRun

_HINT = "`ibackup verify` without --json says how to fix each one."


@ibackup_command("verify")
@click.argument("what", metavar="[SNAPSHOT|FOLDER]", required=False)
@level_option("full", "quick: names and sizes; full: every byte; deep: also decrypt everything")
@click.option(
    "--seal",
    "seal_file",
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    default=None,
    shell_complete=files,
    help=(
        "For a FOLDER made by another program: if it is good, write its checksums beside it or to FILE, "
        "and compare with them next time"
    ),
)
@click.option("--all", "everyone", is_flag=True, help="Verify the newest snapshot of every phone")
@password_options
def command(
    app: App,
    what: str | None,
    level: str,
    everyone: bool,
    seal_file: str | None,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Check that a snapshot, or any other backup folder, is good.

    Without an argument, ibackup verifies the newest snapshot; --all verifies the newest one of every phone. FOLDER
    can be a backup made by Finder, iTunes, Apple Devices or another tool; ibackup never writes to it.
    """
    if what is None and seal_file and os.path.isdir(seal_file):
        what, seal_file = seal_file, ""  # --seal FOLDER: this means the folder
    if everyone and what is not None:
        raise UsageError(
            "--all verifies every phone's newest snapshot.", hint="Leave out --all, or the name."
        )
    from ibackup.apple.verify.findings import Level
    from ibackup.jobs.proving.proof_run import ProofRun

    sources = PasswordSources(app, password_file, password_command)
    run = ProofRun(
        Level(level),
        sources.unlocker,
        lambda finding: app.reporter.emit(_json(finding)),
        app.reporter,
        sealing=seal_file is not None,
    )
    targets = _targets(app, run, what, everyone=everyone)
    if seal_file is not None:
        seal_file = _seal_place(seal_file, targets[0] if what is not None else None)
    alone = len(targets) == 1 and not run.failures
    for target in targets:
        with _saying_how(sources):
            run.prove(target, seal_file or None, alone=alone)
    texts = _texts(app, run, sources)
    if seal_file is not None:
        texts.append(_seal(app, targets[0], run.verdicts[0], seal_file))
    message = _message(run)
    return app.result(
        _payload(run),
        "\n\n".join(texts),
        run.code,
        message=message,
        hint=next(filter(None, (_healing(app, each) for each in run.outcomes)), _HINT) if message else "",
        skippable=True,
    )


@contextlib.contextmanager
def _saying_how(sources: PasswordSources) -> "Iterator[None]":
    try:
        yield
    except IbackupError as error:
        _say_how(error, sources)
        raise


def _say_how(error: IbackupError, sources: PasswordSources) -> None:
    """If nobody was asked for a password, say how to give one."""
    if type(error) is PasswordNeeded and not sources.named:
        error.hint = HOW_TO_GIVE


def _texts(app: App, run: "ProofRun", sources: PasswordSources) -> list[str]:
    from ibackup.jobs.proving.proof_run import NotProven

    texts = []
    for each in run.outcomes:
        if isinstance(each, NotProven):
            _say_how(each.error, sources)
            texts.append(failure_text(each.label, each.error, _healing(app, each)))
        else:
            texts.append(
                verdict_text(
                    each,
                    verbose=app.settings.verbose,
                    sealing=run.sealing,
                    healing=_healing(app, each),
                )
            )
    return texts


def _healing(app: App, outcome: "ProofVerdict | NotProven") -> str:
    """What repairs a damaged snapshot, as a sentence; empty if it is not damaged, or no copy has it."""
    from ibackup.copies.whole_elsewhere import copies_with, healing_hint
    from ibackup.jobs.proving.proof_run import NotProven
    from ibackup.store.phone_folder import PhoneFolder

    if isinstance(outcome, NotProven):
        damaged, ident = isinstance(outcome.error, DamageFound), outcome.label
    else:
        damaged, ident = outcome.status == "damaged", outcome.snapshot
    folder = PhoneFolder.around(outcome.path, ident) if damaged else None
    return healing_hint(ident, copies_with(folder, ident, app.config.copies)) if folder else ""


def _message(run: "ProofRun") -> str:
    """What is wrong, as a sentence."""
    damaged = [
        each.snapshot or each.path
        for each in run.verdicts
        if each.status == "damaged" and not each.has_all_files
    ]
    damaged += [each.label for each in run.failures if isinstance(each.error, DamageFound)]
    if damaged:
        return f"Damage was found in {', '.join(damaged)}."
    said = [f"{each.label}: {each.error.message}" for each in run.failures]
    said += [
        f"No file of {each.snapshot or each.path} is lost, but a phone does not take it like this."
        for each in run.verdicts
        if each.status == "damaged" and each.has_all_files
    ]
    said += [
        f"{each.snapshot or each.path} is as the phone sent it, and {differ_text(each)}."
        for each in run.verdicts
        if each.status == "flawed"
    ]
    return " ".join(said)


def _targets(app: App, run: "ProofRun", what: str | None, *, everyone: bool) -> "list[BackupSource]":
    from ibackup.jobs.backup_source import BackupSource

    if what not in (None, LATEST):
        target = resolve(app, what)
        return [BackupSource(target.path, target.snapshot)]
    store = app.open_store()
    udid = app.udid if everyone else app.udid or app.phones.with_snapshots(store, LATEST)
    phones = [store.phone(udid)] if udid else store.phones()
    named = ((phone, app.phones.of(phone.udid).name) for phone in phones)
    found = run.newest(named, name_missing=everyone)
    if not found and not run.failures:
        raise UsageError(
            "There is no snapshot to verify.",
            hint="Make one with `ibackup now`, or name the folder of a backup that another program made.",
        )
    return found


def _seal_place(seal_file: str, source: "BackupSource | None") -> str:
    """The full path of the seal to write, empty for the one beside the folder.

    Raises:
        UsageError: no folder was named, or the seal cannot be written.
    """
    from ibackup.jobs.proving.folder_seal import refuse_bad_place

    if source is None or source.snapshot is not None:
        raise UsageError(
            "--seal is for a folder made by another program.",
            hint="Name that folder. ibackup's own snapshots already have a seal.",
        )
    path = os.path.abspath(os.path.expanduser(seal_file)) if seal_file else ""
    refuse_bad_place(path, source.path)
    return path


def _seal(app: App, source: "BackupSource", verdict: "ProofVerdict", file: str) -> str:
    from ibackup.jobs.proving.folder_seal import make_seal, seal_beside

    path = file or seal_beside(source.path)
    if not verdict.good:
        return wrap("No seal was made, because the backup is not good.")
    if verdict.sealed:
        return wrap(f"It matches the existing seal: '{printable(path)}'.")
    count = make_seal(source.path, path, app.reporter)
    again = f" --seal {shlex.quote(path)}" if file else ""
    return wrap(
        f"Sealed: the checksums of {count_text(count, 'file')} are in '{printable(path)}'. From now on "
        f"`{printable(f'ibackup verify{again}')}` compares this folder with them, so that it finds later damage."
    )


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
        "reason": finding.reason.value if finding.reason is not None else None,
    }


def _payload(run: "ProofRun") -> dict[str, object]:
    backups = [_backup(verdict) for verdict in run.verdicts]
    backups += [
        {
            "snapshot": each.label if each.label != each.path else None,
            "path": each.path,
            "status": "damaged" if isinstance(each.error, DamageFound) else "unchecked",
            "message": each.error.message,
            "hint": each.error.hint,
        }
        for each in run.failures
    ]
    statuses = {str(backup["status"]) for backup in backups}
    status = next(each for each in ("damaged", "unchecked", "flawed", "good") if each in statuses)
    head = backups[0] if len(backups) == 1 else {}
    return {"level": run.level.value, **head, "status": status, "backups": backups}


def _backup(verdict: "ProofVerdict") -> dict[str, object]:
    summary = verdict.summary
    return {
        "snapshot": verdict.snapshot or None,
        "path": verdict.path,
        "status": verdict.status,
        "sealed": verdict.sealed,
        "manifest_checked": summary.manifest_checked,
        "files": verdict.files,
        "bytes": verdict.bytes,
        "rows": summary.rows,
        "checked_by_seal": summary.by_seal,
        "checked_by_digest": summary.by_digest,
        "checked_by_size": summary.by_size,
        "decrypted": summary.decrypted,
        "databases": summary.databases,
        "damage": summary.damage,
        "flaws": summary.flaws,
        "notes": summary.notes,
        "groups": [
            {
                "domain": group.domain,
                "file": group.file,
                "kind": group.kind,
                "severity": group.severity.value,
                "count": group.count,
            }
            for group in verdict.groups
        ],
        "intact_in": verdict.intact_in,
        "shared_with": verdict.shared_with,
    }
