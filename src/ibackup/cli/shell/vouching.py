"""Who says that a phone is the right one, though its key is another one than before."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ibackup.base.errors import IbackupError
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.questions import confirm

_Command = TypeVar("_Command", bound=Callable[..., Any])

_IS_YOURS = "Is this your phone, and shall this computer trust it with your backups?"


def new_key_option(function: _Command) -> _Command:
    """Add ``--new-key``, which answers the question beforehand."""
    return click.option(
        "--new-key",
        is_flag=True,
        help="The phone was erased or repaired, or told to forget this computer: pair with it again",
    )(function)


def vouching(app: App, *, new_key: bool = False) -> Callable[[IbackupError], bool]:
    """Who may vouch for a phone: the option, or someone at the terminal who reads why we doubt it; else nobody."""

    def vouches(error: IbackupError) -> bool:
        if new_key or not app.asks:
            return new_key
        app.stop_progress()
        click.echo(wrap(error.message), err=True)
        return confirm(_IS_YOURS)

    return vouches
