"""``ibackup copy prune``: what changes or removes something in a second copy."""

from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import Interrupted, UsageError
from ibackup.cli.commands.copy_opening import copy_named, opened, phones_of
from ibackup.cli.commands.copy_text import config_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.output import printable, time_text, wrap
from ibackup.cli.shell.questions import confirm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibackup.jobs.copying.copy_pruning import CopyPrunePlan

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
    return "\n".join(
        [head, *(line for _, line in sorted(rows)), *([] if plan.all_going else [wrap("Nothing to remove.")])]
    )
