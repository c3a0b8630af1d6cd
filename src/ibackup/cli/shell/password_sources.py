"""Where the backup password comes from; never from the command line itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.base.errors import PasswordWrong
from ibackup.cli.shell.application import App
from ibackup.cli.shell.config_options import table_options
from ibackup.cli.shell.output import wrap

if TYPE_CHECKING:
    from ibackup.config.config_schema import PhoneConfig
    from ibackup.vault.given_passwords import GivenPasswords
    from ibackup.vault.unlocker import Unlocker

_Command = TypeVar("_Command", bound=Callable[..., Any])
_TRIES = 3
HOW_TO_GIVE = (
    "Give the password that was set for encrypted backups: --password-file FILE, --password-command COMMAND or "
    "IBACKUP_PASSWORD_FILE; on a terminal you are asked for it."
)


def password_options(function: _Command) -> _Command:
    """Add ``--password-file`` and ``--password-command``."""
    return table_options("phones")(function)


@dataclass(frozen=True)
class PasswordSources:
    """The sources in order; ``find`` uses the first one given, and remembers its password for this run.

    Args:
        app: for the config file and for warnings.
        file: ``--password-file``.
        command: ``--password-command``.
        ask: prompt on a terminal if there is no other source (never with ``--json``).
        question: that prompt.
        typed: what was typed so far.
    """

    app: App
    file: str | None = None
    command: str | None = None
    ask: bool = True
    question: str = "Password of the encrypted backup (Return: continue without)"
    typed: list[str] = field(default_factory=list, repr=False)

    @cached_property
    def _given(self) -> "GivenPasswords":
        from ibackup.vault.given_passwords import GivenPasswords

        return GivenPasswords(self._configured, self.app.reporter, self.file, self.command, self._last)

    def _configured(self, udid: str) -> "PhoneConfig | None":
        return self.app.config.phone(udid)  # a command may have written a new one meanwhile

    def _last(self) -> str | None:
        return self._prompt() if self.ask and self.app.asks else None

    def find(self, udid: str | None) -> str | None:
        """The password for a phone's backups, or None if there is no source.

        Raises:
            PasswordNeeded: the named source has none.
        """
        return self._given.find(udid)

    def forget(self, *, failures_only: bool = False) -> None:
        """Ask the sources again next time, because their answer may change during a long run."""
        self._given.forget(failures_only=failures_only)

    def again(self, error: PasswordWrong) -> bool:
        """Whether the user typed a wrong password and may try again: three tries in all."""
        if not self.typed or len(self.typed) >= _TRIES:
            return False
        self.app.stop_progress()
        click.echo(wrap(f"{error.what} Try again."), err=True)
        self.forget()
        return True

    @property
    def named(self) -> bool:
        """Whether the command line names a source."""
        return self._given.named

    @cached_property
    def unlocker(self) -> "Unlocker":
        """What opens a backup with these sources, and with what else is in the keychain."""
        from ibackup.vault.unlocker import Unlocker

        return Unlocker(self.find, self.again, self._given.find_keychain, self.app.reporter)

    def given(self) -> str | None:
        """The password from the options alone. Raises PasswordNeeded."""
        return self._given.given()

    def _prompt(self) -> str | None:
        self.app.stop_progress()
        typed = str(click.prompt(self.question, default="", show_default=False, hide_input=True, err=True))
        if typed:
            self.typed.append(typed)
        return typed or None
