"""``ibackup copy get`` and ``rehearse``: snapshots back from a second copy, for use or for a test."""

import os
from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.cli.commands.copy_opening import copies_named, copy_named, opened, phones_of
from ibackup.cli.commands.copy_text import config_members, proof_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.output import printable, whole, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.shared_options import to_option

if TYPE_CHECKING:
    from ibackup.copies.held_snapshot import HeldSnapshot
    from ibackup.copies.opened_copy import OpenedCopy


@ibackup_command("get")
@click.argument("snapshot")
@click.option(
    "--from", "name", metavar="NAME", help="The copy to take it from", shell_complete=COMPLETING.copies
)
@to_option("Folder for the snapshot; created if missing", required=True)
def get(app: App, snapshot: str, name: str | None, to: str) -> int:
    """Fetch a SNAPSHOT back from a copy into a folder, and verify every byte of it.

    SNAPSHOT is an id, the beginning of one, or latest. It arrives in a folder below --to that has its id, and is a
    whole snapshot: `ibackup restore`, `files`, `extract` and `export` take its path. This needs no store.
    """
    from ibackup.jobs.copying import copy_getting

    configs = copies_named(app, name)
    if len(configs) > 1:
        raise UsageError(
            "There are several copies.",
            hint=f"Choose one with --from: {', '.join(each.name for each in configs)}.",
        )
    copy = opened(app, configs[0])
    held = copy_getting.choose(_held(copy), snapshot, app.settings.phone and app.udid, copy.name)
    folder = os.path.abspath(os.path.expanduser(to))
    done = copy_getting.get(copy, held, folder, app.reporter)
    path = done.snapshot.path
    good = done.verdict.status != "damaged"
    payload = config_members(configs[0]) | {
        "snapshot": held.id,
        "udid": held.udid,
        "path": path,
        "status": done.verdict.status,
        "files": done.verdict.files,
        "bytes": done.verdict.bytes,
    }
    if good:
        text = (
            f"Fetched snapshot {held.id} from {copy.name}: {count_text(done.verdict.files, 'file')}, "
            f"{size_text(done.verdict.bytes)}. Every byte matches its seal."
        )
        return app.result(payload, f"{wrap(text)}\nIt is in {printable(path)}")
    return app.result(
        payload,
        wrap(f"Snapshot {held.id} came from {copy.name} damaged. It is in '{whole(path)}'."),
        ExitCode.DAMAGE,
        message=f"Snapshot {held.id} from the copy {copy.name} is damaged.",
        hint=f"`ibackup verify {path}` names the damaged files.",
    )


@ibackup_command("rehearse")
@click.argument("name", shell_complete=COMPLETING.copies)
@click.option(
    "--snapshot", "ref", metavar="ID", default="latest", help="The snapshot to restore [the newest]"
)
@password_options
def rehearse(app: App, name: str, ref: str, password_file: str | None, password_command: str | None) -> int:
    """Fetch a snapshot from the copy NAME, restore it to a virtual iPhone, and remove it again.

    This proves that a phone could be restored from the copy alone: every byte is fetched and compared with the seal,
    and the virtual iPhone checks every file, checksum and key. It needs space for the snapshot on the store's disk.
    """
    from ibackup.jobs.copy_rehearsal import rehearse_copy
    from ibackup.jobs.copying.copy_getting import choose

    config = copy_named(app, name)
    store = app.open_store()
    udids = {each.udid for each in phones_of(app, config, store)}
    copy = opened(app, config)
    there = [each for each in _held(copy) if each.udid in udids]
    held = choose(there, ref, app.udid, name)
    unlocker = PasswordSources(app, password_file, password_command).unlocker
    done = rehearse_copy(copy, held, store.phone(held.udid), unlocker, app.reporter)
    payload = config_members(config) | {
        "snapshot": held.id,
        "udid": held.udid,
        "rehearsed": proof_members(done.proof),
        "files": done.rehearsal.files if done.rehearsal else 0,
    }
    if done.proof.good:
        text = (
            f"Restorable from {name} alone: snapshot {held.id}. Every byte that was fetched matches its seal, and a "
            "virtual iPhone accepted all of it."
        )
        return app.result(payload, wrap(text))
    why = done.proof.problems[0]
    return app.result(
        payload,
        wrap(f"NOT RESTORABLE from {name}: snapshot {held.id}. {printable(why)}"),
        ExitCode.DAMAGE,
        message=f"Snapshot {held.id} in the copy {name} cannot be restored. {why}",
        hint=f"`ibackup copy prove {name} --all` says more. `ibackup verify {held.id}` says whether it is whole here.",
    )


def _held(copy: "OpenedCopy") -> "list[HeldSnapshot]":
    copy.require()
    return copy.engine.held()
