"""``ibackup copy get`` and ``rehearse``: snapshots back from a second copy, for use or for a test."""

import contextlib
import os
from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, IbackupError, Interrupted, PhoneBusy, UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.cli.commands.copy_opening import copy_named, held_by, one_copy, opened, phones_of
from ibackup.cli.commands.copy_text import config_members, proof_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.output import printable, whole, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.shared_options import to_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.config.copy_config import CopyConfig
    from ibackup.copies.opened_copy import OpenedCopy
    from ibackup.jobs.copying.copy_getting import GotSnapshot
    from ibackup.jobs.copying.copy_returning import ReturnedSnapshot

_CONTINUE = "What has arrived is kept: the same command continues there."


@ibackup_command("get")
@click.argument("snapshot")
@click.option(
    "--from", "name", metavar="NAME", help="The copy to take it from", shell_complete=COMPLETING.copies
)
@to_option("Folder for the snapshot; created if missing")
@click.option("--into-store", is_flag=True, help="Put it back among the store's snapshots, pinned")
def get(app: App, snapshot: str, name: str | None, to: str | None, into_store: bool) -> int:
    """Fetch a SNAPSHOT back from a copy, and verify every byte of it.

    SNAPSHOT is an id, the beginning of one, or latest. With --to it arrives in a folder below FOLDER that has its id,
    and is a whole snapshot: `ibackup restore`, `files`, `extract` and `export` take its path. This needs no store.
    With --into-store it is in the store again, among the others by its date. It gets its name there only when every
    byte matches its seal, and it is pinned, so that no rule removes it again.
    """
    from ibackup.jobs.copying import copy_getting
    from ibackup.jobs.copying.copy_returning import bring_back, left_of

    if (to is None) == (not into_store):
        raise UsageError(
            "Say where the snapshot goes.", hint="Give --to FOLDER or --into-store, and not both."
        )
    config = one_copy(app, name)
    store = app.open_store(create=True) if into_store else None
    copy = opened(app, config)
    there = held_by(copy)
    held = copy_getting.choose(there, snapshot, app.settings.phone and app.udid, copy.name)
    if store is not None:
        phone = store.phone(held.udid)
        with _keeping(left_of(phone, held)):
            returned = bring_back(copy, held, there, phone, app.reporter)
        return _into_store(app, copy, returned)
    folder = os.path.abspath(os.path.expanduser(to or ""))
    with _keeping(copy_getting.part_of(folder, held)):
        done = copy_getting.get(copy, held, folder, app.reporter)
    path = done.snapshot.path
    good = done.verdict.status != "damaged"
    payload = _got_members(config, done) | {"path": path}
    if good:
        text = (
            f"Fetched snapshot {held.id} from {copy.name}: {count_text(done.verdict.files, 'file')}, "
            f"{size_text(done.verdict.bytes)}. Every byte matches its seal."
        )
        return app.result(payload, f"{wrap(text)}\nIt is in {printable(path)}")
    return app.result(
        payload,
        wrap(
            f"Snapshot {held.id} came from {copy.name} damaged. `ibackup verify {whole(path)}` names the files."
        ),
        ExitCode.DAMAGE,
        message=f"Snapshot {held.id} from the copy {copy.name} is damaged.",
        hint=f"`ibackup verify {path}` names the damaged files.",
    )


@contextlib.contextmanager
def _keeping(part: str) -> "Iterator[None]":
    """Say how to continue if something stops it halfway."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.", hint=_CONTINUE if os.path.isdir(part) else "") from None
    except (DamageFound, UsageError, PhoneBusy):
        raise
    except IbackupError as error:
        if os.path.isdir(part):
            error.hint = f"{error.hint} {_CONTINUE}".strip()
        raise


def _into_store(app: App, copy: "OpenedCopy", done: "ReturnedSnapshot") -> int:
    payload = _got_members(copy.config, done.got) | {
        "path": done.snapshot.path,
        "shared_files": done.shared_files,
        "shared_bytes": done.shared_bytes,
    }
    space = (
        f"{size_text(done.shared_bytes)} of it take no space of their own, because the snapshots beside it have the "
        "same files."
        if done.shared_bytes
        else "It takes its full size, because no file of it is in a snapshot beside it."
    )
    text = (
        f"Snapshot {done.snapshot.id} is in the store again: {count_text(done.got.verdict.files, 'file')}, "
        f"{size_text(done.got.verdict.bytes)}. Every byte matches its seal. {space} It is pinned: "
        f"`ibackup pin {done.snapshot.id} --remove` lets your rules remove it again."
    )
    return app.result(payload, wrap(text))


def _got_members(config: "CopyConfig", got: "GotSnapshot") -> dict[str, object]:
    return config_members(config) | {
        "snapshot": got.held.id,
        "udid": got.held.udid,
        "status": got.verdict.status,
        "files": got.verdict.files,
        "bytes": got.verdict.bytes,
    }


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
    from ibackup.jobs.copy_rehearsal import not_restorable, rehearse_copy
    from ibackup.jobs.copying.copy_getting import choose

    config = copy_named(app, name)
    store = app.open_store()
    udids = {each.udid for each in phones_of(app, config, store)}
    copy = opened(app, config)
    there = [each for each in held_by(copy) if each.udid in udids]
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
    damage = not_restorable(name, done)
    return app.result(
        payload,
        wrap(f"NOT RESTORABLE from {name}: snapshot {held.id}. {printable(damage.why)}"),
        damage.exit_code,
        message=damage.message,
        hint=damage.hint,
    )
