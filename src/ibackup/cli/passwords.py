"""Where the password of encrypted backups comes from; never from the command line itself."""

import contextlib
import logging
import os
import shlex
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.cli.common import App
from ibackup.cli.completing import files
from ibackup.config import PhoneConfig
from ibackup.errors import PasswordNeeded
from ibackup.events import Caution

if TYPE_CHECKING:
    from ibackup.keychain import Keychain

_Command = TypeVar("_Command", bound=Callable[..., Any])
_log = logging.getLogger("ibackup")
_LIMIT = 4096  # bytes; no password is longer, and /dev/zero is no password file
_COMMAND_SECONDS = 120
_VARIABLES = ("IBACKUP_PASSWORD_FILE", "IBACKUP_PASSWORD")
HOW_TO_GIVE = (
    "Give the password that was set for encrypted backups: --password-file FILE, --password-command COMMAND or "
    "IBACKUP_PASSWORD_FILE; on a terminal you are asked for it."
)


def password_options(function: _Command) -> _Command:
    """Add ``--password-file`` and ``--password-command``."""
    function = click.option(
        "--password-command", metavar="COMMAND", help="Run COMMAND; the first line it prints is the password"
    )(function)
    return click.option(
        "--password-file",
        metavar="FILE",
        help="The first line of FILE is the password of the backups",
        shell_complete=files,
    )(function)


@dataclass(frozen=True)
class PasswordSources:
    """The sources in their order; ``find`` takes the first that there is.

    Args:
        app: for the config file and for warnings.
        file: ``--password-file``.
        command: ``--password-command``.
        ask: prompt on a terminal when no other source is there (never with ``--json``).
        question: that prompt.
    """

    app: App
    file: str | None = None
    command: str | None = None
    ask: bool = True
    question: str = "Password of the encrypted backup (Return: go on without)"

    def find(self, udid: str | None) -> str | None:
        """The password for a phone's backups, or None when there is no source.

        Raises:
            PasswordNeeded: a source was named and gives nothing.
        """
        phone = self.app.config.phone(udid) if udid else None
        sources: dict[str, Callable[[], str | None]] = {
            "an option": self._option,
            "the config file": lambda: self._configured(phone),
            "the environment": self._environment,
            "the keychain": lambda: self._keychain(udid),
            "the credentials folder": self._credentials,
        }
        for name, source in sources.items():
            password = source()
            if password is not None:
                _log.debug("the backup password comes from %s", name)
                return password
        return self._prompt() if self.ask and self.app.asks else None

    @property
    def named(self) -> bool:
        """Whether the command line names a source."""
        return bool(self.file or self.command)

    @property
    def keychain(self) -> "Keychain | None":
        """The system's keychain, None where there is none, or where the user names another source for this run.

        Looking for it takes a tenth of a second.
        """
        if self.named or any(map(os.environ.get, _VARIABLES)):
            return None
        from ibackup.keychain import Keychain, KeychainTrouble

        with contextlib.suppress(KeychainTrouble):  # told when the password is looked for there
            return Keychain.open()
        return None

    def given(self) -> str | None:
        """What the options alone give."""
        return self._option()

    def _prompt(self) -> str | None:
        self.app.stop_progress()
        return (
            str(click.prompt(self.question, default="", show_default=False, hide_input=True, err=True))
            or None
        )

    def _option(self) -> str | None:
        if self.file:
            return self._from_file(self.file)
        return _from_command(self.command) if self.command else None

    def _configured(self, phone: PhoneConfig | None) -> str | None:
        if phone is None:
            return None
        if phone.password_file:
            return self._from_file(phone.password_file)
        return _from_command(phone.password_command) if phone.password_command else None

    def _environment(self) -> str | None:
        if file := os.environ.get("IBACKUP_PASSWORD_FILE"):
            return self._from_file(file)
        return os.environ.get("IBACKUP_PASSWORD") or None

    def _keychain(self, udid: str | None) -> str | None:
        from ibackup.keychain import Keychain, KeychainTrouble

        try:
            keychain = Keychain.open() if udid is not None else None
            return keychain.password(udid) if keychain is not None and udid is not None else None
        except KeychainTrouble as error:
            self.app.reporter(Caution(error.message, error.hint))
            return None

    def _credentials(self) -> str | None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        path = os.path.join(folder, "ibackup-password") if folder else None
        return self._from_file(path) if path and os.path.exists(path) else None

    def _from_file(self, name: str) -> str:
        path = os.path.expanduser(name)
        try:
            with open(path, "rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                data = stream.readline(_LIMIT)
        except OSError as error:
            raise PasswordNeeded(
                f"The password file {name} cannot be read: {error.strerror}.",
                hint="Check its name and its rights.",
            ) from None
        if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
            self.app.reporter(
                Caution(f"Others can read the password file {name}.", f"Run: chmod 600 {shlex.quote(name)}")
            )
        return _first_line(data, f"The password file {name}")


def _from_command(command: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command, posix=os.name == "posix"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_COMMAND_SECONDS,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        # The error's own text would repeat the command, which may hold what should not be shown.
        reason = (
            f"it ended with {error.returncode}"
            if isinstance(error, subprocess.CalledProcessError)
            else type(error).__name__
        )
        raise PasswordNeeded(
            "The password command failed.", why=f"({reason})", hint="Run it by hand to see why."
        ) from None
    return _first_line(done.stdout[:_LIMIT], "The password command")


def _first_line(data: bytes, source: str) -> str:
    line = data.split(b"\n", 1)[0].rstrip(b"\r")
    try:
        password = line.decode("utf-8-sig")  # Windows' editors put a mark before the text
    except UnicodeDecodeError:
        raise PasswordNeeded(f"{source} gives something that is not UTF-8 text.") from None
    if not password:
        raise PasswordNeeded(
            f"{source} gives an empty password.", hint="Its first line must be the password."
        )
    return password
