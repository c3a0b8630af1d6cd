"""``ibackup help``: the same as ``--help``, and what all commands share."""

import click

from ibackup.base.errors import UsageError
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import options_text
from ibackup.cli.shell.exits import EXIT_CODES
from ibackup.cli.shell.top_help import of_command


@ibackup_command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND|options|exit-codes]")
def command(app: App, words: tuple[str, ...]) -> int:
    """Show help on a command, on the options of every command, or on the exit codes."""
    from ibackup.cli.main import cli

    if words == ("options",):
        text = options_text()
    elif words == ("exit-codes",):
        text = EXIT_CODES
    else:
        found = of_command(cli, click.get_current_context().find_root(), words)
        if found is None:
            raise UsageError(
                f"There is no command {' '.join(words)!r}.", hint="`ibackup help` lists the commands."
            )
        text = found
    return app.result({"text": text}, text)
