"""``ibackup files``: look into a snapshot, or into any backup folder."""

from collections import Counter
from collections.abc import Iterator, Mapping

import click

from ibackup.apple.backup import Backup
from ibackup.apple.rows import Kind
from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.events import Note
from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.file_text import (
    BadRows,
    Lines,
    clean,
    file_event,
    long_line,
    name_text,
    table,
    target_members,
    totals,
)
from ibackup.cli.shell.output import printable
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.snapshot_argument import names_backup, resolve
from ibackup.explore.app_owners import Apps
from ibackup.explore.listing import Folder, by_app, find, tree
from ibackup.explore.opening import SnapshotTarget, open_unlocked

_DEPTH = 3


@ibackup_command("files")
@click.argument("snapshot", required=False)
@click.argument("pattern", required=False, metavar="[DOMAIN|GLOB]")
@click.option("--long", "-l", "long", is_flag=True, help="Also show mode, size, time and fileID")
@click.option("--apps", is_flag=True, help="Show the size of each app, largest first")
@click.option("--tree", "as_tree", is_flag=True, help="Show folders with their sizes")
@click.option(
    "--depth", type=click.IntRange(1, 64), metavar="N", help=f"With --tree: how many levels [{_DEPTH}]"
)
@password_options
def command(
    app: App,
    snapshot: str | None,
    pattern: str | None,
    long: bool,
    apps: bool,
    as_tree: bool,
    depth: int | None,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Look into a snapshot, or into any backup folder.

    SNAPSHOT is an id from `ibackup list`, a unique beginning of one, latest (the default), or a path. DOMAIN or GLOB
    limits the output: a domain (HomeDomain), a file's name, or a pattern for domains and paths ('*.jpg',
    'HomeDomain/Library/SMS/*'). An encrypted backup needs its password.
    """
    if long + apps + as_tree > 1 or (depth and not as_tree):
        raise UsageError(
            "--long, --apps and --tree exclude each other, and --depth goes with --tree.",
            hint="Choose one of them.",
        )
    if snapshot is not None and pattern is None and not names_backup(snapshot):
        snapshot, pattern = None, snapshot
    target = resolve(app, snapshot, only_read=True)
    unlocker = PasswordSources(app, password_file, password_command).unlocker
    with open_unlocked(target, unlocker, app.reporter) as backup:
        if apps:
            return _apps(app, target, backup, pattern)
        if as_tree:
            return _tree(app, target, backup, pattern, depth or _DEPTH)
        return _list(app, target, backup, pattern, long=long)


def _list(app: App, target: SnapshotTarget, backup: Backup, pattern: str | None, *, long: bool) -> int:
    bad, lines, counts, size = BadRows(app), Lines(app), Counter[Kind](), 0
    as_json = app.settings.json
    for entry in find(backup, pattern, bad):
        counts[entry.kind] += 1
        if entry.kind is Kind.FILE:
            size += entry.size
        if as_json:
            app.reporter.emit(file_event(entry))
        elif entry.kind is Kind.FOLDER:
            continue
        else:
            lines.add(long_line(entry) if long else name_text(entry.domain, entry.relative_path))
    lines.flush()
    members = {
        "files": counts[Kind.FILE],
        "folders": counts[Kind.FOLDER],
        "links": counts[Kind.LINK],
        "bytes": size,
    }
    return _end(app, target, bad, members, totals(counts, size))


def _apps(app: App, target: SnapshotTarget, backup: Backup, pattern: str | None) -> int:
    bad = BadRows(app)
    found = by_app(find(backup, pattern, bad), Apps.of(backup))
    for total in found:
        app.reporter.emit(
            {
                "event": "app",
                "id": clean(total.key),
                "name": clean(total.name),
                "bytes": total.bytes,
                "files": total.files,
                "domains": {clean(domain): size for domain, size in total.domains.items()},
            }
        )
    rows = [
        (
            size_text(total.bytes),
            count_text(total.files, "file"),
            printable(total.name) + ("" if total.name == total.key else f" ({printable(total.key)})"),
        )
        for total in found
    ]
    app.reporter.answer("\n".join(table(rows, 2)))
    size, files = sum(total.bytes for total in found), sum(total.files for total in found)
    return _end(
        app,
        target,
        bad,
        {"apps": len(found), "files": files, "bytes": size},
        totals(Counter({Kind.FILE: files}), size),
    )


def _tree(app: App, target: SnapshotTarget, backup: Backup, pattern: str | None, depth: int) -> int:
    bad, lines = BadRows(app), Lines(app)
    root = tree(find(backup, pattern, bad), depth)
    for level, path, folder in _walk(root):
        if app.settings.json:
            event = {"event": "folder", "path": clean(path), "bytes": folder.bytes, "files": folder.files}
            app.reporter.emit(event)
        else:
            indent = "  " * level
            lines.add(f"{size_text(folder.bytes):>11}  {folder.files:>9,}  {indent}{printable(folder.name)}/")
    lines.flush()
    members = {"files": root.files, "bytes": root.bytes}
    return _end(
        app,
        target,
        bad,
        members,
        f"{count_text(root.files, 'file or link', 'files and links')}, {size_text(root.bytes)}",
    )


def _walk(root: Folder) -> Iterator[tuple[int, str, Folder]]:
    """Level, path and folder, each below the one that holds it; the root itself is left out."""
    waiting = [(0, folder.name, folder) for _, folder in sorted(root.folders.items(), reverse=True)]
    while waiting:
        level, path, folder = waiting.pop()
        yield level, path, folder
        waiting += [
            (level + 1, f"{path}/{below.name}", below)
            for _, below in sorted(folder.folders.items(), reverse=True)
        ]


def _end(app: App, target: SnapshotTarget, bad: BadRows, members: Mapping[str, object], said: str) -> int:
    app.reporter(Note(f"{said}."))
    code = ExitCode.DAMAGE if bad.count else ExitCode.OK
    payload = target_members(target) | dict(members) | {"findings": bad.count}
    return app.result(payload, bad.text(), code, message=bad.message, hint=bad.hint)
