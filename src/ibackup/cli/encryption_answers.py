"""What ``ibackup encryption`` asks a person, and the options that answer instead."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.cli import common
from ibackup.cli.common import DURATION, App
from ibackup.cli.completing import files
from ibackup.cli.output import wrap
from ibackup.cli.passwords import HOW_TO_GIVE, PasswordSources
from ibackup.errors import Interrupted, PasswordNeeded, UsageError
from ibackup.events import Caution, Note

if TYPE_CHECKING:
    from ibackup.device import PhoneFacts
    from ibackup.encryption.types import Action, NewPassword
    from ibackup.keychain import Keychain

_Command = TypeVar("_Command", bound=Callable[..., Any])

_NOBODY_CAN = (
    "Without this password nobody can open the backups made from now on: not you, not ibackup, not Apple."
)
_NOTHING_CHANGED = "Nothing was changed."


def phone_options(function: _Command) -> _Command:
    """Add ``--wait`` and ``--patience``."""
    function = click.option(
        "--patience",
        type=DURATION,
        metavar="TIME",
        help="Wait for somebody to unlock the phone or tap Trust [60s; 5m on a terminal]",
    )(function)
    return click.option(
        "--wait", type=DURATION, default=0, metavar="TIME", help="Wait for a phone that is not there [0]"
    )(function)


def new_password_options(function: _Command) -> _Command:
    """Add the options that give a new password, and say where it is kept."""
    function = click.option(
        "--keychain/--no-keychain",
        "keep",
        default=None,
        help="Keep it in the system's keychain, before the phone is asked [asked; no]",
    )(function)
    function = click.option(
        "--new-password-command",
        metavar="COMMAND",
        help="Run COMMAND; the first line it prints is the new password",
    )(function)
    return click.option(
        "--new-password-file",
        metavar="FILE",
        help="The first line of FILE is the new password",
        shell_complete=files,
    )(function)


@dataclass
class CommandAnswers:
    """Answers from options, and from whoever sits at the terminal.

    Args:
        app: for prompts and warnings.
        sources: of the password so far.
        new_sources: of the new one; only its options count.
        keep: ``--keychain`` or ``--no-keychain``, None when neither was given.
        keychain: where there is one.
        yes: ``--yes``.
    """

    app: App
    sources: PasswordSources
    new_sources: PasswordSources
    keep: bool | None = None
    keychain: "Keychain | None" = None
    yes: bool = False

    def old(self, phone: "PhoneFacts") -> str:
        """The password so far, from the usual sources or a prompt."""
        found = self.sources.find(phone.udid)
        if not found:
            raise PasswordNeeded("The backup password so far is needed, and there is none.", hint=HOW_TO_GIVE)
        return found

    def new(self, phone: "PhoneFacts", action: "Action") -> "NewPassword":
        """The new one; a weak one is pointed out, and where it is kept is settled."""
        from ibackup.encryption.strength import weaknesses
        from ibackup.encryption.types import NewPassword

        if self.keep and self.keychain is None:
            raise UsageError(
                "There is no keychain that could keep the password.",
                why="The `keyring` extra is not installed, or this system has no keychain.",
                hint='Leave --keychain out, or install it: pipx inject ibackup "keyring>=25"',
            )
        given = self.new_sources.given()
        if given is None and not self.app.asks:
            raise UsageError(
                "A new password is needed, and nobody can be asked here.",
                hint="Give it with --new-password-file or --new-password-command.",
            )
        self.app.reporter(
            Caution(_NOBODY_CAN, "It is neither the phone's passcode nor the Apple Account's password.")
        )
        password = given or self._prompted()
        weak = weaknesses(password)
        if weak:
            self.app.reporter(
                Caution(f"This is a weak password. {' '.join(weak)}", "Several random words are strong.")
            )
            if self.app.asks and not self.new_sources.named and not self._confirm("Take it all the same?"):
                raise Interrupted("No password was set.", hint=f"{_NOTHING_CHANGED} Run the command again.")
        return NewPassword(password, self._keeps(phone, action))

    def agree(self, phone: "PhoneFacts") -> None:
        """Ask whether encryption shall be switched off."""
        if self.yes:
            return
        costs = (
            f"Later backups of this {phone.noun} can be read by anyone who has the disk, and leave out saved "
            "passwords, Health data and call history."
        )
        if not self.app.asks:
            raise UsageError(costs, hint="Give --yes if that is what you want; nobody can be asked here.")
        self.app.stop_progress()
        click.echo(wrap(costs), err=True)
        if not self._confirm("Switch encryption off?"):
            raise Interrupted("Encryption stays on.", hint=_NOTHING_CHANGED)

    def _prompted(self) -> str:
        """A password, typed twice alike."""
        self.app.stop_progress()
        while True:
            password = _hidden("New backup password")
            if not password:
                click.echo("An empty password protects nothing, and phones take none.", err=True)
            elif _hidden("The same again") == password:
                return password
            else:
                click.echo("The two are not the same.", err=True)

    def _keeps(self, phone: "PhoneFacts", action: "Action") -> bool:
        """Whether the password goes into the keychain; else somebody has to have it on paper before it counts."""
        if self.keep is not None or self.keychain is None or not self.app.asks:
            # One that the keychain has of this phone would be wrong from now on.
            kept = self._stands_there(phone.udid) if self.keep is None else self.keep
        else:
            self.app.stop_progress()
            kept = self._confirm(f"Keep it in this computer's keychain ({self.keychain.name})?", default=True)
        if not kept and self.app.asks and not self.new_sources.named:
            self.app.stop_progress()
            if not self._confirm("Write it down on paper now. Is it written down?"):
                raise Interrupted("No password was set.", hint=_NOTHING_CHANGED)
        elif not kept:
            self.app.reporter(Note(_SEE_TO_IT[action]))
        return kept

    def _stands_there(self, udid: str) -> bool:
        from ibackup.keychain import KeychainTrouble

        try:
            return self.keychain is not None and self.keychain.password(udid) is not None
        except KeychainTrouble as error:
            self.app.reporter(Caution(error.message, error.hint))
            return False

    @staticmethod
    def _confirm(question: str, *, default: bool = False) -> bool:
        return click.confirm(question, default=default, err=True)


def _hidden(question: str) -> str:
    return str(click.prompt(question, hide_input=True, err=True, default="", show_default=False))


_SEE_TO_IT: "dict[Action, str]" = {
    "on": "ibackup keeps no copy of the password: see to it that it can be found when the phone is gone.",
    "change": "ibackup keeps no copy of the password. See to it that it can be found, and so can the one before, as "
    "long as older snapshots are there.",
}


def patience(given: float | None) -> float:
    """``--patience``, or what is usual here."""
    return given if given is not None else common.patience()
