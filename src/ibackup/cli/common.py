"""What every command has: the common options, the reporter, the store and the phone that are meant."""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from ibackup import config as config_file
from ibackup.cli import completing
from ibackup.cli.output import SCHEMA, is_terminal, printable
from ibackup.cli.reporters import JsonReporter, LineReporter, Reporter
from ibackup.errors import ExitCode, IbackupError, Interrupted, UsageError

if TYPE_CHECKING:
    from ibackup.store import Store

_Command = TypeVar("_Command", bound=Callable[..., Any])
_log = logging.getLogger("ibackup")

EXIT_CODES = """\b
Exit codes: 0 done and proven, 1 unexpected failure, 2 wrong usage,
3 the phone could not read some files, 4 damage found, 10 no phone,
11 somebody is needed at the phone, 12 the phone refused,
13 connection lost, 14 not enough room, 15 phone in use by another run,
16 store not there, 20 password missing or wrong, 21 not a backup,
30 stale, 31 iCloud Backup blocked, 130 interrupted."""

COMMON_TITLE = "Options of every command"


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
    """One run of the program.

    Attributes:
        settings: what the common options say, as soon as they are parsed.
        command: its name, empty before it is known.
        json_asked: whether ``--json`` stands on the command line, which is known before anything is parsed.
    """

    settings: Settings = field(default_factory=Settings)
    command: str = ""
    json_asked: bool = False
    _handlers: list[logging.Handler] | None = None

    @cached_property
    def reporter(self) -> Reporter:
        """The one reporter of this run."""
        from ibackup.cli.logs import EventLog

        if self.settings.json:
            return JsonReporter(EventLog())
        if self.settings.quiet or not is_terminal(sys.stderr):
            return LineReporter(EventLog(), quiet=self.settings.quiet)
        from ibackup.cli.terminal import TerminalReporter

        return TerminalReporter(EventLog())

    @cached_property
    def config(self) -> config_file.Config:
        """The config file, read once."""
        return config_file.load(self.settings.config)

    def take_config(self, config: config_file.Config) -> None:
        """Go on with another config than the one that was read, after it was written."""
        self.__dict__["config"] = config  # where cached_property keeps it

    @property
    def udid(self) -> str | None:
        """The phone asked for by ``--phone``: a configured name becomes its UDID.

        Raises:
            UsageError: it is neither a name in the config nor a UDID.
        """
        asked = self.settings.phone
        return None if asked is None else self.udid_of(asked)

    def udid_of(self, asked: str) -> str:
        """The UDID of a phone by a configured name or a UDID. Raises UsageError: it is neither."""
        known = self.config.phone(asked)
        if known is not None:
            return known.udid
        if config_file.is_udid(asked):
            return asked
        names = [phone.name for phone in self.config.phones]
        import difflib  # only when something was mistyped

        near = difflib.get_close_matches(asked, names, n=1)
        raise UsageError(
            f"There is no phone named {asked!r}.{f' Did you mean {near[0]!r}?' if near else ''}",
            hint=(
                f"Names in the config file: {', '.join(names)}. " if names else "The config file names none. "
            )
            + "A UDID does, too: `ibackup devices` and `ibackup list` show them.",
        )

    @property
    def asks(self) -> bool:
        """Whether somebody sits at a terminal and may be asked something."""
        return not self.settings.json and sys.stdin.isatty() and is_terminal(sys.stderr)

    def open_store(self, *, create: bool = False, new_store: bool = False) -> "Store":
        """Open the store that is meant."""
        from ibackup.store import Store

        path = config_file.store_path(self.settings.store, self.config)
        _log.debug("config %s, store %s", self.config.path or "none", path)
        return Store.open(path, create=create, new_store=new_store, observer=self.reporter)

    def start(self, command: str, *, own_log: str = "") -> None:
        """Note which command runs, and begin the log where one is asked for.

        Args:
            command: its name.
            own_log: the name of a log that this command keeps in any case, in the user's state.
        """
        self.command = command
        settings = self.settings
        if self._handlers is None and (settings.log_file or settings.verbose or own_log):
            from ibackup.cli.logs import start_log

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
        """End a command: its answer for people, or the result event, and the exit code.

        Args:
            payload: the members of the result beside those that every result has.
            text: for people, on standard output.
            code: how it ended.
            message: what went wrong, when something did.
            hint: what to do about it.
            skippable: the text only says that all is well, which ``--quiet`` does not want to hear.
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
        """Leave the terminal for an error's text, and put it into the log."""
        self.stop_progress()
        _log.error("exit %d: %s %s", error.exit_code, error.message, error.hint)

    def stop_progress(self) -> None:
        """Leave the terminal as it was."""
        if "reporter" in self.__dict__:
            self.reporter.close()

    def close(self) -> None:
        """End the run."""
        self.stop_progress()
        if self._handlers is not None:
            from ibackup.cli.logs import end_log

            end_log(self._handlers)
            self._handlers = None


def _own_log(name: str) -> str | None:
    """Where a command keeps its own log; None where it has none, or cannot."""
    if not name:
        return None
    from ibackup.store.known import state_dir

    folder = state_dir()
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        return None
    return os.path.join(folder, name) if os.access(folder, os.W_OK) else None


# -- options ------------------------------------------------------------------------------------------------


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Options of the group and of the command mean the same; the later one wins."""
    if value is not None and value is not False:
        setattr(ctx.ensure_object(App).settings, str(param.name), value)


def _option(*names: str, help: str, **attributes: Any) -> Callable[[_Command], _Command]:  # noqa: A002 - click's word
    return click.option(*names, help=help, expose_value=False, callback=_keep, **attributes)


_COMMON = [
    _option(
        "--store",
        metavar="FOLDER",
        help="Where the backups are [~/ibackup; $IBACKUP_STORE]",
        shell_complete=completing.folders,
    ),
    _option(
        "--phone",
        "--udid",
        "phone",
        metavar="NAME|UDID",
        help="Which phone: its name in the config, or its UDID",
        shell_complete=completing.phones,
    ),
    _option("--config", metavar="FILE", help="The config file", shell_complete=completing.files),
    _option(
        "--log-file", metavar="FILE", help="Also write what happens to FILE", shell_complete=completing.files
    ),
    _option("--no-redact", is_flag=True, help="Keep UDID, name, serial and phone number in logs"),
    _option("--json", is_flag=True, help="One JSON object a line on standard output"),
    _option("-v", "--verbose", is_flag=True, help="Say more"),
    _option("-q", "--quiet", is_flag=True, help="Say only what somebody must know"),
]


def common_options(function: _Command) -> _Command:
    """Add the options that every command has."""
    for option in reversed(_COMMON):
        function = option(function)
    return function


class _Sections(click.Command):
    """Shows a command's own options apart from those that every command has."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two sections."""
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                (common if param.callback is _keep else own).append(record)
        for title, records in (("Options", own), (COMMON_TITLE, common)):
            with formatter.section(title):
                formatter.write_dl(records)


class IbackupCommand(_Sections):
    """A command of ours."""


class IbackupGroup(_Sections, click.Group):
    """A command of ours that has commands of its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


def ibackup_group(name: str) -> Callable[[Callable[[], None]], click.Group]:
    """A group of commands that takes the common options, too."""

    def wrap(function: Callable[[], None]) -> click.Group:
        made: click.Group = click.group(name, cls=IbackupGroup, context_settings=_CONTEXT, epilog=EXIT_CODES)(
            common_options(function)
        )
        return made

    return wrap


def ibackup_command(
    name: str, *, epilog: str = "", own_log: str = "", **attributes: Any
) -> Callable[[Callable[..., int]], click.Command]:
    """A command of ours: the common options, the App as first argument, an exit code returned."""

    def wrap(function: Callable[..., int]) -> click.Command:
        def body(*args: Any, **kwargs: Any) -> int:
            context = click.get_current_context()
            app = context.ensure_object(App)
            app.start(_command_name(context), own_log=own_log)
            try:
                return function(app, *args, **kwargs)
            except (KeyboardInterrupt, click.Abort):
                # Before click sees it, who would print an empty line into the last line of the terminal.
                raise interrupted(app.command) from None

        body.__name__ = function.__name__
        body.__doc__ = function.__doc__
        # Options declared below the decorator belong to the body that click calls.
        body.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        made: click.Command = click.command(
            name,
            cls=IbackupCommand,
            context_settings=_CONTEXT,
            epilog=f"{epilog}\n\n{EXIT_CODES}".strip(),
            **attributes,
        )(common_options(body))
        completing.complete_snapshots(made)
        return made

    return wrap


def _command_name(context: click.Context) -> str:
    return context.command_path.partition(" ")[2]


def usage_error(error: click.ClickException, app: App) -> UsageError:
    """What click says about a command line, as one of our errors; notes the command that was meant."""
    context = getattr(error, "ctx", None)
    path = "ibackup"
    if isinstance(context, click.Context):
        path = context.command_path
        app.command = _command_name(context)
    message = printable(error.format_message())
    return UsageError(
        message if message.endswith((".", "?", ")")) else f"{message}.",
        hint=f"`{path} --help` lists what there is.",
    )


_MAYBE = (
    "If the phone was asked already, it may have done it all the same: see `ibackup encryption status`, and keep the "
    "password that you chose."
)
_MAYBE_SWITCHED = (
    "If the phone was asked already, it may have done it all the same: `ibackup icloud status` tells."
)
_AFTER = {
    "now": "Finished snapshots are untouched. What has arrived is kept: run `ibackup now` again, and it goes on from "
    "there.",
    "nightly": "Finished snapshots are untouched, and what has arrived is kept: the next run goes on from there.",
    "watch": "Finished snapshots are untouched, and what has arrived is kept: the next run goes on from there.",
    "prune": "Some of the snapshots that were to go may be gone; the next prune or backup removes what is left.",
    "import": "The original was not changed; `ibackup list` shows whether it is in the store.",
    "to-finder": "Nothing was put there, and the snapshot was not changed.",
    "setup": "What was written so far stays, and finished snapshots are untouched: run `ibackup setup` again, and it "
    "goes on from there.",
    "icloud on": _MAYBE_SWITCHED,
    "icloud off": _MAYBE_SWITCHED,
    "encryption on": _MAYBE,
    "encryption off": _MAYBE,
    "encryption change": _MAYBE,
    "restore": "Nothing on the phone was changed.",
    "extract": "What was taken out so far stays where it is.",
}


def interrupted(command: str) -> Interrupted:
    """The error for Ctrl-C, and what is left behind."""
    return Interrupted("Interrupted.", hint=_AFTER.get(command, "Nothing was changed."))


class Duration(click.ParamType[float]):
    """``30s``, ``90m``, ``36h``, ``7d``, ``8w``; a bare 0 is 0. The value is in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse a duration."""
        if isinstance(value, (int, float)):
            return float(value)
        seconds = config_file.duration_s(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write 30s, 90m, 36h, 7d or 8w.", param, ctx)
        return seconds


class Size(click.ParamType[int]):
    """``500MB``, ``20GB``; a bare 0 is 0. The value is in bytes."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a size."""
        found = config_file.size_bytes(str(value))
        if found is None:
            self.fail(f"{value!r} is not a size; write 500MB or 20GB.", param, ctx)
        return found


class Count(click.ParamType[int]):
    """A whole number, 0 or more; click's own range would write itself into each line of the help."""

    name = "count"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse it."""
        text = str(value)
        if not text.isascii() or not text.isdigit() or len(text) > 6:
            self.fail(f"{value!r} is not a whole number from 0 to 999999.", param, ctx)
        return int(text)


class Hours(click.ParamType[config_file.Window]):
    """``21:00-07:00``, or ``always``."""

    name = "hours"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> config_file.Window:
        """Parse hours of the day."""
        found = config_file.window(str(value))
        if found is None:
            self.fail(f"{value!r} are no hours; write 21:00-07:00, or always.", param, ctx)
        return found


class TimeOfDay(click.ParamType[time]):
    """``21:30``, by the clock on the wall."""

    name = "time of day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> time:
        """Parse a time of day."""
        if isinstance(value, time):
            return value
        found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", str(value), re.ASCII)
        try:
            return time(int(found[1]), int(found[2])) if found else self._fail(value, param, ctx)
        except ValueError:
            return self._fail(value, param, ctx)

    def _fail(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        self.fail(f"{value!r} is not a time of day; write 21:30.", param, ctx)


DURATION = Duration()
SIZE = Size()
HOURS = Hours()
COUNT = Count()
TIME_OF_DAY = TimeOfDay()


def patience() -> float:
    """Seconds to wait for somebody at the phone: five minutes when somebody sits at this terminal, else one."""
    return 300.0 if sys.stdin.isatty() and sys.stderr.isatty() else 60.0
