"""``ibackup prune``: remove the snapshots that no rule keeps."""

from typing import TYPE_CHECKING, Any

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import Interrupted, UsageError
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.config_options import table_options, taken
from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap
from ibackup.cli.shell.questions import confirm
from ibackup.config.config_schema import PruneConfig

if TYPE_CHECKING:
    from ibackup.jobs.keeping.pruning import Going, KeptSnapshot, PrunePlan


@ibackup_command("prune")
@table_options("prune")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed")
@click.option("--yes", is_flag=True, help="Remove without asking")
def command(app: App, dry_run: bool, yes: bool, **given: Any) -> int:
    """Remove each phone's old snapshots that no rule keeps.

    Ages count from the phone's newest snapshot, not from today. Whatever the rules say, the newest good snapshot,
    the newest proven one and pinned ones stay. Without a rule here, the config file's rule for the phone applies;
    without that, nothing is removed.
    """
    from ibackup.jobs.keeping.pruning import carry_out_all, plan_store, require_rule
    from ibackup.jobs.keeping.retention import RetentionRules

    rules = RetentionRules.configured(PruneConfig(**taken(given, "prune")))
    if app.config.prune is None and not any(phone.prune for phone in app.config.phones):
        require_rule(rules)
    plans = plan_store(app.open_store(), rules, app.config, udid=app.udid, observe=app.reporter)
    if not plans:
        return app.result(_payload([], dry_run=dry_run), "There is no snapshot to remove.")
    count = sum(len(each.plan.going) for each in plans)
    if count and not dry_run and not yes:
        if not app.asks:
            raise UsageError(
                "Snapshots are removed for good, and there is no terminal to ask you on.",
                hint="Give --yes to remove them, or --dry-run to see which.",
            )
        app.stop_progress()
        click.echo("\n\n".join(_text(each.plan, dry_run=True) for each in plans), err=True)
        if not confirm(f"Remove {count_text(count, 'snapshot')} for good?"):
            raise Interrupted("The snapshots stay.", hint="Nothing was removed.")
    done = [each.plan for each in plans] if dry_run else carry_out_all(plans, app.reporter)
    text = "\n\n".join(_text(each, dry_run=dry_run) for each in done)
    return app.result(_payload(done, dry_run=dry_run), text)


def removed_text(plan: "PrunePlan") -> str:
    """One sentence that says what was removed."""
    at_most = "" if plan.exact else "at most "
    return f"Removed {count_text(len(plan.going), 'snapshot')}, which gives back {at_most}{size_text(plan.gives_back)}."


def removed_rows(plan: "PrunePlan") -> list[dict[str, object]]:
    """The snapshots to remove, for programs."""
    return [_going_row(plan, each) for each in plan.going]


def _payload(plans: "list[PrunePlan]", *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "kept": [_kept_row(plan, each) for plan in plans for each in plan.kept],
        "removed": [row for plan in plans for row in removed_rows(plan)],
        "gives_back": sum(plan.gives_back for plan in plans),
        "exact": all(plan.exact for plan in plans),
    }


def _kept_row(plan: "PrunePlan", each: "KeptSnapshot") -> dict[str, object]:
    return {
        "snapshot": each.id,
        "udid": plan.udid,
        "path": each.path,
        "data_from": rfc3339(each.data_from) if each.data_from else None,
        "reasons": list(each.reasons),
    }


def _going_row(plan: "PrunePlan", each: "Going") -> dict[str, object]:
    return {
        "snapshot": each.id,
        "udid": plan.udid,
        "path": each.path,
        "data_from": rfc3339(each.data_from),
        "bytes": each.bytes,
        "gives_back": each.gives_back,
        "exact": plan.exact,
    }


def _text(plan: "PrunePlan", *, dry_run: bool) -> str:
    at_most = "" if plan.exact else "at most "
    verb = "remove" if dry_run else "removed"
    rows = [
        (each.id, f"  keep     {each.id}  {_moment(each)}  {', '.join(each.reasons)}") for each in plan.kept
    ]
    for each in plan.going:
        room = f"{size_text(each.bytes)}, gives back {at_most}{size_text(each.gives_back)}"
        rows.append((each.id, f"  {verb:<7}  {each.id}  {time_text(each.data_from)}  {room}"))
    head = f"{printable(plan.device_name)} ({plan.udid})" if plan.device_name else plan.udid
    lines = [head, *(line for _, line in sorted(rows))]
    if not plan.going:
        lines.append("Nothing to remove.")
    elif dry_run:
        what = count_text(len(plan.going), "snapshot")
        lines.append(
            wrap(f"{what} would be removed, which would give back {at_most}{size_text(plan.gives_back)}.")
        )
    else:
        lines.append(wrap(removed_text(plan)))
    return "\n".join(lines)


def _moment(each: "KeptSnapshot") -> str:
    return time_text(each.data_from) if each.data_from else " " * 16
