"""Where ``setup`` meets the command ``encryption``: it runs it as a person at this terminal would."""

import subprocess
import sys

from ibackup.cli.common import App
from ibackup.cli.main import COMMANDS
from ibackup.errors import ExitCode


def is_there() -> bool:
    """Whether this version can switch encryption on."""
    return "encryption" in COMMANDS


def switch_on(app: App, udid: str, options: list[str]) -> int:
    """Have the phone encrypt its backups from now on; the exit code of the command that does it.

    It is a process of its own: it asks for the new password itself, and its result is not this command's.
    """
    app.stop_progress()
    given = ["--phone", udid, *options, *(["--config", app.settings.config] if app.settings.config else [])]
    done = subprocess.run(
        [sys.executable, "-m", "ibackup", "encryption", "on", *given],
        stdin=None if app.asks else subprocess.DEVNULL,
        stdout=sys.stderr if app.asks else subprocess.DEVNULL,
        check=False,
    )
    return done.returncode if done.returncode in {each.value for each in ExitCode} else ExitCode.FAILED
