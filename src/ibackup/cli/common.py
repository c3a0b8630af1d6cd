"""What every command has: the common options, the reporter, the store and the phone that are meant."""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup import config as config_file
from ibackup.cli.output import SCHEMA, JsonReporter, LineReporter, Reporter, TerminalReporter
from ibackup.errors import ExitCode, IbackupError

if TYPE_CHECKING:
    from ibackup.store import Store

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass
class Settings:
    """The common options, wherever on the command line they stood."""

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
    """One run of the program."""

    settings: Settings = field(default_factory=Settings)
    command: str = ""
    _reporter: Reporter | None = None
    _log: logging.Handler | None = None

    @property
    def reporter(self) -> Reporter:
        """The one reporter of this run."""
        if self._reporter is None:
            self._reporter = self._make_reporter()
        return self._reporter

    def _make_reporter(self) -> Reporter:
        if self.settings.json:
            return JsonReporter()
        if self.settings.quiet or not sys.stderr.isatty():
            return LineReporter(quiet=self.settings.quiet)
        return TerminalReporter()

    @cached_property
    def config(self) -> config_file.Config:
        """The config file, read once."""
        return config_file.load(self.settings.config)

    @property
    def udid(self) -> str | None:
        """The phone asked for by ``--phone``: a configured name becomes its UDID."""
        asked = self.settings.phone
        if asked is None:
            return None
        known = self.config.phone(asked)
        return known.udid if known else asked

    def open_store(self, *, create: bool = False, new_store: bool = False) -> "Store":
        """Open the store that is meant."""
        from ibackup.store import Store

        path = config_file.store_path(self.settings.store, self.config)
        return Store.open(path, create=create, new_store=new_store)

    def start(self, command: str) -> None:
        """Note which command runs, and begin the log where one is asked for."""
        self.command = command
        if self._log is None and (self.settings.log_file or self.settings.verbose):
            from ibackup.cli.logs import start_log

            self._log = start_log(
                self.settings.log_file, verbose=self.settings.verbose, redact=not self.settings.no_redact
            )

    def log_error(self, error: IbackupError) -> None:
        """Put how a run failed into the log."""
        logging.getLogger("ibackup").error("exit %d: %s", error.exit_code, error.message)

    def result(self, payload: Mapping[str, object], text: str, code: ExitCode = ExitCode.OK) -> int:
        """End a command: its answer for people, or the result event, and the exit code."""
        self.stop_progress()
        head = {"event": "result", "schema": SCHEMA, "command": self.command, "exit_code": int(code)}
        self.reporter.emit(head | dict(payload))
        if text:
            self.reporter.answer(text)
        return int(code)

    def stop_progress(self) -> None:
        """Leave the terminal as it was."""
        if self._reporter is not None:
            self._reporter.close()

    def close(self) -> None:
        """End the run."""
        self.stop_progress()
        if self._log is not None:
            logging.getLogger("ibackup").removeHandler(self._log)
            self._log.close()


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Options of the group and of the command mean the same; the later one wins."""
    if value is not None and value is not False:
        setattr(ctx.ensure_object(App).settings, str(param.name), value)


def _option(*names: str, help: str, **attributes: Any) -> Callable[[_Command], _Command]:  # noqa: A002 - click's word
    return click.option(*names, help=help, expose_value=False, callback=_keep, **attributes)


_COMMON = [
    _option("--store", metavar="FOLDER", help="Where the backups are [~/ibackup; $IBACKUP_STORE]"),
    _option("--phone", "--udid", "phone", metavar="NAME|UDID", help="Which phone"),
    _option("--config", metavar="FILE", help="The config file"),
    _option("--log-file", metavar="FILE", help="Also write what happens to FILE"),
    _option("--no-redact", is_flag=True, help="Keep UDID, serial and phone number in logs"),
    _option("--json", is_flag=True, help="One JSON object a line on standard output"),
    _option("-v", "--verbose", is_flag=True, help="Say more"),
    _option("-q", "--quiet", is_flag=True, help="Say only what somebody must know"),
]


def common_options(function: _Command) -> _Command:
    """Add the options that every command has."""
    for option in reversed(_COMMON):
        function = option(function)
    return function


def ibackup_command(name: str, **attributes: Any) -> Callable[[Callable[..., int]], click.Command]:
    """A command of ours: the common options, the App as first argument, an exit code returned."""

    def wrap(function: Callable[..., int]) -> click.Command:
        def body(*args: Any, **kwargs: Any) -> int:
            context = click.get_current_context()
            app = context.ensure_object(App)
            app.start(context.command_path.partition(" ")[2])
            return function(app, *args, **kwargs)

        body.__name__ = function.__name__
        body.__doc__ = function.__doc__
        # Options declared below the decorator belong to the body that click calls.
        body.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 80}
        made: click.Command = click.command(name, context_settings=settings, **attributes)(
            common_options(body)
        )
        return made

    return wrap


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Duration(click.ParamType[float]):
    """``30s``, ``90m``, ``36h``, ``7d``, ``8w``; a bare 0 is 0. The value is in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse a duration."""
        if isinstance(value, (int, float)):
            return float(value)
        if value == "0":
            return 0.0
        match = re.fullmatch(r"(\d{1,6})([smhdw])", str(value))
        if not match:
            self.fail(f"{value!r} is not a duration; write 30s, 90m, 36h, 7d or 8w.", param, ctx)
        return float(int(match[1]) * _SECONDS[match[2]])


DURATION = Duration()


def patience() -> float:
    """Seconds to wait for somebody at the phone: five minutes when somebody sits at this terminal, else one."""
    return 300.0 if sys.stdin.isatty() and sys.stderr.isatty() else 60.0
