"""Questions that each have an option, so that scripts can answer them."""

from dataclasses import dataclass

import click

from ibackup.base.errors import UsageError
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.questions import confirm


@dataclass(frozen=True)
class Asker:
    """Asks on a terminal; elsewhere the option must be given.

    Args:
        app: knows whether someone is there to answer.
        yes: accept every proposal without asking.
    """

    app: App
    yes: bool

    def confirm(self, question: str, given: bool | None, option: str, *, proposal: bool = True) -> bool:
        """A yes-or-no question."""
        if given is not None:
            return given
        if self.yes:
            return proposal
        self._ready(option)
        return confirm(wrap(question), default=proposal)

    def text(self, question: str, given: str | None, option: str, proposal: str) -> str:
        """A text, never an empty one."""
        if given is not None:
            return given
        if self.yes:
            return proposal
        self._ready(option)
        return str(click.prompt(wrap(question), default=proposal, err=True)).strip() or proposal

    def _ready(self, option: str) -> None:
        """Raises UsageError if there is no terminal to ask on."""
        if not self.app.asks:
            raise UsageError(
                "This needs an answer, but there is no terminal to ask on.",
                hint=f"Give {option}, or --yes to accept all proposals.",
            )
        self.app.stop_progress()
