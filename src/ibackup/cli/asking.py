"""Questions that have an option each, so that they need nobody to answer them."""

from dataclasses import dataclass

import click

from ibackup.cli.common import App
from ibackup.cli.output import wrap
from ibackup.errors import UsageError


@dataclass(frozen=True)
class Asker:
    """Asks on a terminal; elsewhere the option must be there.

    Args:
        app: knows whether somebody sits there.
        yes: take every proposal without asking.
    """

    app: App
    yes: bool

    def confirm(self, question: str, given: bool | None, option: str) -> bool:
        """Yes or no; yes is proposed."""
        if given is not None:
            return given
        if self.yes:
            return True
        self._ready(option)
        return click.confirm(wrap(question), default=True, err=True)

    def text(self, question: str, given: str | None, option: str, proposal: str) -> str:
        """A text, never an empty one."""
        if given is not None:
            return given
        if self.yes:
            return proposal
        self._ready(option)
        return str(click.prompt(wrap(question), default=proposal, err=True)).strip() or proposal

    def _ready(self, option: str) -> None:
        """Raises UsageError when nobody can be asked."""
        if not self.app.asks:
            raise UsageError(
                "Something would have to be asked, and nobody can be.",
                hint=f"Give {option}, or --yes to take all that is proposed.",
            )
        self.app.stop_progress()
