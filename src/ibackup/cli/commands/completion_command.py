"""``ibackup completion``: the script that a shell reads for tab completion."""

import click
from click.shell_completion import get_completion_class

from ibackup.base.errors import IbackupError
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command

_WHERE = {
    "bash": '~/.bashrc: eval "$(ibackup completion bash)"',
    "zsh": '~/.zshrc: eval "$(ibackup completion zsh)"',
    "fish": "ibackup completion fish > ~/.config/fish/completions/ibackup.fish",
    "powershell": "$PROFILE: ibackup completion powershell | Out-String | Invoke-Expression",
}


@ibackup_command(
    "completion", epilog="\b\nWhere it goes:\n" + "\n".join(f"  {text}" for text in _WHERE.values())
)
@click.argument("shell", type=click.Choice(list(_WHERE)))
def command(app: App, shell: str) -> int:
    """Print the tab completion script for SHELL."""
    script = completion_script(shell)
    return app.result({"script": script}, script.rstrip())


def completion_script(shell: str) -> str:
    """What a shell reads; packages have it in a file.

    Raises:
        IbackupError: there is none for this shell.
    """
    from ibackup.cli.main import cli

    maker = get_completion_class(shell)
    if maker is None:
        raise IbackupError(f"There is no completion for {shell}.")
    return maker(cli, {}, "ibackup", "_IBACKUP_COMPLETE").source()
