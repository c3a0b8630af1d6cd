"""``ibackup search``: find words in messages, notes and more, in all snapshots."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from ibackup.base.errors import IbackupError, PasswordNeeded, UsageError
from ibackup.base.exit_codes import ExitCode, worst
from ibackup.cli.commands.search_text import gap_lines, hit_event, hit_lines, nothing_text, title_line
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.file_text import Lines, clean
from ibackup.cli.shell.output import styled
from ibackup.cli.shell.password_sources import HOW_TO_GIVE, PasswordSources, password_options
from ibackup.cli.shell.snapshot_argument import resolve
from ibackup.explore.opening import SnapshotTarget
from ibackup.search.documents import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.search.search_hits import Searched
    from ibackup.search.searching import Search

_ALL = "all"
_SHOWN = 20


@ibackup_command("search")
@click.argument("words", nargs=-1, required=True)
@click.option("--in", "kinds", multiple=True, type=click.Choice(KINDS), help="Only in this kind; repeatable")
@click.option(
    "--snapshot",
    "ref",
    default=_ALL,
    metavar="ID",
    help="Only in this snapshot, or in this folder [all]",
    shell_complete=COMPLETING.snapshots,
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=_SHOWN,
    metavar="N",
    help=f"Hits to show of each kind; 0: all [{_SHOWN}]",
)
@password_options
def command(
    app: App,
    words: tuple[str, ...],
    kinds: tuple[str, ...],
    ref: str,
    limit: int,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Find words in messages, people, notes, calendars, calls and file names, in all snapshots.

    A hit has all WORDS, or words that begin with them; case and accents do not matter. Put words that follow each
    other in quotes. The first search reads the snapshots and keeps an index, encrypted like the backup; the next ones
    read only what is new.
    """
    from ibackup.search.search_hits import SearchRequest
    from ibackup.search.search_words import SearchWords
    from ibackup.search.searching import Search

    wanted = SearchWords.parse(words)
    request = SearchRequest(
        wanted, tuple(each for each in KINDS if not kinds or each in kinds), limit or None
    )
    search = Search(request, PasswordSources(app, password_file, password_command).unlocker, app.reporter)
    with ExitStack() as stack:
        found: list[tuple[str, Searched]] = []
        for udid, searched in _search(app, search, ref):
            found.append((udid, stack.enter_context(searched)))
        app.stop_progress()
        shown = _show(app, found, several=len(found) > 1)
        return _end(app, words, found, shown)


def _search(app: App, search: "Search", ref: str) -> "Iterator[tuple[str, Searched]]":
    """The UDID and the hits of each phone, or of the one backup that is meant."""
    if ref != _ALL:
        target = resolve(app, ref, only_read=True)
        yield target.udid or "", _one(search, target)
        return
    store = app.open_store()
    phones = [store.phone(app.udid)] if app.udid is not None else store.phones()
    phones = [phone for phone in phones if phone.entries()]
    if not phones:
        raise UsageError("There is no snapshot yet.", hint="Make one with `ibackup now`.")
    for phone in phones:
        yield phone.udid, search.phone(phone, store.id)


def _one(search: "Search", target: SnapshotTarget) -> "Searched":
    from ibackup.store.phone_folder import PhoneFolder
    from ibackup.store.store import Store

    folder = PhoneFolder.holding(target.snapshot) if target.snapshot is not None else None
    if folder is None or target.snapshot is None:
        return search.folder(target.path, target.udid)
    try:
        store = Store.open(os.path.dirname(folder.path), create=False)
    except IbackupError:
        return search.folder(target.path, target.udid)  # a copy of a phone's folder
    return search.phone(folder, store.id, target.snapshot.id)


def _show(app: App, found: "list[tuple[str, Searched]]", *, several: bool) -> int:
    lines, shown = Lines(app), 0
    for udid, searched in found:
        if several and searched.counts:
            lines.add(styled(title_line(app.phones.of(udid).name, 0, 0), bold=True))
        for kind, count in searched.counts.items():
            for number, hit in enumerate(searched.hits(kind)):
                if app.settings.json:
                    app.reporter.emit(hit_event(hit, udid, searched.snapshots))
                else:
                    if not number:
                        lines.add(styled(title_line(kind, count, searched.limit(kind)), bold=True))
                    for line in hit_lines(hit, searched.snapshots):
                        lines.add(line)
                shown += 1
    lines.flush()
    return shown


def _end(app: App, words: tuple[str, ...], found: "list[tuple[str, Searched]]", shown: int) -> int:
    counts: dict[str, int] = {}
    for _, searched in found:
        for kind, count in searched.counts.items():
            counts[kind] = counts.get(kind, 0) + count
    gaps = [gap for _, searched in found for gap in searched.gaps]
    locked = [gap for gap in gaps if gap.locked]
    damaged = [gap for gap in gaps if not gap.locked and not gap.minor]
    if locked and not any(searched.snapshots for _, searched in found):
        raise PasswordNeeded(locked[0].reason, hint=HOW_TO_GIVE)
    codes = [*([ExitCode.DAMAGE] if damaged else []), *([ExitCode.PASSWORD] if locked else [])]
    message, hint = "", ""
    if damaged:
        message = "Not everything could be searched: some snapshots are damaged."
        hint = "`ibackup verify` says more about each of them."
    elif locked:
        message = "Not everything could be searched: some snapshots stayed locked."
        hint = f"{locked[0].reason} An older snapshot opens with the password of its time: `--password-file`."
    payload = {
        "words": [clean(each) for each in words],
        "hits": sum(counts.values()),
        "shown": shown,
        "kinds": counts,
        "snapshots": sum(len(searched.snapshots) for _, searched in found),
        "gaps": [
            {
                "snapshot": clean(gap.snapshot),
                "reason": clean(gap.reason),
                "locked": gap.locked,
                "minor": gap.minor,
            }
            for gap in gaps
        ],
    }
    text = "\n".join([*([] if counts else [nothing_text(found)]), *gap_lines(gaps, hint)])
    return app.result(payload, text, worst(codes), message=message, hint=hint)
