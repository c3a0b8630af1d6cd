"""One run of the program: its common options, its reporter, the chosen store and phone."""

import contextlib
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ibackup.base import identities
from ibackup.base.errors import IbackupError
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.event_reporters import JsonReporter, LineReporter, Reporter
from ibackup.cli.shell.output import SCHEMA, is_terminal
from ibackup.config import config_file, config_schema

if TYPE_CHECKING:
    from ibackup.cli.shell.phone_choice import Phones
    from ibackup.store.store import Store

_log = logging.getLogger("ibackup")


@dataclass
class Settings:
    """The common options, wherever they were on the command line."""

    store: str | None = None
    phone: str | None = None
    config: str | None = None
    log_file: str | None = None
    no_redact: bool = False
    json: bool = False
    verbose: bool = False
    quiet: bool = False


@dataclass
class App:
    """One run of the program.

    Attributes:
        settings: the common options, once they are parsed.
        command: its name, empty before it is known.
        json_asked: whether ``--json`` is on the command line, known before anything is parsed.
        version_asked: whether ``--version`` is.
    """

    settings: Settings = field(default_factory=Settings)
    command: str = ""
    json_asked: bool = False
    version_asked: bool = False
    _handlers: list[logging.Handler] | None = None
    _meant: dict[str, str] = field(default_factory=dict)
    _to_open: dict[str, str] = field(default_factory=dict)

    @cached_property
    def reporter(self) -> Reporter:
        """The reporter of this run."""
        from ibackup.cli.shell.log_file import EventLog

        if self.settings.json:
            return JsonReporter(EventLog())
        if self.settings.quiet or not is_terminal(sys.stderr):
            return LineReporter(EventLog(), quiet=self.settings.quiet)
        from ibackup.cli.shell.progress_line import TerminalReporter

        return TerminalReporter(EventLog())

    @cached_property
    def config(self) -> config_schema.Config:
        """The config file, read once."""
        return config_file.load(self.settings.config)

    def take_config(self, config: config_schema.Config) -> None:
        """Continue with a new config after it was written."""
        self.__dict__["config"] = config  # where cached_property keeps it
        self.__dict__.pop("phones", None)

    @property
    def udid(self) -> str | None:
        """The UDID of the phone in ``--phone``, however it is named; None without ``--phone``.

        Raises:
            UsageError: no phone, or several, have that name.
        """
        asked = self.settings.phone
        if asked is None:
            return None
        if asked not in self._meant:
            self._meant[asked] = self.udid_of(asked)
            self.phones.call_by_name()
        return self._meant[asked]

    @cached_property
    def phones(self) -> "Phones":
        """All known phones and their names."""
        from ibackup.cli.shell.phone_choice import Phones

        return Phones(self)

    @property
    def udid_to_open(self) -> str | None:
        """The phone to talk to: the one in ``--phone`` or, if several are connected, the one the user chooses.

        Raises:
            UsageError: it is not clear which one, and there is no terminal to ask on.
        """
        asked = self.settings.phone
        if asked is None:
            if (chosen := self.phones.connected()) is not None:
                self.settings.phone = chosen.udid
        elif asked not in self._to_open:
            self._meant[asked] = self._to_open[asked] = self.phones.meant(asked, to_open=True).udid
            self.phones.call_by_name()
        return self.udid

    def udid_of(self, asked: str) -> str:
        """The UDID of a phone, however it is named. Raises UsageError."""
        return self.phones.meant(asked).udid

    @property
    def asks(self) -> bool:
        """Whether there is a terminal to ask on."""
        return not self.settings.json and sys.stdin.isatty() and is_terminal(sys.stderr)

    def open_store(self, *, create: bool = False, new_store: bool = False) -> "Store":
        """Open the chosen store."""
        from ibackup.store.store import Store

        path = config_file.store_path(self.settings.store, self.config)
        _log.debug("config %s, store %s", self.config.path or "none", path)
        return Store.open(path, create=create, new_store=new_store, observer=self.reporter)

    def store_if_there(self) -> "Store | None":
        """The chosen store, for commands that also work without one; None if it is missing or cannot be read."""
        with contextlib.suppress(IbackupError):
            return self.open_store()
        return None

    def start(self, command: str, *, own_log: str = "") -> None:
        """Note which command runs, and start the log if there is one.

        Args:
            command: its name.
            own_log: the name of a log that this command always keeps in the user's state folder.
        """
        self.command = command
        settings = self.settings
        if self._handlers is None and (settings.log_file or settings.verbose or own_log):
            from ibackup.cli.shell.log_file import start_log

            self._handlers = start_log(
                settings.log_file or _own_log(own_log),
                say=self.reporter.say if settings.verbose else None,
                redact=not settings.no_redact,
                rotate=bool(own_log),
            )
            _log.info("%s", f"ibackup {command}")

    def result(
        self,
        payload: Mapping[str, object],
        text: str,
        code: ExitCode = ExitCode.OK,
        *,
        message: str = "",
        hint: str = "",
        skippable: bool = False,
    ) -> int:
        """End a command: print its answer or the result event, and return the exit code.

        Args:
            payload: the members of the result besides those of every result.
            text: for people, to standard output.
            code: how it ended.
            message: what went wrong, if anything.
            hint: what to do about it.
            skippable: the text only says that all is well, so ``--quiet`` leaves it out.
        """
        self.stop_progress()
        head: dict[str, object] = {
            "event": "result",
            "schema": SCHEMA,
            "command": self.command,
            "exit_code": int(code),
        }
        if code:
            head |= {"error_code": None, "message": message, "hint": hint}
        _log.info("exit %d %s", code, message)
        self.reporter.emit(head | dict(payload))
        if text and not (skippable and self.settings.quiet and code is ExitCode.OK):
            self.reporter.answer(text)
        return int(code)

    def failed(self, error: IbackupError) -> None:
        """Clear the terminal line for an error's text, and log the error."""
        self.stop_progress()
        _log.error("exit %d: %s %s", error.exit_code, error.message, error.hint)

    def stop_progress(self) -> None:
        """Restore the terminal."""
        if "reporter" in self.__dict__:
            self.reporter.close()

    def close(self) -> None:
        """End the run."""
        self.stop_progress()
        identities.name_phones({})
        if self._handlers is not None:
            from ibackup.cli.shell.log_file import end_log

            end_log(self._handlers)
            self._handlers = None


def _own_log(name: str) -> str | None:
    """Where a command keeps its own log; None if it has none or cannot write one."""
    if not name:
        return None
    from ibackup.store.records.used_stores import state_dir

    folder = state_dir()
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        return None
    return os.path.join(folder, name) if os.access(folder, os.W_OK) else None
