"""``ibackup extract``: take files out of a snapshot, or out of any backup folder."""

import importlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.apple.format_errors import NOT_DAMAGED
from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.sizes import size_text
from ibackup.cli.commands.reading_copy import from_copy_option, target_of
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.file_notices import FileNotices
from ibackup.cli.shell.file_text import clean, name_text, target_members
from ibackup.cli.shell.output import printable, whole, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.shared_options import to_option
from ibackup.explore.head_start import Ready
from ibackup.explore.opening import SnapshotTarget, open_unlocked
from ibackup.explore.selection import PRESETS, Selection

if TYPE_CHECKING:
    from ibackup.explore.extraction import Extracted, Wanted

_Command = TypeVar("_Command", bound=Callable[..., Any])
_DAMAGED_HINT = (
    "An older snapshot may still have these files (`ibackup list`); make a new backup soon, and see "
    "`ibackup verify`."
)
_LIST_LOST = (
    "The list of files is lost or damaged, so nobody can tell which files of your choice are missing here."
)
_LIST_HINT = "Look for another copy of this backup, or an older one: you need only its Manifest.db."
_NOTHING_HINT = "`ibackup files` lists the files, `ibackup files --apps` by app."
_DATABASES = {
    "messages": "Messages (sms.db)",
    "contacts": "Contacts (AddressBook.sqlitedb)",
    "calls": "Calls (CallHistory.storedata)",
    "calendar": "Calendars (Calendar.sqlitedb)",
    "reminders": "Reminders (Data-*.sqlite)",
    "notes": "Notes (NoteStore.sqlite)",
    "whatsapp": "WhatsApp's chats (ChatStorage.sqlite)",
    "safari": "Safari (Bookmarks.db, History.db)",
    "health": "Health (healthdb_secure.sqlite)",
}
"""The presets that are in a database, and its file name."""
_HELP = {
    "photos": "Photos and videos, with the time they were taken",
    "messages": "Messages and their attachments",
    "contacts": "Contacts",
    "calls": "Call history",
    "voicemail": "Voicemail",
    "voice-memos": "Voice memos",
    "calendar": "Calendars",
    "reminders": "Reminders",
    "notes": "Notes",
    "whatsapp": "WhatsApp: chats and media",
    "safari": "Safari: bookmarks, Reading List, history",
    "health": "Health",
}


def _preset_options(function: _Command) -> _Command:
    for name in reversed(PRESETS):
        function = click.option(f"--{name}", is_flag=True, help=_HELP[name])(function)
    return function


@ibackup_command("extract")
@click.argument("snapshot", required=False)
@to_option("Folder for the files; created if missing", required=True)
@click.option("--all", "everything", is_flag=True, help="Everything in the backup")
@_preset_options
@click.option(
    "--app",
    "bundles",
    multiple=True,
    metavar="BUNDLE",
    help="Everything of an app, named as in `files --apps`",
)
@click.option(
    "--domain", "domains", multiple=True, metavar="DOMAIN", help="A domain, or a pattern for domains"
)
@click.option("--like", multiple=True, metavar="GLOB", help="Of all these, only paths that match GLOB")
@click.option("--links", is_flag=True, help="Also write symbolic links")
@click.option("--overwrite", is_flag=True, help="Replace existing files that differ")
@click.option("--portable", is_flag=True, help="Use names that work on every system, including Windows")
@from_copy_option
@password_options
def command(
    app: App,
    snapshot: str | None,
    to: str,
    everything: bool,
    bundles: tuple[str, ...],
    domains: tuple[str, ...],
    like: tuple[str, ...],
    links: bool,
    overwrite: bool,
    portable: bool,
    from_copy: str | None,
    password_file: str | None,
    password_command: str | None,
    **presets: bool,
) -> int:
    """Take files out of a snapshot, or out of any backup folder.

    SNAPSHOT is an id from `ibackup list`, a unique beginning of one, latest (the default), or a path.
    Files keep their names, times and folders, in one folder per domain. Files that exist already are not written
    again, and never replaced without --overwrite. Names that the disk cannot store are changed and listed. Files
    taken out of an encrypted backup are no longer encrypted. If one of the choices finds nothing, ibackup says so
    and ends with exit code 1. With --from-copy, the snapshot is one of a second copy, and only what you
    choose is fetched from there.
    """
    chosen = [name for name in PRESETS if presets[name.replace("-", "_")]]
    if not (everything or chosen or bundles or domains or like):
        raise UsageError(
            "Say what to take out.",
            hint="Give --all, --photos, --messages, --app BUNDLE, --domain DOMAIN or --like GLOB; "
            "`ibackup extract --help` lists them all.",
        )
    if everything and (chosen or bundles or domains or like):
        raise UsageError(
            "--all takes everything, so it excludes the other choices.", hint="Leave one of them out."
        )
    unlocker = PasswordSources(app, password_file, password_command).unlocker
    selection = Selection.of(domains=domains, apps=bundles, presets=chosen, like=like)

    def meanwhile() -> None:  # while the key is derived
        importlib.import_module("ibackup.explore.extraction")
        if selection.is_everything:
            ready.look(target.path)
        ready.start()

    with (
        target_of(app, snapshot, from_copy, selection, unlocker) as target,
        Ready() as ready,
        open_unlocked(target, unlocker, app.reporter, meanwhile) as backup,
    ):
        from ibackup.explore.extraction import Wanted, extract

        wanted = Wanted(
            selection,
            os.path.abspath(os.path.expanduser(to)),
            links=links,
            overwrite=overwrite,
            portable=portable,
            photo_dates="photos" in chosen or everything,
            snapshot=target.snapshot,
        )
        heard = FileNotices(app)
        done = extract(backup, wanted, heard, app.reporter, ready)
    return _end(app, target, wanted, done, heard)


def _end(app: App, target: SnapshotTarget, wanted: "Wanted", done: "Extracted", heard: FileNotices) -> int:
    message, hint = _problem(done)
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
        "list_lost": done.list_lost,
        "findings": dict(done.troubles),
        "not_found": [
            {"kind": choice.kind, "name": clean(choice.name), "reason": reason or None}
            for choice, reason in done.unfound
        ],
    }
    return app.result(payload, "\n".join(_text(wanted, done, heard)), done.code, message=message, hint=hint)


def _problem(done: "Extracted") -> tuple[str, str]:
    """The worst that happened, and what to do about it; empty if all is well."""
    if done.mixture is not None and done.is_mixture:
        return done.mixture.sentence, NOT_DAMAGED
    if done.damaged:
        damaged = count_text(done.damaged, "file")
        return f"Part of this backup is damaged: {damaged} of your choice.", _DAMAGED_HINT
    if done.list_lost:
        return _LIST_LOST, _LIST_HINT
    if done.kept_out:
        return (
            f"{count_text(done.kept_out, 'file')} could not be written because something is in the way.",
            "Give another, empty folder with --to; --overwrite replaces files.",
        )
    if done.unfound:
        return f"Nothing was found for {_options(done)}.", _NOTHING_HINT
    return "", ""


def _options(done: "Extracted") -> str:
    """The choices that found nothing."""
    return ", ".join(printable(choice.option) for choice, _ in done.unfound)


def _is_known(done: "Extracted") -> bool:
    """Whether there is more to say than that nothing was found."""
    return done.list_lost or any(reason for _, reason in done.unfound)


def _unfound(done: "Extracted") -> Iterator[str]:
    if done.list_lost:
        yield wrap(f"{_LIST_LOST} {_LIST_HINT}")
    for choice, reason in done.unfound:
        known = f": {reason}" if reason else ""
        yield wrap(f"Nothing was found for {printable(choice.option)}{known}.")


def _reading(wanted: "Wanted", done: "Extracted") -> Iterator[str]:
    """Where the photos are, and that databases do not open with a double-click."""
    presets = {choice.name for choice in wanted.selection.choices if choice.kind == "preset"} - {
        choice.name for choice, _ in done.unfound
    }
    photos = os.path.join(wanted.to, "CameraRollDomain", "Media", "DCIM")
    if "photos" in presets and os.path.isdir(photos):
        yield wrap(f"The photos are in {whole(printable(photos))}")
    chosen = [name for name in _DATABASES if name in presets]
    if chosen:
        yield wrap(
            f"{', '.join(_DATABASES[name] for name in chosen)}: "
            + ("these are databases" if len(chosen) > 1 else "this is a database")
            + f". To read what is in {'them' if len(chosen) > 1 else 'it'}: `ibackup export "
            + " ".join(f"--{name}" for name in chosen)
            + " --to FOLDER`."
        )


def _text(wanted: "Wanted", done: "Extracted", heard: FileNotices) -> list[str]:
    if not (done.files or done.same or done.troubles or done.links):
        nothing = "This backup has nothing that you asked for. `ibackup files` shows what there is."
        return [wrap(nothing), *(_unfound(done) if _is_known(done) else ())]
    lines = [
        f"Taken out: {count_text(done.files, 'file')}, {size_text(done.bytes)}.",
        f"They are in {printable(wanted.to)}",
    ]
    lines += _reading(wanted, done)
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
        lines.append(wrap(f"{names} had to change, because this disk cannot store them:"))
        lines += [
            f"  {name_text(each.domain, each.path)} is now {printable(each.became)}" for each in heard.renamed
        ]
        if done.renamed > len(heard.renamed):
            lines.append(f"  and {done.renamed - len(heard.renamed):,} more")
        if done.renamed_list:
            lines.append(f"All of them are listed in {printable(done.renamed_list)}")
    lines += heard.trouble_lines(done.troubles)
    lines += _unfound(done)
    if done.mixture is not None and done.locked:
        lines.append(wrap(f"{done.mixture.sentence} {NOT_DAMAGED}"))
    if done.damaged > done.locked:
        lines.append(wrap(f"Part of this backup is damaged. {_DAMAGED_HINT}"))
    return lines
