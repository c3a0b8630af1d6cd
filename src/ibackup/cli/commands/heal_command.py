"""``ibackup heal``: repair damaged snapshots from a second copy."""

from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.commands.copy_opening import copies_named, opened, phones_of
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.output import printable, wrap
from ibackup.cli.shell.snapshot_argument import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.jobs.copying.snapshot_healing import HealedSnapshot
    from ibackup.store.phone_folder import PhoneFolder
    from ibackup.store.store import Store

_SHOWN = 5


@ibackup_command("heal")
@click.argument("snapshot", required=False)
@click.option(
    "--from", "name", metavar="NAME", help="The copy to repair it from", shell_complete=COMPLETING.copies
)
@click.option("--dry-run", is_flag=True, help="Only show what is damaged, and which copy has the snapshot")
def command(app: App, snapshot: str | None, name: str | None, dry_run: bool) -> int:
    """Repair a damaged SNAPSHOT with what a second copy still has.

    Each file that is damaged or missing is fetched from the copy, compared with the seal, and put in place of the
    damaged one, also in the other snapshots that share it. Then the whole snapshot is verified. Without SNAPSHOT, every
    snapshot that is known to be damaged is repaired.
    """
    from ibackup.jobs.copying.snapshot_healing import FLAWED_BEFORE, HealingCopies, exit_code, heal

    configs = copies_named(app, name)
    store = app.open_store()
    targets = _targets(app, store, snapshot)
    copies = HealingCopies(
        {each.name: lambda each=each: opened(app, each) for each in configs},  # type: ignore[misc]
        app.reporter,
    )
    done: list[HealedSnapshot] = []
    for folder, ident in targets:
        if snapshot is None and not dry_run and ident not in folder.standing().damaged:
            continue  # it shared what was repaired in another one
        names = [
            each.name
            for each in configs
            if folder.udid in {phone.udid for phone in phones_of(app, each, store)}
        ]
        done.append(heal(folder, ident, copies, names, app.reporter, dry_run=dry_run))
    payload: dict[str, object] = {
        "dry_run": dry_run,
        "snapshots": [
            {
                "snapshot": each.id,
                "udid": each.udid,
                "damaged": sorted(each.damaged),
                "healed": dict(sorted(each.healed.items())),
                "shared": sorted(each.shared),
                "left": each.left,
                "status": each.status,
            }
            for each in done
        ],
    }
    text = "\n".join(_text(each, dry_run=dry_run) for each in done) or wrap(
        "No snapshot is known to be damaged. To read every byte of the newest one: `ibackup verify`."
    )
    left = [each for each in done if not each.is_whole]
    code = exit_code(done, copies)
    if not left:
        return app.result(payload, text, code, message=FLAWED_BEFORE if code is ExitCode.FLAWED else "")
    errors = list(copies.errors.values())
    return app.result(
        payload,
        text,
        code,
        message=" ".join(
            [f"Damage is left in {', '.join(each.id for each in left)}.", *(each.message for each in errors)]
        ),
        hint=errors[0].hint
        if errors
        else "Run `ibackup now`: the phone sends again what it still has. `ibackup verify` names the damaged files.",
    )


def _targets(app: App, store: "Store", ref: str | None) -> "list[tuple[PhoneFolder, str]]":
    """The snapshots that are meant, also those whose record cannot be read. Raises UsageError."""
    if ref == LATEST:
        udid = app.udid or app.phones.with_snapshots(store, LATEST)
        phones = [store.phone(udid)] if udid else store.phones()
        return [(folder, each.id) for folder in phones for each in folder.newest_to_prove()]
    folders = [store.phone(app.udid)] if app.udid else store.phones()
    if ref is None:
        return [(folder, ident) for folder in folders for ident in folder.standing().damaged]
    found = [(folder, each.id) for folder in folders for each in folder.entries() if each.id.startswith(ref)]
    if len({ident for _, ident in found}) == 1 < len(found):
        raise UsageError(
            f"Several phones have a snapshot {ref!r}.",
            hint=f"Choose one with --phone: {', '.join(folder.udid for folder, _ in found)}.",
        )
    if len(found) != 1:
        known = ", ".join(ident for _, ident in found)
        raise UsageError(
            f"{'Several snapshots begin' if found else 'No snapshot begins'} with {ref!r}.",
            hint=f"Choose one of: {known}." if found else "`ibackup list` shows the snapshots.",
        )
    return found


def _text(done: "HealedSnapshot", *, dry_run: bool) -> str:
    return wrap(" ".join(_sentences(done, dry_run=dry_run)), hanging="  ")


def _sentences(done: "HealedSnapshot", *, dry_run: bool) -> "Iterator[str]":
    head = f"Snapshot {done.id}:"
    if not done.damaged:
        yield f"{head} no file is damaged or missing."
        return
    count = count_text(len(done.healed), "file")
    sources = ", ".join(sorted(set(done.healed.values())))
    if dry_run:
        yield f"{head} {count_text(len(done.damaged), 'file is', 'files are')} damaged or missing."
        yield (
            f"The copy {sources} has the snapshot." if sources else "No copy that is there has the snapshot."
        )
    elif not done.healed:
        yield f"{head} nothing could be repaired."
    elif done.status == "damaged":
        yield f"{head} {count} repaired from {sources}."
    else:
        yield f"{head} whole again. {count} repaired from {sources}; every byte matches the seal."
    if done.shared:
        others = count_text(len(done.shared), "other snapshot", "other snapshots")
        yield f"{others} shared them, and {'has' if len(done.shared) == 1 else 'have'} the whole files too now."
    if done.status == "damaged" and not done.left:
        yield f"Something else is wrong with it: `ibackup verify {done.id}` says what."
    if done.left:
        shown = ", ".join(printable(each) for each in done.left[:_SHOWN])
        more = f" and {len(done.left) - _SHOWN} more" if len(done.left) > _SHOWN else ""
        yield f"Still damaged: {shown}{more}."
