"""``ibackup mount``: snapshots as folders in the file manager."""

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ibackup.base.errors import IbackupError, PasswordWrong, UsageError
from ibackup.base.events import Caution
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.snapshot_argument import resolve
from ibackup.cli.shell.typed_values import DURATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibackup.mount.path_lookup import PathLookup
    from ibackup.vault.unlocker import Unlocker

_COPIES = (
    "What you open is decrypted on the way. ibackup writes nothing decrypted to the disk, but programs keep copies of "
    "their own: thumbnails, recent files, a search index."
)


@ibackup_command("mount")
@click.argument("snapshot", required=False)
@click.option(
    "--at",
    metavar="FOLDER",
    help="Empty folder where the snapshots appear; created if missing",
    shell_complete=files,
)
@click.option(
    "--kind",
    type=click.Choice(["fuse", "webdav"]),
    help="How to show it [fuse if this computer has it]",
)
@click.option("--links", is_flag=True, help="Show symbolic links as links instead of text files")
@click.option("--idle", type=DURATION, default=0.0, metavar="TIME", help="Unmount after TIME without use")
@password_options
def command(
    app: App,
    snapshot: str | None,
    at: str | None,
    kind: str | None,
    links: bool,
    idle: float,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Show snapshots as folders, read-only, until Ctrl-C or `ibackup unmount`.

    SNAPSHOT is an id from `ibackup list`, a unique beginning of one, latest, or the path of any backup folder. If you
    give none, all snapshots are there, in a folder for each phone. Files are decrypted while you read them. A snapshot
    that you have looked into is not pruned before you unmount. With FUSE and `ibackup[mount]` the folders are at --at;
    without them, ibackup serves them by WebDAV to this computer alone, with a user and a password for this run.
    """
    from ibackup.mount.fuse_face import why_no_fuse

    why = why_no_fuse() if kind != "webdav" else ""
    if kind == "fuse" and why:
        raise IbackupError(why, hint="`ibackup mount --kind webdav` needs no FUSE.")
    sources = PasswordSources(app, password_file, password_command)
    if kind == "webdav" or why:
        if at is not None or links:
            raise UsageError(
                "--at and --links need FUSE.", why=why, hint="Leave them out: WebDAV has an address instead."
            )
        return _by_webdav(app, snapshot, sources, idle)
    if at is None:
        raise UsageError("Say where to show the snapshots.", hint="Give an empty folder: --at FOLDER.")
    return _by_fuse(app, snapshot, os.path.abspath(os.path.expanduser(at)), sources, idle, links=links)


def _by_fuse(
    app: App, ref: str | None, at: str, sources: PasswordSources, idle: float, *, links: bool
) -> int:
    from ibackup.mount.fuse_face import serve_fuse
    from ibackup.mount.unmounting import MountRecord, clear_dead

    clear_dead(at)
    with _tree(app, ref, sources, links=links) as (lookup, keep_out):
        made = _prepare(at, keep_out)
        at = os.path.realpath(at)
        record = MountRecord.made(at)

        def ready() -> None:
            app.reporter.emit({"event": "mounted", "kind": "fuse", "at": at})
            app.reporter.answer(at)
            if not app.settings.json:
                app.stop_progress()
                click.echo(wrap("Mounted, read-only. Ctrl-C or `ibackup unmount` ends it."), err=True)

        try:
            serve_fuse(lookup, at, idle_s=idle, ready=ready)
        finally:
            record.forget()
            if made:
                with contextlib.suppress(OSError):
                    os.rmdir(at)
    return app.result({"at": at}, "")


def _by_webdav(app: App, ref: str | None, sources: PasswordSources, idle: float) -> int:
    from ibackup.mount.unmounting import MountRecord
    from ibackup.mount.webdav_face import WebDavSite, serve_webdav

    records: list[MountRecord] = []

    def ready(site: WebDavSite) -> None:
        records.append(MountRecord.made(site.url))
        app.reporter.emit(
            {
                "event": "mounted",
                "kind": "webdav",
                "at": site.url,
                "user": site.user,
                "password": site.password,
            }
        )
        app.reporter.answer(site.url)
        if not app.settings.json:
            app.stop_progress()
            click.echo(f"User: {site.user}\nPassword: {site.password}", err=True)
            click.echo(
                wrap(f"{_how_to_connect(site.url, site.user)} Ctrl-C or `ibackup unmount` ends it."), err=True
            )

    with _tree(app, ref, sources, links=False, by_webdav=True) as (lookup, _):
        try:
            serve_webdav(
                lookup, ready, idle_s=idle, is_over=lambda: not all(each.is_wanted for each in records)
            )
        finally:
            for each in records:
                each.forget()
    return app.result({"at": records[0].at if records else None}, "")


def _how_to_connect(url: str, user: str) -> str:
    """The system's own way to the address; the password is asked for there."""
    if sys.platform == "win32":
        return (
            f"Connect with `net use * {url} /user:{user} *`. Windows refuses files of more than about 50 MB there: for "
            "films, use `ibackup open`."
        )
    if sys.platform == "darwin":
        return f"In the Finder: Go > Connect to Server, {url}. Or `mount_webdav -i {url} FOLDER`."
    return f"In the file manager: Connect to Server, {url.replace('http:', 'dav:')}. Or open it in a browser."


@contextlib.contextmanager
def _tree(
    app: App, ref: str | None, sources: PasswordSources, *, links: bool, by_webdav: bool = False
) -> "Iterator[tuple[PathLookup, Sequence[str]]]":
    """The tree that a SNAPSHOT argument means, opened and unlocked, and the folders in which nothing may be made."""
    from ibackup.explore.opening import telling_damage
    from ibackup.explore.snapshot_facts import guarded_folders
    from ibackup.explore.target_names import NameRules
    from ibackup.mount.mounted_backup import OpenBackups
    from ibackup.mount.mounted_store import MountedStore, mounted_alone, opens_all
    from ibackup.mount.path_lookup import PathLookup

    target = resolve(app, ref, only_read=True) if ref is not None else None
    asking = _Asking(sources)
    rules = NameRules.everywhere() if by_webdav else NameRules()  # WebDAV's XML cannot have every character
    with OpenBackups(asking.unlocker, rules, links=links, own_links=not by_webdav) as opens:
        if target is not None:
            with telling_damage(target):
                encrypted = opens.backup(target).is_encrypted
                lookup = PathLookup(mounted_alone(opens, target))
                keep_out = (target.path, *guarded_folders(target.snapshot))
        else:
            store = app.open_store()
            shown = MountedStore(store, app.config, opens, app.udid)
            folders = [store.phone(app.udid)] if app.udid else store.phones()
            failed = opens_all(shown, folders)
            for error in failed.values():
                app.reporter(Caution(error.message, error.hint))
            if not shown.children():
                raise UsageError("There is no snapshot to mount yet.", hint="Make one with `ibackup now`.")
            encrypted = any(each.meta.encrypted for folder in folders for each in folder.snapshots())
            lookup, keep_out = PathLookup(shown, changing=1), (store.path,)
        if encrypted:
            app.reporter(Caution(_COPIES))
        asking.is_over = True
        yield lookup, keep_out


@dataclass
class _Asking:
    """Asks for passwords before the tree is mounted; afterwards nobody would see the question."""

    sources: PasswordSources
    is_over: bool = False

    @property
    def unlocker(self) -> "Unlocker":
        from ibackup.vault.unlocker import Unlocker

        kept = self.sources.unlocker
        return Unlocker(self._find, self._again, kept.find_keychain, kept.observe)

    def _find(self, udid: str) -> str | None:
        return None if self.is_over else self.sources.find(udid)

    def _again(self, error: PasswordWrong) -> bool:
        return not self.is_over and self.sources.again(error)


def _prepare(at: str, keep_out: "Sequence[str]") -> bool:
    """Make the folder if it is missing, and whether that was so. Raises UsageError, IbackupError."""
    from ibackup.explore.target_folder import is_within

    if any(is_within(os.path.realpath(at), os.path.realpath(each)) for each in keep_out):
        raise UsageError(
            f"The folder {at!r} is in a backup or a store, which ibackup never changes.",
            hint="Choose another one with --at.",
        )
    try:
        os.mkdir(at, 0o700)
        return True
    except FileExistsError:
        pass
    except OSError as error:
        raise IbackupError(f"The folder {at!r} could not be created: {error.strerror}.") from None
    try:
        is_empty = not os.listdir(at)
    except NotADirectoryError:
        raise UsageError(f"{at!r} is not a folder.", hint="Choose another one with --at.") from None
    except OSError as error:
        raise IbackupError(f"The folder {at!r} cannot be used: {error.strerror}.") from None
    if not is_empty or os.path.ismount(at):
        raise UsageError(f"The folder {at!r} is not empty.", hint="Choose an empty one with --at.")
    return False
