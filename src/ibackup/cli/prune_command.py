"""``ibackup prune``: remove the snapshots that no rule keeps."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import COUNT, DURATION, App, ibackup_command
from ibackup.cli.output import count_text, printable, rfc3339, size_text, time_text, wrap
from ibackup.errors import UsageError

if TYPE_CHECKING:
    from ibackup.keeping.pruning import Going, Kept, Plan


@ibackup_command("prune")
@click.option("--keep-last", type=COUNT, metavar="N", help="Keep the newest N")
@click.option("--keep-daily", type=COUNT, metavar="N", help="Keep the newest of each of N days that have one")
@click.option("--keep-weekly", type=COUNT, metavar="N", help="The same for N weeks")
@click.option("--keep-monthly", type=COUNT, metavar="N", help="The same for N months")
@click.option(
    "--keep-within",
    type=DURATION,
    metavar="TIME",
    help="Keep all that are at most TIME older than the newest, as in 30d",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed")
@click.option("--yes", is_flag=True, help="Remove without asking")
def command(
    app: App,
    keep_last: int | None,
    keep_daily: int | None,
    keep_weekly: int | None,
    keep_monthly: int | None,
    keep_within: float | None,
    dry_run: bool,
    yes: bool,
) -> int:
    """Remove old snapshots, of each phone those that no rule keeps.

    Everything is counted from the phone's newest snapshot, not from today. Whatever the rules say, the newest good
    snapshot, the newest proven one and pinned ones stay. Without a rule here, the config file's rule for the phone
    counts; without that, nothing is removed.
    """
    from ibackup.keeping.pruning import carry_out, plan, require_rule
    from ibackup.keeping.retention import Rules

    rules = Rules(
        keep_last or 0,
        keep_daily or 0,
        keep_weekly or 0,
        keep_monthly or 0,
        timedelta(seconds=keep_within or 0),
    )
    if app.config.prune is None and not any(phone.prune for phone in app.config.phones):
        require_rule(rules)
    store = app.open_store()
    folders = [store.phone(app.udid)] if app.udid else store.phones()
    ruled = [
        (folder, rules if rules.any else Rules.configured(app.config.rules(folder.udid).prune))
        for folder in folders
        if folder.entries()
    ]
    plans = [(folder, each, plan(folder, each, observe=app.reporter)) for folder, each in ruled if each.any]
    if not plans:
        return app.result(_payload([], dry_run=dry_run), "There is no snapshot to remove.")
    count = sum(len(each.going) for *_, each in plans)
    if count and not dry_run and not yes:
        if not app.asks:
            raise UsageError(
                "Snapshots are removed for good, and nobody can be asked here.",
                hint="Give --yes to remove them, or --dry-run to see which.",
            )
        app.stop_progress()
        click.echo("\n\n".join(_text(each, dry_run=True) for *_, each in plans), err=True)
        if not click.confirm(f"Remove {count_text(count, 'snapshot')} for good?", err=True):
            dry_run = True
    done = [
        carry_out(folder, rule, each, observe=app.reporter)
        if not dry_run and (each.going or folder.left_overs())
        else each
        for folder, rule, each in plans
    ]
    text = "\n\n".join(_text(each, dry_run=dry_run) for each in done)
    return app.result(_payload(done, dry_run=dry_run), text)


def removed_text(plan: "Plan") -> str:
    """One sentence about what was removed."""
    at_most = "" if plan.exact else "at most "
    return f"Removed {count_text(len(plan.going), 'snapshot')}, which gives back {at_most}{size_text(plan.gives_back)}."


def removed_rows(plan: "Plan") -> list[dict[str, object]]:
    """The snapshots that go, for programs."""
    return [_going_row(plan, each) for each in plan.going]


def _payload(plans: "list[Plan]", *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "kept": [_kept_row(plan, each) for plan in plans for each in plan.kept],
        "removed": [row for plan in plans for row in removed_rows(plan)],
        "gives_back": sum(plan.gives_back for plan in plans),
        "exact": all(plan.exact for plan in plans),
    }


def _kept_row(plan: "Plan", each: "Kept") -> dict[str, object]:
    return {
        "snapshot": each.id,
        "udid": plan.udid,
        "path": each.path,
        "data_from": rfc3339(each.data_from) if each.data_from else None,
        "reasons": list(each.reasons),
    }


def _going_row(plan: "Plan", each: "Going") -> dict[str, object]:
    return {
        "snapshot": each.id,
        "udid": plan.udid,
        "path": each.path,
        "data_from": rfc3339(each.data_from),
        "bytes": each.bytes,
        "gives_back": each.gives_back,
        "exact": plan.exact,
    }


def _text(plan: "Plan", *, dry_run: bool) -> str:
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
        lines.append(wrap(f"{what} would go, which would give back {at_most}{size_text(plan.gives_back)}."))
    else:
        lines.append(wrap(removed_text(plan)))
    return "\n".join(lines)


def _moment(each: "Kept") -> str:
    return time_text(each.data_from) if each.data_from else " " * 16
