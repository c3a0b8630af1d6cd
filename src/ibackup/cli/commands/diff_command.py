"""``ibackup diff``: what changed from one snapshot to another."""

from collections import Counter

import click

from ibackup.apple.backup import Backup
from ibackup.base.events import Caution
from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.file_text import BadRows, Lines, clean, name_text, table
from ibackup.cli.shell.output import printable
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.snapshot_argument import resolve
from ibackup.explore.backup_diff import AppChanges, Change, Difference, compare_by_app, same_phone
from ibackup.explore.opening import open_unlocked

_SIGNS: dict[Change, str] = {"added": "+", "removed": "-", "changed": "~", "grown": ">"}
_ORDER: tuple[Change, ...] = ("added", "removed", "changed", "grown")


@ibackup_command("diff")
@click.argument("a")
@click.argument("b")
@click.option("--long", "-l", "long", is_flag=True, help="Name each file, not the apps alone")
@password_options
def command(
    app: App, a: str, b: str, long: bool, password_file: str | None, password_command: str | None
) -> int:
    """Compare two snapshots, or any two backup folders: what changed from A to B, by app.

    A file has changed when its size, its time or its checksum has. With --long each file is named: + added,
    - removed, > grown, ~ changed otherwise. A and B are ids from `ibackup list`, unique beginnings of them, latest, or
    paths.
    """
    unlocker = PasswordSources(app, password_file, password_command).unlocker
    one, other = (resolve(app, ref, only_read=True) for ref in (a, b))
    heard = app.reporter
    with open_unlocked(one, unlocker, heard) as before, open_unlocked(other, unlocker, heard) as after:
        if not same_phone(before, after):
            app.reporter(Caution("These are backups of two different phones."))
        bad = BadRows(app)
        found = _compare(app, before, after, bad, long=long)
    counts: Counter[Change] = Counter()
    for each in found:
        counts.update(each.counts)
    growth = sum(each.growth for each in found)
    payload: dict[str, object] = {
        "before": {"snapshot": one.snapshot.id if one.snapshot else None, "path": one.path},
        "after": {"snapshot": other.snapshot.id if other.snapshot else None, "path": other.path},
        **{change: counts[change] for change in _ORDER},
        "growth_bytes": growth,
        "findings": bad.count,
    }
    text = "\n".join(filter(None, [_text(found, counts, growth), bad.text()]))
    code = ExitCode.DAMAGE if bad.count else ExitCode.OK
    return app.result(payload, text, code, message=bad.message, hint=bad.hint)


def _compare(app: App, before: Backup, after: Backup, bad: BadRows, *, long: bool) -> list[AppChanges]:
    """The changes by app; each file is reported on the way."""
    lines = Lines(app)

    def each(difference: Difference) -> None:
        if app.settings.json:
            app.reporter.emit(_event(difference))
        elif long:
            lines.add(_line(difference))

    found = compare_by_app(before, after, bad, each)
    lines.flush()
    for changes in found:
        app.reporter.emit(
            {"event": "app", "id": clean(changes.owner.key), "name": clean(changes.owner.name)}
            | {change: changes.counts[change] for change in _ORDER}
            | {"growth_bytes": changes.growth}
        )
    return found


def _event(difference: Difference) -> dict[str, object]:
    return {
        "event": "difference",
        "change": difference.change,
        "file_id": difference.file_id,
        "domain": clean(difference.domain),
        "path": clean(difference.path),
        "size_before": difference.before,
        "size_after": difference.after,
        "what": list(difference.what),
    }


def _line(difference: Difference) -> str:
    sizes = f"{_signed(difference.growth)}"
    name = name_text(difference.domain, difference.path)
    return f"{_SIGNS[difference.change]} {sizes:>12}  {name}"


def _signed(size: int) -> str:
    return f"{'-' if size < 0 else '+'}{size_text(abs(size))}"


def _text(found: list[AppChanges], counts: "Counter[Change]", growth: int) -> str:
    if not found:
        return "Nothing changed."
    rows = [("size", *_ORDER, "")]
    rows += [
        (
            _signed(each.growth),
            *(f"{each.counts[change]:,}" if each.counts[change] else "" for change in _ORDER),
            printable(each.owner.name),
        )
        for each in found
    ]
    rows.append((_signed(growth), *(f"{counts[change]:,}" for change in _ORDER), "all together"))
    return "\n".join(line.rstrip() for line in table(rows, 5))
