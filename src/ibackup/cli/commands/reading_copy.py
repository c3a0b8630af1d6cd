"""``--from-copy`` of the commands that take files out: straight from a second copy, without the whole snapshot."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.cli.commands.copy_opening import copy_named, held_by, opened
from ibackup.cli.shell.application import App
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.snapshot_argument import LATEST, resolve
from ibackup.explore.opening import SnapshotTarget, open_unlocked, require_unlocked

if TYPE_CHECKING:
    from ibackup.apple.backup import Backup
    from ibackup.explore.selection import Selection
    from ibackup.vault.unlocker import Unlocker

_Command = TypeVar("_Command", bound=Callable[..., Any])


def from_copy_option(function: _Command) -> _Command:
    """``--from-copy NAME``."""
    return click.option(
        "--from-copy",
        metavar="NAME",
        help="Read the snapshot in the second copy NAME; only what is needed is fetched",
        shell_complete=COMPLETING.copies,
    )(function)


@contextlib.contextmanager
def target_of(
    app: App, ref: str | None, copy_name: str | None, selection: "Selection", unlocker: "Unlocker"
) -> Iterator[SnapshotTarget]:
    """The backup that a SNAPSHOT argument names: in the store, at a path, or fetched from a copy while this lasts.

    Args:
        app: of this run.
        ref: the argument; None means ``latest``.
        copy_name: the copy; None for the store and paths.
        selection: the files that are needed of a snapshot in a copy.
        unlocker: opens the backup.

    Raises the same errors as ``resolve``, ``open_unlocked`` and ``partly_fetched``.
    """
    if copy_name is None:
        yield resolve(app, ref, only_read=True)
        return
    from ibackup.base.user_cache import cache_dir
    from ibackup.jobs.copying.copy_getting import choose
    from ibackup.jobs.copying.part_fetching import partly_fetched

    copy = opened(app, copy_named(app, copy_name))
    held = choose(held_by(copy), ref or LATEST, app.settings.phone and app.udid, copy_name)
    store = app.store_if_there()
    parent = store.path if store is not None else cache_dir()

    def first(backup: "Backup") -> None:
        require_unlocked(backup, held.udid, unlocker)

    whole = selection.is_everything
    with partly_fetched(copy, held, parent, app.reporter, first=first, whole=whole) as part:
        if not whole:
            with open_unlocked(part.target, unlocker, app.reporter) as backup:
                part.fetch(backup, selection)
        yield part.target
