"""``ibackup export``: what is in a backup, in forms that people can read."""

import importlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.sizes import size_text
from ibackup.cli.commands.reading_copy import from_copy_option, target_of
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.dates import FIRST_DAY, LAST_DAY
from ibackup.cli.shell.file_notices import FileNotices
from ibackup.cli.shell.file_text import clean, target_members
from ibackup.cli.shell.output import printable, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.shared_options import to_option
from ibackup.cli.shell.snapshot_argument import resolve
from ibackup.explore.opening import SnapshotTarget, open_unlocked
from ibackup.export.counting import counted
from ibackup.export.kinds import KINDS, TEXT_FORMATS

if TYPE_CHECKING:
    from ibackup.apple.backup import Backup
    from ibackup.export.export_request import Exported, ExportRequest

_Command = TypeVar("_Command", bound=Callable[..., Any])
_DAMAGED_HINT = (
    "What could be read was exported. An older snapshot may still have the rest (`ibackup list`); make a new backup "
    "soon, and see `ibackup verify`."
)


def _kind_options(function: _Command) -> _Command:
    for each in reversed(KINDS):
        function = click.option(f"--{each.name}", is_flag=True, help=each.help)(function)
    return function


def _formats(_context: click.Context, _option: click.Parameter, value: str) -> frozenset[str]:
    chosen = frozenset(each.strip().lower() for each in value.split(",") if each.strip())
    if not chosen or not chosen <= set(TEXT_FORMATS):
        raise click.BadParameter(f"{value!r} is not a list of {', '.join(TEXT_FORMATS)}.")
    return chosen


@ibackup_command("export")
@click.argument("snapshot", required=False)
@to_option("Folder for the export; created if missing", required=True)
@_kind_options
@click.option("--everything", is_flag=True, help="All of these, with one page that links them")
@click.option(
    "--with",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only conversations with NAME, a name, number or address",
)
@click.option("--since", type=FIRST_DAY, metavar="DATE", help="Only what is from DATE or later")
@click.option("--until", type=LAST_DAY, metavar="DATE", help="Only what is from DATE or earlier")
@click.option(
    "--format",
    "formats",
    default="html,json,csv",
    show_default=True,
    metavar="LIST",
    callback=_formats,
    help="Of conversations: html, json, csv, txt",
)
@click.option(
    "--vcard", type=click.Choice(["3.0", "4.0"]), default="3.0", show_default=True, help="Of contacts"
)
@click.option("--markdown", is_flag=True, help="Write notes as Markdown, not HTML")
@click.option("--jpeg", is_flag=True, help="Also make a JPEG of each HEIC picture")
@click.option("--immich", is_flag=True, help="Lay photos out for Immich and other importers")
@click.option("--gone-by", metavar="LATER", help="Only what the snapshot LATER does not have any more")
@click.option("--overwrite", is_flag=True, help="Replace files that were changed since they were exported")
@from_copy_option
@password_options
def command(
    app: App,
    snapshot: str | None,
    to: str,
    everything: bool,
    names: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    formats: frozenset[str],
    vcard: str,
    markdown: bool,
    jpeg: bool,
    immich: bool,
    gone_by: str | None,
    overwrite: bool,
    from_copy: str | None,
    password_file: str | None,
    password_command: str | None,
    **kinds: bool,
) -> int:
    """Export messages, contacts, photos and more in forms that people can read.

    SNAPSHOT is an id from `ibackup list`, a unique beginning of one, latest (the default), or a path. The pages open
    in any browser, without a network. Exporting again into the same folder writes only what is new. What is exported
    from an encrypted backup is no longer encrypted. To take out the phone's own files as they are, see
    `ibackup extract`. With --from-copy, the snapshot is one of a second copy, and only what is needed is fetched from
    there.
    """
    chosen = tuple(each.name for each in KINDS if everything or kinds[each.name.replace("-", "_")])
    if not chosen:
        options = ", ".join(f"--{each.name}" for each in KINDS)
        raise UsageError("Say what to export.", hint=f"Give --everything, or one or more of {options}.")
    from ibackup.export.needed_files import needed_by

    later = resolve(app, gone_by, only_read=True) if gone_by is not None else None
    unlocker = PasswordSources(app, password_file, password_command).unlocker

    def meanwhile() -> None:  # while the key is derived
        importlib.import_module("ibackup.export.exporting")

    def run(target: SnapshotTarget, backup: "Backup", after: "Backup | None") -> int:
        from ibackup.contents.time_zones import local_zone
        from ibackup.export.export_request import ExportRequest
        from ibackup.export.exporting import export

        request = ExportRequest(
            os.path.abspath(os.path.expanduser(to)),
            chosen,
            names=names,
            since=since,
            until=until,
            formats=formats,
            vcard=vcard,
            note_format="markdown" if markdown else "html",
            jpeg=jpeg,
            immich=immich,
            zone=local_zone(),
            overwrite=overwrite,
            later=after,
            snapshot=target.snapshot,
        )
        heard = FileNotices(app)
        done = export(backup, request, heard, app.reporter)
        return _end(app, target, request, done, heard, everything=everything)

    with (
        target_of(app, snapshot, from_copy, needed_by(chosen), unlocker) as target,
        open_unlocked(target, unlocker, app.reporter, meanwhile) as backup,
    ):
        if later is None:
            return run(target, backup, None)
        with open_unlocked(later, unlocker, app.reporter) as after:
            return run(target, backup, after)


def _end(
    app: App,
    target: SnapshotTarget,
    request: "ExportRequest",
    done: "Exported",
    heard: FileNotices,
    *,
    everything: bool,
) -> int:
    code = done.code(everything=everything)
    message, hint = _problem(request, done, everything=everything)
    payload = (
        target_members(target)
        | {
            "to": request.to,
            "files": done.files,
            "bytes": done.bytes,
            "same": done.same,
            "renamed": done.renamed,
            "findings": dict(done.troubles),
            "gaps": [
                {
                    "part": gap.part,
                    "reason": gap.reason,
                    "count": gap.count,
                    "examples": [clean(each) for each in gap.examples],
                    "damage": gap.damage,
                }
                for gap in done.gaps
            ],
            "not_found": [{"kind": kind, "reason": reason or None} for kind, reason in done.unfound],
        }
        | {noun.lower().replace(" ", "_"): number for noun, number in done.counts.items()}
    )
    return app.result(payload, "\n".join(_text(request, done, heard)), code, message=message, hint=hint)


def _problem(request: "ExportRequest", done: "Exported", *, everything: bool) -> tuple[str, str]:
    """The worst that happened, and what to do about it; empty if all is well."""
    if done.damaged:
        return (
            f"Part of this backup is damaged: {count_text(done.damaged, 'item')} of your choice.",
            _DAMAGED_HINT,
        )
    if done.kept_out:
        return (
            f"{count_text(done.kept_out, 'file')} could not be written because something is in the way.",
            "Give another, empty folder with --to; --overwrite replaces files.",
        )
    if done.is_nothing(everything=everything):
        return " ".join(_unfound(request, done)), "`ibackup files --apps` shows what there is."
    return "", ""


def _unfound(request: "ExportRequest", done: "Exported") -> Iterator[str]:
    """A sentence for each reason why kinds found nothing."""
    nothing = "Nothing was found for" if request.later is None else "Nothing is gone of"
    for reason in dict.fromkeys(reason for _, reason in done.unfound):
        kinds = ", ".join(f"--{kind}" for kind, each in done.unfound if each == reason)
        yield f"Nothing was found for {kinds}: {reason}." if reason else f"{nothing} {kinds}."


def _text(request: "ExportRequest", done: "Exported", heard: FileNotices) -> Iterator[str]:
    from ibackup.export.exporting import gap_text

    if done.counts:
        found = ", ".join(counted(number, noun) for noun, number in done.counts.items())
        yield wrap(f"Exported: {found}.")
        yield f"They are in {printable(request.to)}"
        index = os.path.join(request.to, "index.html")
        if len(request.kinds) > 1 and os.path.isfile(index):
            yield f"To look at them, open {printable(index)}"
        yield wrap(_written(done))
    yield from map(wrap, _unfound(request, done))
    if done.gaps:
        yield "Left out:"
        for gap in done.gaps:
            yield wrap(f"- {printable(gap_text(gap))}", indent="  ", hanging="    ")
    yield from heard.trouble_lines(done.troubles)
    if done.damaged:
        yield wrap(f"Part of this backup is damaged. {_DAMAGED_HINT}")


def _written(done: "Exported") -> str:
    if not done.files:
        return f"Nothing was new: {count_text(done.same, 'file was', 'files were')} there already."
    written = f"{count_text(done.files, 'file was', 'files were')} written, {size_text(done.bytes)}"
    return f"{written}; {done.same:,} needed no change." if done.same else f"{written}."
