"""``ibackup completion``: the script that a shell reads for tab completion."""

import click
from click.shell_completion import get_completion_class

from ibackup.cli.common import App, ibackup_command
from ibackup.errors import IbackupError

_WHERE = {
    "bash": '~/.bashrc: eval "$(ibackup completion bash)"',
    "zsh": '~/.zshrc: eval "$(ibackup completion zsh)"',
    "fish": "ibackup completion fish > ~/.config/fish/completions/ibackup.fish",
}


@ibackup_command(
    "completion", epilog="\b\nWhere it goes:\n" + "\n".join(f"  {text}" for text in _WHERE.values())
)
@click.argument("shell", type=click.Choice(list(_WHERE)))
def command(app: App, shell: str) -> int:
    """Print the tab completion script for SHELL."""
    from ibackup.cli.main import cli

    maker = get_completion_class(shell)
    if maker is None:
        raise IbackupError(f"There is no completion for {shell}.")
    script = maker(cli, {}, "ibackup", "_IBACKUP_COMPLETE").source()
    return app.result({"script": script}, script.rstrip())
