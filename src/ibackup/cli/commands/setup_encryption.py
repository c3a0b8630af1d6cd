"""Lets ``setup`` switch on encryption as ``ibackup encryption on`` does, and remember the password."""

from dataclasses import replace

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution
from ibackup.cli.commands.encryption_command import answers_of, request_of
from ibackup.cli.shell.application import App


def switch_on(
    app: App, udid: str, password_file: str | None, password_command: str | None, patience: float
) -> tuple[str, bool] | None:
    """Have the phone encrypt its backups from now on.

    Args:
        app: of this run.
        udid: the phone.
        password_file: the file whose first line is the new password.
        password_command: a command that prints it; without either, the user is asked.
        patience: seconds to wait for someone at the phone.

    Returns:
        The password, and whether it is in the keychain; None if the phone refused, after a warning.
    """
    from ibackup.cli.shell.password_sources import PasswordSources
    from ibackup.jobs.encryption.switch_encryption import switch

    answers = answers_of(app, PasswordSources(app, ask=False), password_file, password_command, None)
    try:
        done = switch(replace(request_of(app, answers, 0, patience), udid=udid), "on", app.reporter)
    except IbackupError as error:
        app.reporter(
            Caution(
                f"Encryption was not switched on; setup continues without it. {error.message}",
                f"{error.hint} You can run `ibackup encryption on` at any time.".strip(),
            )
        )
        return None
    return answers.password, done.in_keychain
