"""Where the backup password comes from when nobody is asked; never from the command line itself."""

import contextlib
import copy
import logging
import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from ibackup.base.errors import PasswordNeeded
from ibackup.base.events import Caution, Observer, ignore
from ibackup.base.programs import NO_WINDOW, outcome
from ibackup.base.udids import plain_udid
from ibackup.config.config_schema import PhoneConfig
from ibackup.vault.keychain import Keychain, KeychainTrouble
from ibackup.vault.password_file import LONGEST_LINE, password_line, read_password_file

_log = logging.getLogger("ibackup")
_COMMAND_SECONDS = 120
_VARIABLES = ("IBACKUP_PASSWORD_FILE", "IBACKUP_PASSWORD")


def _nothing() -> str | None:
    return None


@dataclass(frozen=True)
class GivenPasswords:
    """The sources in order; ``find`` uses the first one given, and remembers its password for this run.

    Attributes:
        configured: what the config file says about a phone, by its UDID.
        observe: gets warnings.
        file: a file whose first line is the password; goes before all others.
        command: the same for a command.
        last: asked if no source gives one.
    """

    configured: Callable[[str], PhoneConfig | None]
    observe: Observer = ignore
    file: str | None = None
    command: str | None = None
    last: Callable[[], str | None] = _nothing
    _answers: dict[tuple[str, str], str | PasswordNeeded | None] = field(default_factory=dict, repr=False)
    _keychains: list[Keychain | None] = field(default_factory=list, repr=False)

    def find(self, udid: str | None) -> str | None:
        """The password for a phone's backups, or None if there is no source.

        Raises:
            PasswordNeeded: the named source has none.
        """
        return self._once("phone", plain_udid(udid or ""), lambda: self._find(udid))

    def forget(self, *, failures_only: bool = False) -> None:
        """Ask the sources again next time, because their answer may change during a long run."""
        kept = {
            asked: said for asked, said in self._answers.items() if failures_only and isinstance(said, str)
        }
        self._answers.clear()
        self._keychains.clear()
        self._answers.update(kept)

    @property
    def named(self) -> bool:
        """Whether a file or a command is named."""
        return bool(self.file or self.command)

    def find_keychain(self) -> Keychain | None:
        """The system's keychain, None if there is none or the user names another source for this run."""
        if self.named or any(map(os.environ.get, _VARIABLES)):
            return None
        if not self._keychains:  # looking for it takes a tenth of a second
            with contextlib.suppress(KeychainTrouble):  # reported when the password is needed
                self._keychains.append(Keychain.open())
        return self._keychains[0] if self._keychains else None

    def given(self) -> str | None:
        """The password from the file or the command alone. Raises PasswordNeeded."""
        return self._option()

    def _once(self, kind: str, name: str, ask: Callable[[], str | None]) -> str | None:
        """An answer, remembered, so that no command, file or prompt is used twice."""
        asked = (kind, name)
        if asked not in self._answers:
            try:
                self._answers[asked] = ask()
            except PasswordNeeded as error:
                self._answers[asked] = error
        said = self._answers[asked]
        if isinstance(said, PasswordNeeded):
            raise copy.copy(said)  # a caller may change its hint
        return said

    def _find(self, udid: str | None) -> str | None:
        phone = self.configured(udid) if udid else None
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
        return self.last()

    def _option(self) -> str | None:
        if self.file:
            return self._from_file(self.file)
        return self._from_command(self.command) if self.command else None

    def _configured(self, phone: PhoneConfig | None) -> str | None:
        if phone is None:
            return None
        if phone.password_file:
            return self._from_file(phone.password_file)
        return self._from_command(phone.password_command) if phone.password_command else None

    def _environment(self) -> str | None:
        if file := os.environ.get("IBACKUP_PASSWORD_FILE"):
            return self._from_file(file)
        return os.environ.get("IBACKUP_PASSWORD") or None

    def _keychain(self, udid: str | None) -> str | None:
        try:
            keychain = Keychain.open() if udid is not None else None
            return keychain.password(udid) if keychain is not None and udid is not None else None
        except KeychainTrouble as error:
            self.observe(Caution(error.message, error.hint))
            return None

    def _credentials(self) -> str | None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        path = os.path.join(folder, "ibackup-password") if folder else None
        return self._from_file(path) if path and os.path.exists(path) else None

    def _from_command(self, command: str) -> str | None:
        return self._once("command", command, lambda: _first_line_of(command))

    def _from_file(self, name: str) -> str | None:
        return self._once("file", name, lambda: read_password_file(name, self.observe))


def words(command: str, *, windows: bool) -> str | list[str]:
    """A command to start without a shell: split as in a POSIX shell; on Windows, programs split it themselves.

    Raises:
        ValueError: a quote is not closed.
    """
    return command if windows else shlex.split(command)


def _first_line_of(command: str) -> str:
    try:
        with subprocess.Popen(
            words(command, windows=os.name == "nt"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            creationflags=NO_WINDOW,
        ) as process:
            out, _ = outcome(process, _COMMAND_SECONDS)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        # The error's own text would repeat the command, which may contain secrets.
        raise _command_failed(type(error).__name__) from None
    if process.returncode:
        raise _command_failed(f"it ended with {process.returncode}")
    return password_line(out[:LONGEST_LINE], "The password command")


def _command_failed(reason: str) -> PasswordNeeded:
    return PasswordNeeded(
        "The password command failed.", why=f"({reason})", hint="Run it by hand to see why."
    )
