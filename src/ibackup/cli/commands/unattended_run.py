"""What ``nightly`` and ``watch`` have in common: their options, and the run."""

import logging
import os
import shlex
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Event
from ibackup.cli.commands.unattended_text import row, text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.config_options import table_options, taken
from ibackup.cli.shell.output import is_terminal, rfc3339, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.shared_options import patience
from ibackup.config import config_file

if TYPE_CHECKING:
    from ibackup.jobs.nights.night_context import NightContext, PhoneOutcome, Program
    from ibackup.store.store import Store

_Command = TypeVar("_Command", bound=Callable[..., Any])


def unattended_options(function: _Command) -> _Command:
    """Add the options of unattended runs, each of which is also a key of the config file."""
    return table_options(*_TABLES)(password_options(function))


_TABLES = ("nightly", "proof")


class Unattended:
    """One unattended run for the command line; a context manager.

    If nobody is watching (no terminal, no ``--json``, no ``-v``), events go only to the log; if the run ends badly,
    its warnings are printed at the end.
    """

    def __init__(self, app: App, given: dict[str, Any], program: "Program", *, once: bool = False) -> None:
        from ibackup.cli.shell.log_file import EventLog
        from ibackup.jobs.home_assistant.home_news import HomeNews
        from ibackup.jobs.nights.night_log import History
        from ibackup.jobs.nights.telling.teller import Teller

        self._app = app
        settings = app.settings
        seen = is_terminal(sys.stderr) or is_terminal(sys.stdout)
        self.silent = not (seen or settings.json or settings.verbose)
        self._worries: list[Caution] = []
        self._lock = threading.Lock()
        self._log = EventLog()
        self._history = History()
        self._config = app.config.overridden(**taken(given, *_TABLES))
        self._passwords = PasswordSources(
            app, given.pop("password_file"), given.pop("password_command"), ask=False
        )
        if self._passwords.file:
            self._passwords.find(None)  # report a wrong name now, and not at midnight
        self._program: Program = program
        self._once = once
        self._look_at_the_rights()
        self._results: dict[str, str] = {}
        is_watch = program == "watch" and self._config.mqtt is not None
        self._home = HomeNews(self._config, self.observe) if is_watch else None
        self._teller = Teller(self._config.notify, lambda text: self.observe(Caution(text)))

    def __enter__(self) -> "NightContext":
        from ibackup.jobs.nights.clock import SystemClock
        from ibackup.jobs.nights.night_context import NightContext
        from ibackup.jobs.nights.store_opening import to_make

        return NightContext(
            self._config,
            self._open_store,
            replace(self._passwords.unlocker, observe=self.observe),
            SystemClock(),
            self._teller.__enter__(),
            self.observe,
            self._report,
            program=self._program,
            once=self._once,
            only=self._app.udid,
            patience=patience(),
            home=self._home,
            store_to_make=lambda: to_make(self._store_path),
        )

    def __exit__(self, *_error: object) -> None:
        if self._home is not None:
            self._home.close()
        self._teller.close()

    def tell_home(self, error: IbackupError | None) -> None:
        """Tell Home Assistant how a night ended; ``error``: why it could not even start."""
        from ibackup.jobs.home_assistant.home_news import tell_once

        results, store = dict(self._results), None
        try:
            if error is None:
                store = self._open_store()
        except IbackupError as gone:
            error = gone
        if error is not None:
            results = {each.udid: error.message for each in self._config.phones} | results
        tell_once(self._config, self.observe, store=store or self._store_path, results=results)

    def observe(self, event: Event) -> None:
        """Receive an event of the run, from any thread."""
        with self._lock:
            self._hear(event)

    def _hear(self, event: Event) -> None:
        if not self.silent:
            self._app.reporter(event)
            return
        self._log(event)
        if isinstance(event, Caution) and event not in self._worries:
            self._worries.append(event)

    def _look_at_the_rights(self) -> None:
        """Only its owner may read a config file with addresses."""
        path = self._config.path
        if (
            os.name == "posix"
            and path is not None
            and self._config.notify.secrets()
            and path.stat().st_mode & 0o077
        ):
            text = f"Others can read the config file {path}, which contains the addresses for notifications."
            self.observe(Caution(text, f"Run: chmod 600 {shlex.quote(str(path))}"))

    def note_failure(self, error: IbackupError) -> None:
        """Record a run that could not even begin in the history."""
        now = rfc3339(datetime.now(UTC))
        told = {"exit_code": int(error.exit_code), "message": error.message, "text": error.message}
        self._history.add({"ended": now, "program": self._program, **told})

    def tell_worries(self) -> None:
        """Print the warnings, now that they matter."""
        for each in self._worries:
            self._app.reporter.say(wrap(f"Warning: {each.text} {each.hint}".rstrip()))

    def _open_store(self) -> "Store":
        from ibackup.jobs.nights.store_opening import open_store

        # A turn begins. What a watch remembers may be a week old; a night keeps what it was given. With --once, a
        # source that failed is not asked again either: the run is short, and opens the store several times.
        if not self._once:
            self._passwords.forget(failures_only=self._program == "nightly")
        return open_store(self._store_path, self.observe)

    @property
    def _store_path(self) -> str:
        return str(config_file.store_path(self._app.settings.store, self._config))

    def _report(self, outcome: "PhoneOutcome") -> None:
        said = text(outcome)
        self._results[outcome.phone.udid] = said
        if self._home is not None:
            self._home.note(outcome.phone.udid, said)
        # The log leaves names out, but with several phones each line must show which one it is about.
        hidden = "" if self._app.settings.no_redact else f"The phone ending in {outcome.phone.udid[-4:]}"
        logging.getLogger("ibackup").info("%s", text(outcome, hidden).replace("\n ", ""))
        self._app.reporter.emit({"event": "phone", **row(outcome)})
        told = {"ended": rfc3339(outcome.attempt.ended), "program": self._program, **row(outcome)}
        self._history.add(told | {"text": said.replace("\n ", "")})
        if not self.silent and not self._app.settings.json:
            self._app.stop_progress()
            self._app.reporter.say(said)
