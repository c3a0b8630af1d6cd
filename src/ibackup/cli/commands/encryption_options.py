"""The questions of ``ibackup encryption``, and the options that answer them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.base.errors import Interrupted, PasswordNeeded, UsageError
from ibackup.base.events import Caution, Note
from ibackup.base.programs import installing
from ibackup.cli.shell.application import App
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.password_sources import HOW_TO_GIVE, PasswordSources
from ibackup.cli.shell.questions import confirm

if TYPE_CHECKING:
    from ibackup.device.lockdown.phone_facts import PhoneFacts
    from ibackup.jobs.encryption.encryption_request import Action, NewPassword
    from ibackup.store.store import Store
    from ibackup.vault.keychain import Keychain

_Command = TypeVar("_Command", bound=Callable[..., Any])

_NOBODY_CAN = (
    "Without this password nobody can open the backups made from now on: not you, not ibackup, not Apple."
)
_NOTHING_CHANGED = "Nothing was changed."


def new_password_options(function: _Command) -> _Command:
    """Add the options that give a new password, and say where it is kept."""
    function = click.option(
        "--keychain/--no-keychain",
        "keep",
        default=None,
        help="Keep it in the system's keychain, before the phone changes it [asked; no]",
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
    """Answers from options or from the terminal.

    Args:
        app: for prompts and warnings.
        sources: of the password so far.
        new_sources: of the new one; only its options count.
        keep: ``--keychain`` or ``--no-keychain``, None if neither was given.
        keychain: None if there is none.
        yes: ``--yes``.
        password: the new one, once it was given.
    """

    app: App
    sources: PasswordSources
    new_sources: PasswordSources
    keep: bool | None = None
    keychain: "Keychain | None" = None
    yes: bool = False
    password: str = field(default="", repr=False)

    def old(self, phone: "PhoneFacts") -> str:
        """The password so far, from the usual sources or a prompt."""
        found = self.sources.find(phone.udid)
        if not found:
            raise PasswordNeeded("This needs the current backup password.", hint=HOW_TO_GIVE)
        return found

    def new(self, phone: "PhoneFacts", action: "Action") -> "NewPassword":
        """The new one; warns about a weak one, and settles where it is kept."""
        from ibackup.jobs.encryption.encryption_request import NewPassword
        from ibackup.jobs.encryption.password_strength import untypable, weaknesses

        if self.keep and self.keychain is None:
            raise UsageError(
                "There is no keychain that could keep the password.",
                why="The `keyring` extra is not installed, or this system has no keychain.",
                hint=f"Leave --keychain out, or install it: {installing('keyring>=25')}",
            )
        given = self.new_sources.given()
        if given is None and not self.app.asks:
            raise UsageError(
                "This needs a new password, but there is no terminal to ask on.",
                hint="Give it with --new-password-file or --new-password-command.",
            )
        self.app.reporter(
            Caution(_NOBODY_CAN, "It is neither the phone's passcode nor the Apple Account's password.")
        )
        password = given or self._prompted()
        if reason := untypable(password):
            raise UsageError(
                "This cannot be a backup password.",
                why=reason,
                hint=f"{_NOTHING_CHANGED} Choose another one, or save its file as plain UTF-8 text.",
            )
        weak = weaknesses(password)
        if weak:
            self.app.reporter(
                Caution(f"This is a weak password. {' '.join(weak)}", "Several random words are strong.")
            )
            if self.app.asks and not self.new_sources.named and not self._confirm("Use it anyway?"):
                raise Interrupted("No password was set.", hint=f"{_NOTHING_CHANGED} Run the command again.")
        self.password = password
        return NewPassword(password, self._keeps(phone, action))

    def agree(self, phone: "PhoneFacts") -> None:
        """Ask whether to switch encryption off."""
        if self.yes:
            return
        costs = (
            f"Later backups of this {phone.noun} can be read by anyone with the disk, and do not contain "
            "saved passwords, Health data and call history."
        )
        if not self.app.asks:
            raise UsageError(costs, hint="If you want that, give --yes: there is no terminal to ask on.")
        self.app.stop_progress()
        click.echo(wrap(costs), err=True)
        if not self._confirm("Switch encryption off?"):
            raise Interrupted("Encryption stays on.", hint=_NOTHING_CHANGED)

    def _prompted(self) -> str:
        """A password, typed the same twice."""
        self.app.stop_progress()
        while True:
            password = _hidden("New backup password")
            if not password:
                click.echo("An empty password protects nothing, and phones refuse it.", err=True)
            elif _hidden("Repeat the password") == password:
                return password
            else:
                click.echo("The two passwords differ.", err=True)

    def _keeps(self, phone: "PhoneFacts", action: "Action") -> bool:
        """Whether the password goes into the keychain; otherwise someone must have it on paper first."""
        if self.keep is not None or self.keychain is None or not self.app.asks:
            # A password of this phone in the keychain would be wrong from now on.
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
        from ibackup.vault.keychain import KeychainTrouble

        try:
            return self.keychain is not None and self.keychain.password(udid) is not None
        except KeychainTrouble as error:
            self.app.reporter(Caution(error.message, error.hint))
            return False

    @staticmethod
    def _confirm(question: str, *, default: bool = False) -> bool:
        return confirm(question, default=default)


def _hidden(question: str) -> str:
    return str(click.prompt(question, hide_input=True, err=True, default="", show_default=False))


_SEE_TO_IT: "dict[Action, str]" = {
    "on": "ibackup keeps no copy of the password: make sure you can find it when the phone is gone.",
    "change": (
        "ibackup keeps no copy of the password. Make sure you can find it, and the previous one for as "
        "long as you keep older snapshots."
    ),
}


def store_if_any(app: App) -> "Store | None":
    """The chosen store; None if there never was one.

    Raises:
        StoreMissing: it is not mounted, or of a newer version.
    """
    from ibackup.store.store import if_made

    return if_made(app.open_store)
