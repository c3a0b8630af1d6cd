"""``ibackup encryption``: the backup password of a phone."""

from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.base.events import Caution
from ibackup.cli.commands.encryption_keychain import keychain_command, recovery_sheet
from ibackup.cli.commands.encryption_options import (
    CommandAnswers,
    new_password_options,
    store_if_any,
)
from ibackup.cli.commands.encryption_status import status
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.output import printable, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.record_option import recordable
from ibackup.cli.shell.shared_options import over_wifi_option, phone_options, switch_yes_option
from ibackup.cli.shell.vouching import vouching

if TYPE_CHECKING:
    from ibackup.jobs.encryption.encryption_request import EncryptionOutcome, EncryptionRequest

_OLD = "Current backup password"


@ibackup_group("encryption")
def command() -> None:
    """Encryption of the phone's backups: its password, and where that is kept."""


@ibackup_command("on")
@new_password_options
@phone_options
@over_wifi_option
@recordable
def switch_on(
    app: App,
    new_password_file: str | None,
    new_password_command: str | None,
    keep: bool | None,
    wait: float,
    patience: float,
    over_wifi: bool,
) -> int:
    """Have the phone encrypt its backups, with a password of your choice.

    It applies to all future backups, whichever program makes them. Without the password nobody can open them. The
    phone asks for its own passcode.
    """
    from ibackup.jobs.encryption.switch_encryption import switch

    answers = answers_of(app, PasswordSources(app), new_password_file, new_password_command, keep)
    return _tell(
        app, switch(request_of(app, answers, wait, patience, over_wifi=over_wifi), "on", app.reporter)
    )


@ibackup_command("off")
@switch_yes_option("off")
@password_options
@phone_options
@over_wifi_option
@recordable
def switch_off(
    app: App,
    yes: bool,
    password_file: str | None,
    password_command: str | None,
    wait: float,
    patience: float,
    over_wifi: bool,
) -> int:
    """Switch off encryption of the phone's backups; needs the current password.

    Backups made with the password keep it.
    """
    from ibackup.jobs.encryption.switch_encryption import switch

    answers = answers_of(
        app, PasswordSources(app, password_file, password_command, question=_OLD), None, None, None
    )
    answers.yes = yes
    return _tell(
        app, switch(request_of(app, answers, wait, patience, over_wifi=over_wifi), "off", app.reporter)
    )


@ibackup_command("change")
@password_options
@new_password_options
@phone_options
@over_wifi_option
@recordable
def change_password(
    app: App,
    password_file: str | None,
    password_command: str | None,
    new_password_file: str | None,
    new_password_command: str | None,
    keep: bool | None,
    wait: float,
    patience: float,
    over_wifi: bool,
) -> int:
    """Change the phone's backup password; needs the current one.

    The phone also puts the newest backup under the new password, as a new snapshot, so the next backup is not sent
    in full. Older snapshots keep their password.
    """
    from ibackup.jobs.encryption.password_change import change

    sources = PasswordSources(app, password_file, password_command, question=_OLD)
    answers = answers_of(app, sources, new_password_file, new_password_command, keep)
    return _tell(app, change(request_of(app, answers, wait, patience, over_wifi=over_wifi), app.reporter))


for _each in (status, switch_on, switch_off, change_password, keychain_command, recovery_sheet):
    command.add_command(_each)


def answers_of(
    app: App,
    sources: PasswordSources,
    new_password_file: str | None,
    new_password_command: str | None,
    keep: bool | None,
) -> CommandAnswers:
    """Answers from these options or the terminal; ``setup`` also uses them."""
    from ibackup.vault.keychain import Keychain, KeychainTrouble

    keychain = None
    try:
        keychain = Keychain.open()
    except KeychainTrouble as error:
        if keep:
            raise
        app.reporter(Caution(error.message, error.hint))
    new = PasswordSources(app, new_password_file, new_password_command, ask=False)
    return CommandAnswers(app, sources, new, keep, keychain)


def request_of(
    app: App, answers: CommandAnswers, wait: float, patience: float, *, over_wifi: bool = False
) -> "EncryptionRequest":
    """Make a change on the chosen phone."""
    from ibackup.jobs.encryption.encryption_request import EncryptionRequest

    return EncryptionRequest(
        answers,
        store=store_if_any(app),
        keychain=answers.keychain,
        udid=app.udid_to_open,
        wait=wait,
        patience=patience,
        limits=app.config.limits,
        vouches=vouching(app),
        cable_only=not over_wifi,
    )


def _tell(app: App, outcome: "EncryptionOutcome") -> int:
    payload = {
        "action": outcome.action,
        "changed": outcome.changed,
        "udid": outcome.udid,
        "device_name": outcome.device_name,
        "encrypted": outcome.encrypted,
        "in_keychain": outcome.in_keychain,
        "snapshot": outcome.snapshot or None,
        "rewraps": outcome.rewraps or None,
        "older": list(outcome.older),
        "next_is_full": outcome.next_is_full,
    }
    return app.result(payload, "\n".join(wrap(line) for line in _lines(outcome)))


def _lines(outcome: "EncryptionOutcome") -> list[str]:
    name = printable(outcome.device_name)
    older = count_text(len(outcome.older), "older snapshot")
    keep = "keeps" if len(outcome.older) == 1 else "keep"
    if not outcome.changed:
        return [f"The backups of {name} are already unencrypted; nothing was changed."]
    if outcome.action == "off":
        lines = [f"The backups of {name} are not encrypted from now on."]
        if outcome.older:
            lines.append(f"{older} {keep} the password: do not throw it away.")
        return [*lines, "The next backup is sent in full."]
    if outcome.action == "on":
        lines = [f"The backups of {name} are encrypted from now on."]
        if outcome.older:
            verb = "is" if len(outcome.older) == 1 else "are"
            lines.append(
                f"{older} {verb} not encrypted; anyone with the disk can read "
                f"{'it' if len(outcome.older) == 1 else 'them'}."
            )
        lines.append("Next: `ibackup now` makes the first encrypted backup; it is sent in full.")
    else:
        lines = [f"The backups of {name} have the new password from now on."]
        if outcome.snapshot:
            lines.append(
                f"Snapshot {outcome.snapshot} is the backup {outcome.rewraps} under the new password. Its data is "
                "as old as before. The next backup sends only what is new."
            )
        else:
            lines.append("The next backup is sent in full.")
        if outcome.older:
            lines.append(f"{older} {keep} the previous password: do not throw it away.")
    kept = "It is in the keychain. Keep it on paper, too" if outcome.in_keychain else "Keep it on paper"
    return [*lines, f"{kept}: `ibackup encryption recovery-sheet` prints a page for this."]
