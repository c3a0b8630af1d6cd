"""``ibackup copy prune`` and ``repair``: what changes or removes something in a second copy."""

from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import Interrupted, UsageError
from ibackup.cli.commands.copy_opening import copy_named, opened, phones_of
from ibackup.cli.commands.copy_text import config_members, proof_members, proved_lines
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.output import printable, time_text, wrap
from ibackup.cli.shell.questions import confirm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibackup.copies.restic_upkeep import PackDamage
    from ibackup.jobs.copying.copy_pruning import CopyPrunePlan
    from ibackup.jobs.copying.copy_repairing import CopyRepair

_WHY = {
    "in-store": "also in the store",
    "only-there": "only there",
    "unproven": "not proven",
    "ahead": "dated in the future",
}


@ibackup_command("prune")
@click.argument("name", shell_complete=COMPLETING.copies)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed")
@click.option("--yes", is_flag=True, help="Remove without asking")
def prune(app: App, name: str, dry_run: bool, yes: bool) -> int:
    """Remove old snapshots from the copy NAME, by the rules of the config file.

    A snapshot is removed there if `ibackup prune` has removed it here and the same rules, counted from the proven
    snapshots in the copy, no longer keep it. What the store still has stays, and so does everything that it lost in
    any other way.
    """
    from ibackup.jobs.copying.copy_pruning import prune_copy
    from ibackup.jobs.keeping.retention import RetentionRules

    config = copy_named(app, name)
    folders = phones_of(app, config, app.open_store())
    rules = {each.udid: RetentionRules.configured(app.config.rules(each.udid).prune) for each in folders}
    if not any(each.any for each in rules.values()):
        raise UsageError(
            "No rule says which snapshots to keep, so nothing is removed.",
            hint="Write a [prune] table into the config file. It then also applies to the store.",
        )

    def agreed(plans: "Sequence[CopyPrunePlan]") -> bool:
        if dry_run or yes:
            return yes and not dry_run
        if not app.asks:
            raise UsageError(
                "Snapshots are removed for good, and there is no terminal to ask you on.",
                hint="Give --yes to remove them, or --dry-run to see which.",
            )
        app.stop_progress()
        click.echo("\n".join(_text(each, dry_run=True) for each in plans), err=True)
        count = sum(len(each.going) for each in plans)
        if not confirm(f"Remove {count_text(count, 'snapshot')} from {name} for good?"):
            raise Interrupted("The snapshots stay.", hint="Nothing was removed.")
        return True

    plans = prune_copy(opened(app, config), folders, rules.__getitem__, app.reporter, agreed=agreed)
    payload = config_members(config) | {
        "dry_run": dry_run,
        "kept": [
            {"snapshot": ident, "udid": plan.folder.udid, "reasons": list(why)}
            for plan in plans
            for ident, why in plan.kept.items()
        ],
        "removed": [
            {"snapshot": each.id, "udid": each.udid, "repeated": each in plan.repeated}
            for plan in plans
            for each in plan.all_going
        ],
    }
    return app.result(payload, "\n".join(_text(each, dry_run=dry_run) for each in plans))


def _text(plan: "CopyPrunePlan", *, dry_run: bool) -> str:
    verb = "remove" if dry_run else "removed"
    rows = [
        (
            ident,
            f"  keep     {ident}  {', '.join(_WHY.get(each, each) for each in why) or 'no rule for this phone'}",
        )
        for ident, why in plan.kept.items()
    ]
    rows += [(each.id, f"  {verb:<7}  {each.id}  {time_text(each.time)}") for each in plan.going]
    rows += [(each.id, f"  {verb:<7}  {each.id}  another copy of it is proven") for each in plan.repeated]
    head = printable(plan.folder.device_name() or plan.folder.udid)
    rest = [] if plan.all_going else ["Nothing to remove."]
    return "\n".join([head, *(line for _, line in sorted(rows)), *rest])


@ibackup_command("repair")
@click.argument("name", shell_complete=COMPLETING.copies)
@click.option("--yes", is_flag=True, help="Repair without asking")
def repair(app: App, name: str, yes: bool) -> int:
    """Repair the copy NAME from the store.

    All of the copy's data is read. Files of data that are damaged are taken out of it, and each snapshot that needs
    them is copied again; then every snapshot is compared with its seal. What only the copy has cannot be repaired. If
    this computer may not change the copy, the error says what to run on one that may.
    """
    from ibackup.jobs.copying.copy_repairing import repair_copy
    from ibackup.jobs.copying.copy_run import damage_in

    config = copy_named(app, name)
    folders = phones_of(app, config, app.open_store())

    def agreed(found: "PackDamage") -> bool:
        if yes:
            return True
        if not app.asks:
            raise UsageError(
                "Damaged files are taken out of the copy, and there is no terminal to ask you on.",
                hint="Give --yes to repair it.",
            )
        app.stop_progress()
        count = count_text(len(found.packs), "file of data is", "files of data are")
        click.echo(wrap(f"In the copy {name}, {count} damaged or missing."), err=True)
        if not confirm("Take them out, and copy again what they held?"):
            raise Interrupted("The copy is as it was.", hint="Nothing was changed.")
        return True

    done = repair_copy(opened(app, config), folders, app.reporter, agreed=agreed)
    error = damage_in(name, done.damaged)
    payload = config_members(config) | {
        "damaged": sorted(done.found.damaged),
        "missing": sorted(done.found.missing),
        "copied": done.copied,
        "matched": [proof_members(proof) for proof in done.matched],
        "only_there": done.only_there,
        "proofs": {proof.level: proof_members(proof) for proof in done.repository},
    }
    text = "\n".join(_repaired(name, done))
    if error is None:
        return app.result(payload, text)
    hint = "The store has no whole file for what is still damaged."
    if done.only_there:
        hint += f" Only the copy has {', '.join(done.only_there)}: `ibackup copy get` fetches what is left of them."
    return app.result(payload, f"{text}\n{wrap(hint)}", error.exit_code, message=error.message, hint=hint)


def _repaired(name: str, done: "CopyRepair") -> "Iterator[str]":
    if not done.repository:
        yield wrap(f"Nothing in {name} is damaged: all of its data was read.")
        return
    count = count_text(len(done.found.packs), "file of data was", "files of data were")
    again = f"; copied again: {', '.join(done.copied)}" if done.copied else ""
    yield wrap(f"{count} damaged or missing in {name}{again}.")
    good = sum(proof.good for proof in done.matched)
    yield wrap(f"{count_text(good, 'snapshot matches its seal', 'snapshots match their seals')}.")
    yield from proved_lines(name, done.repository)
