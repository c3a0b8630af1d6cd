"""``ibackup extract``: take files out of a snapshot, or out of any backup folder."""

import importlib
import os
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.completing import folders
from ibackup.cli.file_text import clean, name_text, target_members
from ibackup.cli.output import count_text, printable, size_text, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.cli.snapshots import Target, open_unlocked, resolve
from ibackup.errors import ExitCode, UsageError
from ibackup.explore.ready import Ready
from ibackup.explore.selection import PRESETS, Selection

if TYPE_CHECKING:
    from ibackup.explore.extraction import Extracted, Notice, Wanted
    from ibackup.explore.names import Renamed
    from ibackup.explore.writing import Trouble

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SHOWN = 20  # of each kind of trouble; --json names all
_DAMAGED_HINT = (
    "An older snapshot may still have these files (`ibackup list`); make a new backup soon, and see "
    "`ibackup verify`."
)
_HELP = {
    "photos": "Photos and videos, with the time they were taken",
    "messages": "Messages and their attachments",
    "contacts": "Contacts",
    "calls": "Call history",
    "calendar": "Calendars",
    "notes": "Notes",
    "voice-memos": "Voice memos",
    "whatsapp": "WhatsApp: chats and media",
}
_SAID = {
    "record": "the entry in the backup's list cannot be read",
    "missing": "not in the backup",
    "unreadable": "cannot be read",
    "key": "the key does not open",
    "short": "only a part is in the backup; it was written",
    "padding": "the end did not decrypt as it must; written, and perhaps damaged in part",
    "changed": "not what was backed up, as `ibackup verify` found; written all the same",
    "refused": "cannot be written there",
    "exists": "something else of that name is there (--overwrite replaces files)",
}


def _preset_options(function: _Command) -> _Command:
    for name in reversed(PRESETS):
        function = click.option(f"--{name}", is_flag=True, help=_HELP[name])(function)
    return function


@ibackup_command("extract")
@click.argument("snapshot")
@click.option(
    "--to",
    required=True,
    metavar="FOLDER",
    help="Where the files go; made when it is not there",
    shell_complete=folders,
)
@click.option("--all", "everything", is_flag=True, help="Everything in the backup")
@_preset_options
@click.option(
    "--app", "bundles", multiple=True, metavar="BUNDLE", help="All of an app, as --apps of `files` names it"
)
@click.option(
    "--domain", "domains", multiple=True, metavar="DOMAIN", help="A domain, or a pattern for domains"
)
@click.option("--like", multiple=True, metavar="GLOB", help="Of all that, only paths like this")
@click.option("--links", is_flag=True, help="Also write symbolic links")
@click.option("--overwrite", is_flag=True, help="Replace files that are there and differ")
@click.option("--portable", is_flag=True, help="Use names that are good on every system, Windows too")
@password_options
def command(
    app: App,
    snapshot: str,
    to: str,
    everything: bool,
    bundles: tuple[str, ...],
    domains: tuple[str, ...],
    like: tuple[str, ...],
    links: bool,
    overwrite: bool,
    portable: bool,
    password_file: str | None,
    password_command: str | None,
    **presets: bool,
) -> int:
    """Take files out of a snapshot, or out of any backup folder.

    Files keep their names, times and folders, below one folder for each domain. What is there already is not
    written again, and never replaced without --overwrite. Names that the disk cannot hold are changed and listed.
    Files taken out of an encrypted backup are not encrypted any more.
    """
    chosen = [name for name in PRESETS if presets[name.replace("-", "_")]]
    if not (everything or chosen or bundles or domains or like):
        raise UsageError(
            "What to take out is missing.",
            hint="Say --all, --photos, --messages, --app BUNDLE, --domain DOMAIN or --like GLOB; "
            "`ibackup extract --help` has them all.",
        )
    if everything and (chosen or bundles or domains or like):
        raise UsageError(
            "--all takes everything: nothing can be chosen beside it.", hint="Leave one of them out."
        )
    target = resolve(app, snapshot, only_read=True)
    sources = PasswordSources(app, password_file, password_command)
    selection = Selection.of(domains=domains, apps=bundles, presets=chosen, like=like)

    def meanwhile() -> None:  # while the key is derived
        importlib.import_module("ibackup.explore.extraction")
        if selection.is_everything:
            ready.look(target.path)
        ready.start()

    with Ready() as ready, open_unlocked(app, target, sources, meanwhile) as backup:
        from ibackup.explore.extraction import Wanted, extract

        wanted = Wanted(
            selection,
            os.path.abspath(os.path.expanduser(to)),
            links=links,
            overwrite=overwrite,
            portable=portable,
            photo_dates="photos" in chosen or everything,
            keep_out=_keep_out(target),
            damaged=_known_damage(target),
        )
        heard = _Heard(app)
        done = extract(backup, wanted, heard, app.reporter, ready)
    return _end(app, target, wanted, done, heard)


def _keep_out(target: Target) -> tuple[str, ...]:
    """The store that a snapshot lies in: STORE/UDID/snapshots/ID."""
    if target.snapshot is None:
        return ()
    return (os.path.join(target.snapshot.path, os.pardir, os.pardir, os.pardir),)


def _known_damage(target: Target) -> frozenset[str]:
    """What verifications found damaged in a snapshot: taking a file out does not notice that by itself."""
    if target.snapshot is None:
        return frozenset()
    from ibackup.store import PhoneFolder

    folder = PhoneFolder.holding(target.snapshot)
    return folder.proofs(target.snapshot.id).damaged if folder is not None else frozenset()


class _Heard:
    """What the run tells on the way: all of it with --json, else the first few of each kind for the end."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.troubles: dict[str, list[Trouble]] = defaultdict(list)
        self.renamed: list[Renamed] = []

    def __call__(self, notice: "Notice") -> None:
        from ibackup.explore.names import Renamed

        if isinstance(notice, Renamed):
            if len(self.renamed) < _SHOWN:
                self.renamed.append(notice)
            event: dict[str, object] = {
                "event": "renamed",
                "domain": clean(notice.domain),
                "path": clean(notice.path),
                "became": clean(notice.became),
                "reason": notice.reason,
            }
        else:
            if len(self.troubles[notice.kind]) < _SHOWN:
                self.troubles[notice.kind].append(notice)
            event = {
                "event": "finding",
                "kind": notice.kind,
                "file_id": clean(notice.file_id),
                "domain": clean(notice.domain),
                "path": clean(notice.path),
                "message": notice.text,
                "written": notice.written,
            }
        self._app.reporter.emit(event)


def _end(app: App, target: Target, wanted: "Wanted", done: "Extracted", heard: _Heard) -> int:
    code, message, hint = ExitCode.OK, "", ""
    if done.damaged:
        if target.snapshot is not None:
            target.snapshot.refuse_if_removed()
        code, hint = ExitCode.DAMAGE, _DAMAGED_HINT
        message = f"Part of this backup is damaged: {count_text(done.damaged, 'file')} of what was asked for."
    elif done.kept_out:
        code, hint = ExitCode.FAILED, "Give another, empty folder with --to; --overwrite replaces files."
        message = f"{count_text(done.kept_out, 'file')} could not be written, since something is in the way."
    payload = target_members(target) | {
        "to": wanted.to,
        "files": done.files,
        "bytes": done.bytes,
        "same": done.same,
        "folders": done.folders,
        "links": done.links,
        "left_links": done.left_links,
        "dated": done.dated,
        "renamed": done.renamed,
        "renamed_list": done.renamed_list or None,
        "findings": dict(done.troubles),
    }
    return app.result(payload, "\n".join(_text(wanted, done, heard)), code, message=message, hint=hint)


def _text(wanted: "Wanted", done: "Extracted", heard: _Heard) -> list[str]:
    if not (done.files or done.same or done.troubles or done.links):
        return [wrap("Nothing in this backup is what you asked for. `ibackup files` shows what there is.")]
    lines = [
        f"Taken out: {count_text(done.files, 'file')}, {size_text(done.bytes)}.",
        f"They are in {printable(wanted.to)}",
    ]
    if done.same:
        more = "more " if done.files else ""
        were = count_text(done.same, f"{more}was", f"{more}were")
        lines.append(f"{were} there already, with the same size and time.")
    if done.dated:
        dated = count_text(done.dated, "file of the camera roll has", "files of the camera roll have")
        lines.append(wrap(f"{dated} the time their picture was taken."))
    if done.left_links:
        left = count_text(done.left_links, "symbolic link was", "symbolic links were")
        lines.append(f"{left} left out (--links writes them).")
    if done.renamed:
        names = count_text(done.renamed, "name")
        lines.append(wrap(f"{names} had to change, since this disk cannot hold them as they are:"))
        lines += [
            f"  {name_text(each.domain, each.path)} is now {printable(each.became)}" for each in heard.renamed
        ]
        if done.renamed > len(heard.renamed):
            lines.append(f"  and {done.renamed - len(heard.renamed):,} more")
        if done.renamed_list:
            lines.append(f"All of them are listed in {printable(done.renamed_list)}")
    for kind, count in done.troubles.most_common():
        named = heard.troubles[kind]
        lines.append(wrap(f"{count_text(count, 'file')}: {_SAID[kind]}:"))
        lines += [f"  {name_text(each.domain, each.path)}: {printable(each.text)}" for each in named]
        if count > len(named):
            lines.append(f"  and {count - len(named):,} more; --json names all")
    if done.damaged:
        lines.append(wrap(f"Part of this backup is damaged. {_DAMAGED_HINT}"))
    return lines
