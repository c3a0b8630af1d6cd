"""The commands of the command line, one after another."""

from collections.abc import Iterator

import click

COLUMNS = 78
"""As in a terminal of 80 columns, whatever this one is."""


def commands(
    command: click.Command, path: str, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its path, in the order of ``ibackup --help``."""
    context = click.Context(
        command,
        parent=parent,
        info_name=path.rpartition(" ")[2],
        terminal_width=COLUMNS,
        **command.context_settings,
    )
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from commands(child, f"{path} {name}", context)
