"""``ibackup encryption``: the backup password of a phone."""

from typing import TYPE_CHECKING

import click

from ibackup.cli.common import App, ibackup_command, ibackup_group
from ibackup.cli.encryption_answers import CommandAnswers, new_password_options, patience, phone_options
from ibackup.cli.encryption_keeping import keychain_command, recovery_sheet
from ibackup.cli.encryption_status import status
from ibackup.cli.output import count_text, printable, wrap
from ibackup.cli.passwords import PasswordSources, password_options

if TYPE_CHECKING:
    from ibackup.encryption import Outcome
    from ibackup.encryption.types import Request
    from ibackup.store import Store

_OLD = "Present password of the backups"


@ibackup_group("encryption")
def command() -> None:
    """Encryption of the phone's backups: its password, and where that is kept."""


@ibackup_command("on")
@new_password_options
@phone_options
def switch_on(
    app: App,
    new_password_file: str | None,
    new_password_command: str | None,
    keep: bool | None,
    wait: float,
    patience: float | None,
) -> int:
    """Have the phone encrypt its backups, with a password of your choice.

    It holds for all backups to come, whatever program makes them. Without the password nobody can open them. The
    phone asks for its own passcode.
    """
    from ibackup.encryption import switch

    answers = _answers(app, PasswordSources(app), new_password_file, new_password_command, keep)
    return _tell(app, switch(_request(app, answers, wait, patience), "on", app.reporter))


@ibackup_command("off")
@click.option("--yes", is_flag=True, help="Switch it off without asking here")
@password_options
@phone_options
def switch_off(
    app: App,
    yes: bool,
    password_file: str | None,
    password_command: str | None,
    wait: float,
    patience: float | None,
) -> int:
    """Have the phone leave its backups unencrypted; needs the present password.

    Backups that were made with the password keep it.
    """
    from ibackup.encryption import switch

    answers = _answers(
        app, PasswordSources(app, password_file, password_command, question=_OLD), None, None, None
    )
    answers.yes = yes
    return _tell(app, switch(_request(app, answers, wait, patience), "off", app.reporter))


@ibackup_command("change")
@password_options
@new_password_options
@phone_options
def change_password(
    app: App,
    password_file: str | None,
    password_command: str | None,
    new_password_file: str | None,
    new_password_command: str | None,
    keep: bool | None,
    wait: float,
    patience: float | None,
) -> int:
    """Give the phone's backups another password; needs the present one.

    The phone puts the newest backup under the new password, too, which becomes a snapshot of its own; so the next
    backup is not sent in full. Older snapshots keep the password that they have.
    """
    from ibackup.encryption import change

    sources = PasswordSources(app, password_file, password_command, question=_OLD)
    answers = _answers(app, sources, new_password_file, new_password_command, keep)
    return _tell(app, change(_request(app, answers, wait, patience), app.reporter))


for _each in (status, switch_on, switch_off, change_password, keychain_command, recovery_sheet):
    command.add_command(_each)


def _answers(
    app: App,
    sources: PasswordSources,
    new_password_file: str | None,
    new_password_command: str | None,
    keep: bool | None,
) -> CommandAnswers:
    from ibackup.keychain import Keychain

    new = PasswordSources(app, new_password_file, new_password_command, ask=False)
    return CommandAnswers(app, sources, new, keep, Keychain.open())


def _request(app: App, answers: CommandAnswers, wait: float, waits: float | None) -> "Request":
    from ibackup.encryption import Request

    return Request(
        answers,
        store=store_if_any(app),
        keychain=answers.keychain,
        udid=app.udid,
        wait=wait,
        patience=patience(waits),
    )


def store_if_any(app: App) -> "Store | None":
    """The store that is meant, None when there never was one.

    Raises:
        StoreMissing: it is not mounted, or of a newer version.
    """
    from ibackup.errors import StoreMissing

    try:
        return app.open_store()
    except StoreMissing as error:
        if error.why:  # there is none at all otherwise
            raise
        return None


def _tell(app: App, outcome: "Outcome") -> int:
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


def _lines(outcome: "Outcome") -> list[str]:
    name = printable(outcome.device_name)
    older = count_text(len(outcome.older), "older snapshot")
    keep = "keeps" if len(outcome.older) == 1 else "keep"
    if not outcome.changed:
        return [f"The backups of {name} are not encrypted already; nothing was changed."]
    if outcome.action == "off":
        lines = [f"The backups of {name} are not encrypted from now on."]
        if outcome.older:
            lines.append(f"{older} {keep} the password: do not throw it away.")
        return [*lines, "The next backup is sent in full."]
    if outcome.action == "on":
        lines = [f"The backups of {name} are encrypted from now on."]
        if outcome.older:
            verb = "is" if len(outcome.older) == 1 else "are"
            lines.append(f"{older} {verb} not encrypted and can be read by anyone who has the disk.")
        lines.append("Next: `ibackup now` makes the first encrypted backup; it is sent in full.")
    else:
        lines = [f"The backups of {name} have the new password from now on."]
        if outcome.snapshot:
            lines.append(
                f"Snapshot {outcome.snapshot} is the backup {outcome.rewraps} under the new password. It is as old as "
                "that one: it makes no data fresh. The next backup sends only what is new."
            )
        else:
            lines.append("The next backup is sent in full.")
        if outcome.older:
            lines.append(f"{older} {keep} the password of before: do not throw it away.")
    kept = "It is in the keychain. Have it on paper, too" if outcome.in_keychain else "Have it on paper"
    return [*lines, f"{kept}: `ibackup encryption recovery-sheet` prints a page for that."]
