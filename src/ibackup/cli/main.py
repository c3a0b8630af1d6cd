"""``ibackup``: finds the command, runs it, and turns whatever happens into one exit code."""

import contextlib
import gc
import importlib
import io
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from ibackup import __version__
from ibackup.cli.common import EXIT_CODES, App, common_options, interrupted, usage_error
from ibackup.cli.output import SCHEMA, print_error, print_json
from ibackup.errors import ExitCode, IbackupError, UsageError

# name: (module, one line of help); in the order in which --help shows them, what most people need first.
COMMANDS = {
    "now": "Back up the connected phone, check it and seal it",
    "status": "Are the backups fresh and good? One line a phone",
    "verify": "Prove a snapshot, or any existing backup folder, good",
    "restore": "Put a snapshot back on a phone",
    "doctor": "Why iCloud Backup fails, and what helps",
    "setup": "Set it all up: a few questions, a schedule, the first backup",
    "nightly": "Back up every phone that is due: what cron runs",
    "watch": "Back up each phone when it is plugged in",
    "schedule": "Have the system start the nightly backups",
    "devices": "Phones that are connected, and their state",
    "list": "The snapshots in the store",
    "show": "One snapshot: what is in it and what proves it",
    "rehearse": "Restore a snapshot into a virtual iPhone: would it work?",
    "files": "Look into a snapshot",
    "extract": "Take files out of a snapshot",
    "diff": "Compare two snapshots",
    "encryption": "Encryption of the phone's backups: its password, and where it is kept",
    "icloud": "The phone's iCloud Backup switch",
    "config": "What holds, and whether the config file is right",
    "prune": "Remove old snapshots by rules",
    "pin": "Have prune leave a snapshot alone",
    "import": "Adopt a backup that Finder, iTunes or another program made",
    "to-finder": "Put a snapshot where Finder, iTunes or Apple Devices shows it",
    "demo": "Try it all without a phone, in a minute",
    "simulator": "Run the virtual iPhone for other programs",
    "completion": "Tab completion for bash, zsh or fish",
}

EPILOG = (
    f"{EXIT_CODES}\n\nMost people need: ibackup now, then ibackup setup; ibackup doctor when iCloud fails."
)


class LazyGroup(click.Group):
    """Imports a command's module only when that command is asked for: start-up stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ibackup.cli.{cmd_name.replace('-', '_')}_command")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may be meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib  # only when something was mistyped

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise UsageError(
                f"There is no command {args[0]!r}.{f' Did you mean `ibackup {near[0]}`?' if near else ''}",
                hint="`ibackup --help` lists what there is.",
            )
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What Tab offers: the commands as ``--help`` lists them, none of them loaded, and the options."""
        commands = [
            CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _tell_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    """Answer ``--version``, which counts before all else; ``--json`` may stand before or after it."""
    if not wanted or ctx.resilient_parsing:
        return
    if ctx.ensure_object(App).json_asked:
        head = {"event": "result", "schema": SCHEMA, "command": "", "exit_code": 0}
        print_json(head | {"version": __version__})
    else:
        click.echo(f"ibackup, version {__version__}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
@common_options
def cli() -> None:
    """Complete, proven local backups of your iPhone or iPad.

    Plug in the phone, unlock it, and run `ibackup now`.
    """


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing but an answer or an error is printed."""
    # Without a log of our own nothing may fall through to logging's last resort, standard error.
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
        # Whoever read our output has gone, `| head` for one; the interpreter must not complain about it again.
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
    }
    # Where nobody reads it, or its disk is full, the exit code still tells.
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
    logging.getLogger("ibackup").debug("What went wrong, in full:", exc_info=error)
    if isinstance(error, OSError) and error.strerror:
        where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, (str, bytes)) else ""
        return IbackupError(
            f"The computer reported: {error.strerror}{where}.",
            hint="Finished snapshots are untouched. Mend that and run the command again; -v shows details.",
        )
    return IbackupError(
        f"Something unexpected happened: {type(error).__name__}: {error}",
        hint="This is a fault in ibackup. Finished snapshots are untouched. Please report it with the output of "
        "the same command and -v.",
    )


def _before_double_dash(args: Sequence[str]) -> Sequence[str]:
    return args[: args.index("--")] if "--" in args else args


_STUCK_SECONDS = 10.0


class _Stop:
    """The first Ctrl-C ends a run in order, and that order is not broken by further ones.

    Should the end take long (a disk that does not answer), the next one ends the program on the spot. Nothing is
    lost by that: a run can be cut off anywhere.
    """

    def __init__(self) -> None:
        self._first: float | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise KeyboardInterrupt
        if now - self._first > _STUCK_SECONDS:
            os._exit(ExitCode.INTERRUPTED)


def _signals() -> list[signal.Signals]:
    """Those that end a run; one that is ignored (under nohup, in the background) stays so."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    known = [number for name in names if isinstance(number := getattr(signal, name, None), signal.Signals)]
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]


def main() -> NoReturn:
    """The entry point: terminating signals end a run as politely as Ctrl-C does."""
    stopping = _signals()
    stop = _Stop()
    for number in stopping:
        signal.signal(number, stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An old terminal without some letter gets its number, not an error.
            stream.reconfigure(errors="backslashreplace")
    # A run makes millions of objects that die young and next to no cycles; looking for them so often is wasted.
    gc.set_threshold(50_000, 20, 50)
    code = run(sys.argv[1:])
    for number in stopping:
        signal.signal(number, signal.SIG_IGN)  # all that is left to do is to go
    if sys.stdout is not None:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
    gc.freeze()  # what is left goes with the process; nobody need look for cycles in it
    sys.exit(code)
