"""What the shell offers after Tab: snapshots of the store, phones, files and folders."""

import contextlib
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from ibackup.cli.common import App
    from ibackup.store import PhoneFolder, Store


_SNAPSHOT_ARGUMENTS = {"snapshot", "what", "a", "b"}


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell offer files."""
    return [CompletionItem(incomplete, type="file")]


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell offer folders."""
    return [CompletionItem(incomplete, type="dir")]


def phones(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names in the config, and the UDIDs in the store."""
    found: dict[str, str] = {}
    # Whoever presses Tab wants no error message in the middle of the command.
    with contextlib.suppress(Exception):
        found |= {phone.name: phone.udid for phone in _app(ctx).config.phones}
    with contextlib.suppress(Exception):
        found |= {folder.udid: _name(folder) for folder in _store(ctx).phones()}
    return _items(found, incomplete)


def snapshots(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids in the store, of the phone that is given or of all, and ``latest``; folders when none fits."""
    found: dict[str, str] = {}
    with contextlib.suppress(Exception):
        udid = _app(ctx).udid
        store = _store(ctx)
        for folder in [store.phone(udid)] if udid else store.phones():
            name = _name(folder)
            found |= {entry.id: name for entry in folder.entries()}
    if found:
        found["latest"] = "the newest"
    return _items(found, incomplete) or folders(ctx, param, incomplete)


def complete_snapshots(command: click.Command) -> None:
    """Let the arguments of a command that are snapshots offer those."""
    for param in command.params:
        if isinstance(param, click.Argument) and param.name in _SNAPSHOT_ARGUMENTS:
            param._custom_shell_complete = snapshots  # noqa: SLF001 - what click.argument(shell_complete=) sets


def _items(found: dict[str, str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(value, help=text) for value, text in found.items() if value.startswith(incomplete)]


def _app(ctx: click.Context) -> "App":
    from ibackup.cli.common import App

    return ctx.ensure_object(App)


def _store(ctx: click.Context) -> "Store":
    return _app(ctx).open_store()


def _name(folder: "PhoneFolder") -> str:
    newest = folder.newest()
    return newest.meta.device_name if newest else ""
