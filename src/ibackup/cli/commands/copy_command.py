"""``ibackup copy``: second copies of the snapshots elsewhere, and what proves them."""

from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution
from ibackup.base.exit_codes import ExitCode, worst
from ibackup.base.masked_addresses import masked
from ibackup.cli.commands.copies_at_night import report_to_fleet
from ibackup.cli.commands.copy_add import add
from ibackup.cli.commands.copy_check_rights import check_rights, rights_line, rights_members
from ibackup.cli.commands.copy_opening import copies_named, copy_named, opened, phones_of
from ibackup.cli.commands.copy_taking import get, rehearse
from ibackup.cli.commands.copy_text import (
    config_members,
    proof_members,
    proved_lines,
    record_lines,
    record_members,
    run_lines,
    run_members,
)
from ibackup.cli.commands.copy_upkeep import prune, repair
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap
from ibackup.cli.shell.snapshot_argument import resolve

if TYPE_CHECKING:
    from ibackup.config.copy_config import CopyConfig
    from ibackup.jobs.copying.copy_run import CopyRun
    from ibackup.store.phone_folder import PhoneFolder
    from ibackup.store.records.snapshot import Snapshot


@ibackup_group("copy")
def command() -> None:
    """Keep second copies of the snapshots elsewhere, and prove what arrived there."""


@ibackup_command("list")
def list_copies(app: App) -> int:
    """List the second copies in the config file, and when each was last proven."""
    from ibackup.copies.copy_records import CopyRecord, last_proven

    store = app.store_if_there()
    rows: list[dict[str, object]] = []
    lines: list[str] = []
    for config in app.config.copies:
        folders = phones_of(app, config, store) if store else []
        records = [CopyRecord.read(each.proofs_path, config.name, config.repository_id) for each in folders]
        count = sum(len(each.copied) for each in records)
        proven = last_proven(config, folders)
        rows.append(
            config_members(config) | {"snapshots": count, "proven": rfc3339(proven) if proven else None}
        )
        lines.append(f"{config.name}  {count_text(count, 'snapshot'):>14}  {printable(masked(config.to))}")
        lines.append(f"  proven {time_text(proven)}" if proven else "  never proven")
    text = "\n".join(lines) or wrap(
        "There is no second copy yet. Add one: `ibackup copy add NAME --to FOLDER`."
    )
    return app.result({"copies": rows}, text)


@ibackup_command("show")
@click.argument("name", shell_complete=COMPLETING.copies)
def show(app: App, name: str) -> int:
    """Show what the copy NAME holds of each phone, what proves it, and whether this computer could destroy it.

    This reads the records in the store and not the copy itself. To look there: `ibackup copy prove NAME`.
    """
    from ibackup.copies.copy_records import CopyRecord
    from ibackup.copies.rights.copy_rights import CopyRights

    config = copy_named(app, name)
    store = app.store_if_there()
    phones: list[dict[str, object]] = []
    lines = [f"{config.name}: {printable(masked(config.to))}"]
    for folder in phones_of(app, config, store) if store else []:
        record = CopyRecord.read(folder.proofs_path, config.name, config.repository_id)
        called = folder.device_name() or folder.udid
        phones.append(record_members(folder.udid, called, record))
        lines += record_lines(called, record)
    rights = CopyRights.read(name, config.repository_id)
    lines.append(rights_line(name, rights))
    payload = config_members(config) | {"of_phones": phones} | rights_members(rights)
    return app.result(payload, "\n".join(lines))


@ibackup_command("remove")
@click.argument("name", shell_complete=COMPLETING.copies)
def remove(app: App, name: str) -> int:
    """Take the copy NAME out of the config file; what is there stays there.

    Its password stays where it is, because you need it to read the copy.
    """
    from ibackup.config.config_file import default_path
    from ibackup.jobs.copying import copy_adding

    config = copy_named(app, name)
    copy_adding.remove(config, app.config.path or default_path())
    text = f"The config file no longer names the copy {name}. What it holds stays at {masked(config.to)}."
    return app.result(config_members(config), wrap(text), skippable=True)


@ibackup_command("run")
@click.argument("name", required=False, shell_complete=COMPLETING.copies)
@click.option("--snapshot", "ref", metavar="ID", help="Copy only this snapshot")
def run(app: App, name: str | None, ref: str | None) -> int:
    """Copy the snapshots that are not there yet, oldest first, and prove them.

    Without NAME this runs every copy in turn. Every file's name and SHA-256 is compared with the seal. restic needs no
    data for that, rclone reads back what it sent. Then ibackup checks that everything is stored, and reads the next
    part of the data back. Copying holds no phone up. If it is interrupted, run it again: it continues with the snapshot
    that was not complete.
    """
    from ibackup.jobs.copying.copy_run import copy_snapshots
    from ibackup.jobs.fleet.fleet_reporting import note_removed

    configs = copies_named(app, name)
    store = app.open_store()
    only = resolve(app, ref).snapshot if ref is not None else None
    for config in configs:
        note_removed(app.config.fleet, config, phones_of(app, config, store), app.reporter)
    if len(configs) == 1:
        done = copy_snapshots(
            opened(app, configs[0]), phones_of(app, configs[0], store), app.reporter, only=only
        )
        return _end_of_run(app, [(configs[0], done)])
    ends: list[tuple[CopyConfig, CopyRun | IbackupError]] = []
    for config in configs:
        try:
            ends.append(
                (
                    config,
                    copy_snapshots(
                        opened(app, config), phones_of(app, config, store), app.reporter, only=only
                    ),
                )
            )
        except IbackupError as error:
            if error.exit_code is ExitCode.INTERRUPTED:
                raise
            app.reporter(Caution(error.message, error.hint))
            ends.append((config, error))
    return _end_of_run(app, ends)


def _end_of_run(app: App, ends: "list[tuple[CopyConfig, CopyRun | IbackupError]]") -> int:
    from ibackup.jobs.copying.copy_run import alarms_of, damage_in, trouble_in

    rows: list[dict[str, object]] = []
    lines: list[str] = []
    errors: list[IbackupError] = []
    for config, end in ends:
        error = end if isinstance(end, IbackupError) else trouble_in(config.name, end)
        row: dict[str, object] = config_members(config)
        if isinstance(end, IbackupError):
            lines.append(wrap(f"{config.name}: {printable(end.message)}"))
        else:
            for alarm in alarms_of(config.name, end):
                app.reporter(Caution(alarm.message, alarm.hint))
            row |= run_members(end)
            lines += run_lines(config.name, end)
            if damage := damage_in(config.name, end.damaged, end.damaged_here):
                lines.append(wrap(damage.hint))
        row["error"] = None
        if error is not None:
            errors.append(error)
            row["error"] = {
                "exit_code": int(error.exit_code),
                "reason": error.reason or None,
                "message": error.message,
                "hint": error.hint,
            }
        rows.append(row)
    code = worst(error.exit_code for error in errors)
    report_to_fleet(app, code, app.reporter)
    first = next((error for error in errors if error.exit_code == code), errors[0] if errors else None)
    return app.result(
        {"copies": rows},
        "\n".join(lines),
        code,
        message=first.message if first else "",
        hint=first.hint if first else "",
    )


@ibackup_command("prove")
@click.argument("name", shell_complete=COMPLETING.copies)
@click.option("--snapshot", "ref", metavar="ID", help="Compare only this snapshot")
@click.option(
    "--all", "read_all", is_flag=True, help="Read all of the copy's data back, not only the next part"
)
def prove(app: App, name: str, ref: str | None, read_all: bool) -> int:
    """Prove what the copy NAME holds, file by file, against the seals in the store.

    Every snapshot that is in both is compared in full: each name, size and SHA-256. restic needs no data for that,
    rclone reads all of it. Then ibackup checks that everything is stored and reads the next part of the data, or all of
    it. Nothing is changed there.
    """
    from ibackup.jobs.copying.copy_proving import prove_copy

    config = copy_named(app, name)
    store = app.open_store()
    folders: list[PhoneFolder] = phones_of(app, config, store)
    only: Snapshot | None = resolve(app, ref).snapshot if ref is not None else None
    done = prove_copy(opened(app, config), folders, app.reporter, only=only, read_all=read_all)
    from ibackup.jobs.copying.copy_run import alarms_of, damage_in

    alarms = list(alarms_of(name, done))
    for alarm in alarms:
        app.reporter(Caution(alarm.message, alarm.hint))
    damage = damage_in(name, [proof for proof in done.proofs if not proof.good])
    error = damage or next(iter(alarms), None)
    payload = config_members(config) | {
        "matched": [proof_members(proof) for proof in done.matched],
        "only_there": done.only_there,
        "vanished": done.vanished,
        "ahead": done.ahead,
        "proofs": {proof.level: proof_members(proof) for proof in done.repository},
    }
    lines = [
        wrap(
            f"{proof.snapshot}: "
            + (
                "every file matches its seal."
                if proof.good
                else f"{count_text(len(proof.problems), 'file does', 'files do')} not match."
            ),
        )
        for proof in done.matched
    ]
    lines += [
        wrap(f"{each}: only in the copy, so there is no seal here to compare it with.")
        for each in done.only_there
    ]
    lines += proved_lines(name, done.repository)
    if damage is not None:
        lines.append(wrap(damage.hint))
    if error is None:
        return app.result(payload, "\n".join(lines))
    return app.result(payload, "\n".join(lines), error.exit_code, message=error.message, hint=error.hint)


for _each in (add, list_copies, show, run, prove, rehearse, get, prune, repair, check_rights, remove):
    command.add_command(_each)
