"""``ibackup verify``: is this backup good?"""

import os
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.completing import files
from ibackup.cli.output import count_text, printable, wrap
from ibackup.cli.passwords import HOW_TO_GIVE, PasswordSources, password_options
from ibackup.cli.snapshots import LATEST, Target, resolve
from ibackup.cli.verify_text import failure_text, verdict_text
from ibackup.errors import DamageFound, ExitCode, IbackupError, NotABackup, PasswordNeeded, UsageError
from ibackup.events import Note

if TYPE_CHECKING:
    from ibackup.manifest.findings import Finding
    from ibackup.proving import Verdict


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
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    default=None,
    shell_complete=files,
    help="For a FOLDER made elsewhere: when it is good, write its checksums beside it or to FILE, and compare with "
    "them the next time",
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
    if what is None and seal_file and os.path.isdir(seal_file):
        what, seal_file = seal_file, ""  # --seal FOLDER: the folder is what is meant
    checks = _Checks(app, PasswordSources(app, password_file, password_command), level)
    targets = _targets(checks, what)
    alone = len(targets) == 1 and not checks.failures
    if seal_file is not None and (what is None or targets[0].snapshot is not None):
        raise UsageError(
            "--seal is for a folder made elsewhere.",
            hint="Name that folder. Snapshots of ibackup have their seal already.",
        )
    if seal_file is not None:
        seal_file = os.path.abspath(os.path.expanduser(seal_file)) if seal_file else ""
        _check_seal_place(seal_file, targets[0].path)
    checks.sealing = seal_file is not None
    for target in targets:
        checks.check(target, seal_file or None, alone=alone)
    texts = [*checks.texts]
    if seal_file is not None:
        texts.append(_seal(app, targets[0], checks.verdicts[0], seal_file))
    return app.result(
        _payload(checks),
        "\n\n".join(texts),
        checks.code,
        message=checks.message,
        hint="`ibackup verify` without --json says what to do about each." if checks.message else "",
        skippable=True,
    )


@dataclass
class _Checks:
    """What came of each backup that was to be verified."""

    app: App
    sources: PasswordSources
    level: str
    sealing: bool = False
    verdicts: "list[Verdict]" = field(default_factory=list)
    failures: list[tuple[str, str, IbackupError]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def check(self, target: Target, seal_file: str | None, *, alone: bool) -> None:
        """Prove one; alone, whatever keeps it from being proven is the command's own error."""
        from ibackup.manifest.findings import Level
        from ibackup.proving import prove

        whose = f" of {target.snapshot.meta.device_name}" if target.snapshot else ""
        self.app.reporter(Note(f"Verifying {target.label}{whose}, level {self.level}."))
        try:
            verdict = prove(
                target.path,
                Level(self.level),
                snapshot=target.snapshot,
                seal_file=seal_file,
                password=self.sources.find,
                keychain=self.sources.keychain,
                on_finding=lambda finding: self.app.reporter.emit(_json(finding)),
                observer=self.app.reporter,
            )
        except (PasswordNeeded, DamageFound, NotABackup) as error:
            if type(error) is PasswordNeeded and not self.sources.named:
                error.hint = HOW_TO_GIVE
            if alone:
                raise
            self.fail(target.label, target.path, error)
        else:
            self.verdicts.append(verdict)
            self.texts.append(
                verdict_text(verdict, target, verbose=self.app.settings.verbose, sealing=self.sealing)
            )

    def fail(self, label: str, path: str, error: IbackupError) -> None:
        """Note one that could not be proven; the others still are."""
        self.failures.append((label, path, error))
        self.texts.append(failure_text(label, error))

    @property
    def code(self) -> ExitCode:
        """Damage is the worst news, then what could not be checked at all."""
        codes = [error.exit_code for _, _, error in self.failures]
        if ExitCode.DAMAGE in codes or not all(verdict.good for verdict in self.verdicts):
            return ExitCode.DAMAGE
        return codes[0] if codes else ExitCode.OK

    @property
    def message(self) -> str:
        """What is wrong, in a sentence."""
        damaged = [each.snapshot or each.path for each in self.verdicts if not each.good]
        damaged += [label for label, _, error in self.failures if isinstance(error, DamageFound)]
        if damaged:
            return f"Damage was found in {', '.join(damaged)}."
        return " ".join(f"{label}: {error.message}" for label, _, error in self.failures)


def _targets(checks: _Checks, what: str | None) -> list[Target]:
    app = checks.app
    if what is not None and os.path.isfile(os.path.join(what, "store.json")):
        raise UsageError(
            f"'{what}' is a whole store.",
            hint=f"`ibackup verify --store {shlex.quote(what)}` verifies the newest snapshot of each phone in it.",
        )
    if what not in (None, LATEST):
        return [resolve(app, what)]
    store = app.open_store()
    phones = [store.phone(app.udid)] if app.udid else store.phones()
    if what == LATEST and len(phones) > 1:
        return [resolve(app, what)]
    found: list[Target] = []
    for phone in phones:
        newest = phone.newest()
        if newest is not None:
            found.append(Target(newest.backup_path, newest, newest.udid))
        for broken in phone.broken():
            # Its number cannot be read, but ids only grow: what is the newest must not be passed over in silence.
            if newest is None or broken.id > newest.id:
                checks.fail(broken.id, broken.path, broken.error)
    if not found and not checks.failures:
        raise UsageError(
            "There is no snapshot to verify.",
            hint="Make one with `ibackup now`, or name the folder of a backup that another program made.",
        )
    return found


def _check_seal_place(named: str, backup: str) -> None:
    """Refuse a place for the seal before anything is read, which may take hours."""
    from ibackup.proving import seal_beside

    file = named or seal_beside(backup)
    if named and os.path.isdir(file):
        raise UsageError(f"The seal '{file}' is a folder.", hint="Name a file with --seal FILE.")
    where, inside = os.path.realpath(file), os.path.realpath(backup)
    if where.startswith(os.path.join(inside, "")):
        raise UsageError(
            f"The seal '{file}' would be in the backup itself, to which nothing is ever written.",
            hint="--seal without a name makes it beside the folder; or name a file elsewhere.",
        )
    folder = os.path.dirname(where)
    if not os.path.lexists(where) and not os.access(folder, os.W_OK):
        missing = "" if os.path.isdir(folder) else " there is no such folder"
        raise UsageError(
            f"The seal '{file}' cannot be written:{missing or ' nothing may be written into its folder'}.",
            hint="Name another file with --seal FILE.",
        )


def _seal(app: App, target: Target, verdict: "Verdict", file: str) -> str:
    from ibackup.proving import make_seal, seal_beside

    path = file or seal_beside(target.path)
    if not verdict.good:
        return wrap("No seal was made, since the backup is not good.")
    if verdict.sealed:
        return wrap(f"It agrees with the seal that was there already: '{printable(path)}'.")
    try:
        count = make_seal(target.path, path, app.reporter)
    except FileExistsError:
        raise UsageError(f"'{path}' is there already.", hint="Name another file with --seal FILE.") from None
    except OSError as error:
        raise UsageError(
            f"The seal '{path}' cannot be written: {error.strerror}.",
            hint="Name another file with --seal FILE.",
        ) from None
    again = f" --seal {shlex.quote(path)}" if file else ""
    return wrap(
        f"Sealed: the checksums of {count_text(count, 'file')} are in '{printable(path)}'. From now on "
        f"`{printable(f'ibackup verify{again}')}` of this folder compares with them, so that later damage is found."
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
    }


def _payload(checks: _Checks) -> dict[str, object]:
    backups = [_backup(verdict) for verdict in checks.verdicts]
    backups += [
        {
            "snapshot": label if label != path else None,
            "path": path,
            "status": "damaged" if isinstance(error, DamageFound) else "unchecked",
            "message": error.message,
            "hint": error.hint,
        }
        for label, path, error in checks.failures
    ]
    statuses = {str(backup["status"]) for backup in backups}
    status = next(each for each in ("damaged", "unchecked", "good") if each in statuses)
    head = backups[0] if len(backups) == 1 else {}
    return {"level": checks.level, **head, "status": status, "backups": backups}


def _backup(verdict: "Verdict") -> dict[str, object]:
    summary = verdict.summary
    return {
        "snapshot": verdict.snapshot or None,
        "path": verdict.path,
        "status": "good" if verdict.good else "damaged",
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
        "notes": summary.notes,
        "groups": [
            {
                "domain": group.domain,
                "file": group.file,
                "kind": group.kind,
                "severity": "damage" if group.damage else "note",
                "count": group.count,
            }
            for group in verdict.groups
        ],
        "intact_in": verdict.intact_in,
    }
