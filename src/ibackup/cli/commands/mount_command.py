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
    from collections.abc import Iterator, Mapping, Sequence

    from ibackup.mount.mounted_store import MountedStore
    from ibackup.mount.path_lookup import PathLookup
    from ibackup.mount.webdav_site import WebDavSite
    from ibackup.vault.unlocker import Unlocker

_COPIES = (
    "What you open is decrypted on the way. ibackup writes nothing decrypted to the disk, but programs keep copies of "
    "their own: thumbnails, recent files, a search index."
)
_SMALL_FILES = "Windows refuses files of more than about 50 MB here: for films, use `ibackup open`. "


@ibackup_command("mount")
@click.argument("snapshot", required=False)
@click.option(
    "--at",
    metavar="FOLDER",
    help="Empty folder where the snapshots appear, created if missing; on Windows a drive letter",
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
    without them, ibackup serves them by WebDAV to this computer alone, and the system mounts that at --at. Without
    --at, it prints an address, a user and a password for this run.
    """
    from ibackup.mount.fuse_face import why_no_fuse
    from ibackup.mount.mount_place import full_place
    from ibackup.mount.unmounting import clear_dead

    why = why_no_fuse() if kind != "webdav" else ""
    if kind == "fuse" and why:
        raise IbackupError(why, hint="`ibackup mount --kind webdav` needs no FUSE.")
    sources = PasswordSources(app, password_file, password_command)
    clear_dead(at)  # first: a crash may have left a link there
    place = full_place(at) if at is not None else None
    if kind == "webdav" or why:
        if links:
            raise UsageError(
                "--links needs FUSE.", why=why, hint="Leave it out: links are shown as text files."
            )
        return _by_webdav(app, snapshot, place, sources, idle, why)
    if place is None:
        raise UsageError("Say where to show the snapshots.", hint="Give an empty folder: --at FOLDER.")
    return _by_fuse(app, snapshot, place, sources, idle, links=links)


def _by_fuse(
    app: App, ref: str | None, at: str, sources: PasswordSources, idle: float, *, links: bool
) -> int:
    from ibackup.mount.fuse_face import serve_fuse
    from ibackup.mount.unmounting import MountRecord

    # WinFsp makes the folder.
    with _tree(app, ref, sources, at, makes_place=sys.platform == "win32", links=links) as tree:
        record = MountRecord.made(at)
        try:
            serve_fuse(tree.lookup, at, idle_s=idle, ready=lambda: _tell(app, tree, "fuse", at))
        finally:
            record.forget()
    return app.result({"at": at, "locked": tree.locked}, "")


def _by_webdav(
    app: App, ref: str | None, at: str | None, sources: PasswordSources, idle: float, no_fuse: str
) -> int:
    from ibackup.mount.system.system_mounts import system_mount
    from ibackup.mount.webdav_mounting import mount_by_webdav

    by = system_mount(no_fuse) if at is not None else None
    shown: list[str] = []

    def ready(place: str, site: "WebDavSite") -> None:
        shown.append(place)
        if by is not None:
            _tell(app, tree, "webdav", place, note=_SMALL_FILES if sys.platform == "win32" else "")
            return
        _tell(app, tree, "webdav", place, {"user": site.user, "password": site.password})

    makes_place = by is not None and by.makes_place
    with _tree(app, ref, sources, at, makes_place=makes_place, links=False, by_webdav=True) as tree:
        mount_by_webdav(tree.lookup, at, by, ready, idle_s=idle)
    return app.result({"at": shown[0] if shown else None, "locked": tree.locked}, "")


def _tell(
    app: App, tree: "_Tree", kind: str, at: str, access: "Mapping[str, str] | None" = None, note: str = ""
) -> None:
    """Say that it is mounted, and where."""
    app.reporter.emit({"event": "mounted", "kind": kind, "at": at, "locked": tree.locked, **(access or {})})
    app.reporter.answer(at)
    if app.settings.json:
        return
    app.stop_progress()
    said = "Mounted, read-only."
    if access is not None:
        click.echo(f"User: {access['user']}\nPassword: {access['password']}", err=True)
        said = _how_to_connect(at, access["user"])
    elif "://" in at:
        said = "Mounted, read-only. Your file manager shows it, among the network places."
    click.echo(wrap(f"{said} {note}Ctrl-C or `ibackup unmount` ends it."), err=True)


def _how_to_connect(url: str, user: str) -> str:
    """The system's own way to the address; the password is asked for there."""
    if sys.platform == "win32":
        return f"Connect with `net use * {url} /user:{user} *`, or give --at Z:. {_SMALL_FILES}".strip()
    if sys.platform == "darwin":
        return f"In the Finder: Go > Connect to Server, {url}. Or give --at FOLDER."
    return f"In the file manager: Connect to Server, {url.replace('http:', 'dav:')}. Or open it in a browser."


@dataclass(frozen=True, slots=True)
class _Tree:
    """What is to be mounted; ``locked`` has the ids, or the path, of what stays locked."""

    lookup: "PathLookup"
    locked: "Sequence[str]"


@contextlib.contextmanager
def _tree(
    app: App,
    ref: str | None,
    sources: PasswordSources,
    at: str | None,
    *,
    makes_place: bool,
    links: bool,
    by_webdav: bool = False,
) -> "Iterator[_Tree]":
    """The tree that a SNAPSHOT argument means, opened and unlocked, and its place prepared."""
    from ibackup.explore.opening import telling_damage
    from ibackup.explore.snapshot_facts import guarded_folders
    from ibackup.explore.target_names import NameRules
    from ibackup.mount.mount_place import prepare_place
    from ibackup.mount.mounted_backup import OpenBackups
    from ibackup.mount.mounted_store import MountedStore, mounted_alone
    from ibackup.mount.path_lookup import PathLookup

    target = resolve(app, ref, only_read=True) if ref is not None else None
    asking = _Asking(sources)
    rules = NameRules.everywhere() if by_webdav else NameRules()  # WebDAV's XML cannot have every character
    locked: Sequence[str] = ()
    with OpenBackups(asking.unlocker, rules, links=links, own_links=not by_webdav) as opens:
        if target is not None:
            with telling_damage(target):
                encrypted = opens.backup(target).is_encrypted
                lookup = PathLookup(mounted_alone(opens, target))
                keep_out: Sequence[str] = (target.path, *guarded_folders(target.snapshot))
        else:
            store = app.open_store()
            shown = MountedStore(store, app.config, opens, app.udid)
            locked = _open_store(app, shown)
            snapshots = [each for phone in shown.phones().values() for each in phone.folder.snapshots()]
            encrypted = any(each.meta.encrypted and each.id not in locked for each in snapshots)
            lookup, keep_out = PathLookup(shown, changing=1), (store.path,)
        made = at is not None and prepare_place(at, keep_out, makes_place=makes_place)
        if encrypted:
            app.reporter(Caution(_COPIES))
        asking.is_over = True
        try:
            yield _Tree(lookup, locked)
        finally:
            if made and at is not None:
                with contextlib.suppress(OSError):
                    os.rmdir(at)


def _open_store(app: App, store: "MountedStore") -> "Sequence[str]":
    """Open the newest snapshots, and say what cannot be opened; the ids of those that stay locked."""
    from ibackup.mount.mounted_store import open_each

    phones = store.phones()
    if not phones:
        raise UsageError("There is no snapshot to mount yet.", hint="Make one with `ibackup now`.")
    failed = open_each(store)
    if len(failed) == len(phones) and all(each.is_locked for each in failed):
        raise failed[0].error
    for each in failed:
        some = f"{len(each.locked)} of {each.snapshots} snapshots stay locked. " if each.locked else ""
        app.reporter(Caution(f"{each.name}: {some}{each.error.message}", each.error.hint))
    return [one for each in failed for one in each.locked]


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
