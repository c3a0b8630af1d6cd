"""``ibackup``: finds the command, runs it, and turns whatever happens into one exit code."""

import contextlib
import gc
import importlib
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from ibackup import __version__
from ibackup.base import descriptors
from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.base.orderly_stop import OrderlyStop, stopping_signals
from ibackup.cli.shell import standard_streams
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import usage_error
from ibackup.cli.shell.common_options import common_options
from ibackup.cli.shell.interruptions import interrupted
from ibackup.cli.shell.output import SCHEMA, print_error, print_json, width
from ibackup.cli.shell.top_help import ALIASES, commands, page

COMMANDS = commands()


class LazyGroup(click.Group):
    """Imports a command's module only when it is needed, so that start-up stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ibackup.cli.commands.{cmd_name.replace('-', '_')}_command")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the options before the command, and answer ``--version``, which needs no command."""
        rest = super().parse_args(ctx, args)
        app = ctx.ensure_object(App)
        if app.version_asked:
            _tell_version(app)
            ctx.exit()
        return rest

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, also by the word that people try first, or suggest the closest one."""
        args = [ALIASES.get(args[0], args[0]), *args[1:]] if args else args
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib  # only when something was mistyped

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise UsageError(
                f"There is no command {args[0]!r}.{f' Did you mean `ibackup {near[0]}`?' if near else ''}",
                hint="`ibackup --help` lists the commands.",
            )
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What Tab offers: the commands as in ``--help``, without loading them, and the options."""
        commands = [
            CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """One screen in place of click's own help; loads no command."""
        formatter.write(page(" ".join(each.opts[0] for each in self.params), width()))


def _ask_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    """Note ``--version``; the answer comes when the other options are known, wherever they stand."""
    ctx.ensure_object(App).version_asked = wanted and not ctx.resilient_parsing


def _tell_version(app: App) -> None:
    """Answer ``--version``; with ``--verbose``, with everything that a bug report needs."""
    if not app.settings.verbose:
        members: dict[str, object] = {}
        text = f"ibackup, version {__version__}"
    else:
        from ibackup.cli.shell.version_report import version_report

        members, text = version_report(app.settings)
    if app.json_asked:
        head = {"event": "result", "schema": SCHEMA, "command": "", "exit_code": 0}
        print_json(head | {"version": __version__} | members)
    else:
        click.echo(text)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    callback=_ask_version,
    help="Show the version and exit; with -v, what a bug report needs.",
)
@common_options
def cli() -> None:
    """Complete, proven local backups of your iPhone or iPad.

    Plug in the phone, unlock it, and run `ibackup now`.
    """


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; prints only an answer or an error."""
    # Without our own log, nothing may reach logging's last resort, standard error.
    logging.getLogger("ibackup").addHandler(logging.NullHandler())
    as_json = "--json" in _before_double_dash(args)
    app = App(json_asked=as_json)
    try:
        try:
            code = cli.main(args=list(args), prog_name="ibackup", standalone_mode=False, obj=app)
            return int(code) if isinstance(code, int) else 0
        except click.exceptions.Exit as stop:
            return stop.exit_code
        except click.exceptions.NoArgsIsHelpError as error:
            if as_json:
                raise usage_error(click.UsageError("Missing command.", error.ctx), app) from None
            click.echo(error.format_message(), err=True)
            return ExitCode.USAGE
        except click.ClickException as error:
            raise usage_error(error, app) from None
        except (KeyboardInterrupt, click.Abort):
            raise interrupted(app.command) from None
    except IbackupError as error:
        return _fail(app, error, as_json=as_json)
    except BrokenPipeError:
        # The reader of our output is gone, as with `| head`; the interpreter must not complain about it again.
        sys.stdout = None
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user unasked
        return _fail(app, _unexpected(app, error), as_json=as_json)
    finally:
        app.close()


def _fail(app: App, error: IbackupError, *, as_json: bool) -> int:
    app.failed(error)
    result = {
        "event": "result",
        "schema": SCHEMA,
        "command": app.command,
        "exit_code": int(error.exit_code),
        "error_code": error.error_code,
        "message": error.message,
        "hint": error.hint,
        **({"reason": error.reason} if error.reason else {}),
    }
    # If nobody reads it, or its disk is full, the exit code still says how it ended.
    with contextlib.suppress(OSError):
        try:
            if as_json:
                print_json(result)
        except OSError:
            sys.stdout = None
            as_json = False
        if not as_json:
            print_error(error)
    return int(error.exit_code)


def _unexpected(app: App, error: Exception) -> IbackupError:
    app.stop_progress()
    logging.getLogger("ibackup").debug("The full details:", exc_info=error)
    if isinstance(error, OSError) and error.strerror:
        where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, (str, bytes)) else ""
        return IbackupError(
            f"The computer reported: {error.strerror}{where}.",
            hint="Finished snapshots are untouched. Fix that, then run the command again; -v shows details.",
        )
    return IbackupError(
        f"Something unexpected happened: {type(error).__name__}: {error}",
        hint="This is a fault in ibackup. Finished snapshots are untouched. Please report it with the output of "
        "the same command and -v.",
    )


def _before_double_dash(args: Sequence[str]) -> Sequence[str]:
    return args[: args.index("--")] if "--" in args else args


def main() -> NoReturn:
    """The entry point: terminating signals end a run as politely as Ctrl-C does."""
    standard_streams.open_missing()
    stopping = stopping_signals()
    stop = OrderlyStop()
    for number in stopping:
        signal.signal(number, stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An old terminal that lacks a letter shows its number instead of an error.
            stream.reconfigure(errors="backslashreplace")
    descriptors.raise_limit()
    # A run creates millions of short-lived objects and almost no cycles; searching for cycles often is wasted time.
    gc.set_threshold(50_000, 20, 50)
    code = run(sys.argv[1:])
    for number in stopping:
        signal.signal(number, signal.SIG_IGN)  # nothing is left to do but exit
    if sys.stdout is not None:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
    # Python notes a Ctrl-C that ends any exec(), as when a dataclass is made, even if it is handled later. Started with
    # -m, it would then end with that signal instead of our code. Another exec() clears the note.
    exec("")  # noqa: S102
    gc.freeze()  # the remaining objects end with the process; no need to search them for cycles
    sys.exit(code)
