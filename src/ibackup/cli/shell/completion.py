"""What the shell offers after Tab: snapshots of the store, phones, files and folders."""

import contextlib
import os
from typing import TYPE_CHECKING, Protocol

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibackup.config.config_schema import Config
    from ibackup.store.phone_folder import PhoneFolder
    from ibackup.store.store import Store


@add_completion_class
class PowerShell(ShellComplete):
    """PowerShell, which click does not know: the line up to the cursor goes in, a line an item comes out."""

    name = "powershell"
    source_template = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $line, $cursor)
    $env:COMP_LINE = "$line".PadRight($cursor).Substring(0, $cursor)
    $env:COMP_WORD = $word
    $env:%(complete_var)s = "powershell_complete"
    try {
        %(prog_name)s | ForEach-Object {
            $kind, $value, $help = $_ -split "`t", 3
            if ($kind -eq "plain") {
                [System.Management.Automation.CompletionResult]::new($value, $value, "ParameterValue", $help)
            }
        }
    } finally {
        Remove-Item Env:COMP_LINE, Env:COMP_WORD, Env:%(complete_var)s -ErrorAction SilentlyContinue
    }
}
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The complete words before the cursor, and the unfinished one."""
        words = split_arg_string(os.environ.get("COMP_LINE", ""))[1:]
        incomplete = os.environ.get("COMP_WORD", "")
        return (words[:-1] if incomplete and words else words), incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Kind, value and help; files and folders are left to PowerShell, which offers them when nothing is."""
        return f"{item.type}\t{item.value}\t{item.help or item.value}"


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell offer files."""
    return [CompletionItem(incomplete, type="file")]


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell offer folders."""
    return [CompletionItem(incomplete, type="dir")]


_SNAPSHOT_ARGUMENTS = {"snapshot", "what", "a", "b"}


class Knows(Protocol):
    """The run whose command line is completed, as far as this needs it."""

    @property
    def config(self) -> "Config":
        """What the config file says."""

    @property
    def udid(self) -> str | None:
        """The phone that the command line names."""

    def open_store(self) -> "Store":
        """The chosen store."""


class Completing:
    """What needs the run: phones and snapshots by their names.

    Args:
        run: finds it for a command line.
    """

    def __init__(self, run: "Callable[[click.Context], Knows]") -> None:
        self._run = run

    def phones(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names in the config, and the UDIDs in the store."""
        found: dict[str, str] = {}
        # Pressing Tab must not print an error in the middle of the command.
        with contextlib.suppress(Exception):
            found |= {phone.name: phone.udid for phone in self._run(ctx).config.phones}
        with contextlib.suppress(Exception):
            found |= {folder.udid: _name(folder) for folder in self._run(ctx).open_store().phones()}
        return _items(found, incomplete)

    def copies(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The second copies in the config."""
        found: dict[str, str] = {}
        with contextlib.suppress(Exception):
            found |= {copy.name: "" for copy in self._run(ctx).config.copies}
        return _items(found, incomplete)

    def snapshots(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Ids in the store, of the given phone or all, and ``latest``; folders if none fits."""
        found: dict[str, str] = {}
        with contextlib.suppress(Exception):
            udid = self._run(ctx).udid
            store = self._run(ctx).open_store()
            for folder in [store.phone(udid)] if udid else store.phones():
                name = _name(folder)
                found |= {entry.id: name for entry in folder.entries()}
        if found:
            found["latest"] = "the newest"
        return _items(found, incomplete) or folders(ctx, param, incomplete)

    def complete_snapshots(self, command: click.Command) -> None:
        """Let the arguments of a command that are snapshots offer those."""
        for param in command.params:
            if isinstance(param, click.Argument) and param.name in _SNAPSHOT_ARGUMENTS:
                param._custom_shell_complete = self.snapshots  # noqa: SLF001 - what click.argument(shell_complete=) sets


def _items(found: dict[str, str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(value, help=text) for value, text in found.items() if value.startswith(incomplete)]


def _name(folder: "PhoneFolder") -> str:
    newest = folder.newest()
    return newest.meta.device_name if newest else ""
