"""``ibackup``: finds the command, runs it, and turns whatever happens into one exit code."""

import contextlib
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from ibackup import __version__
from ibackup.cli.common import App, common_options
from ibackup.cli.output import SCHEMA, print_error, print_json
from ibackup.errors import ExitCode, IbackupError, Interrupted, UsageError

# name: (module, one line of help); in the order in which --help shows them, what most people need first.
COMMANDS = {
    "now": "Back up the connected phone, check it and seal it",
    "verify": "Prove a snapshot, or any existing backup folder, good",
    "devices": "Phones that are connected, and their state",
    "list": "The snapshots in the store",
    "show": "One snapshot: what is in it and what proves it",
    "files": "Look into a snapshot",
    "extract": "Take files out of a snapshot",
    "diff": "Compare two snapshots",
    "demo": "Try it all without a phone, in a minute",
    "simulator": "Run the virtual iPhone for other programs",
    "completion": "Tab completion for bash, zsh or fish",
}

EPILOG = """\b
Exit codes: 0 done and proven, 1 unexpected failure, 2 wrong usage,
3 the phone could not read some files, 4 damage found, 10 no phone,
11 somebody is needed at the phone, 12 the phone refused,
13 connection lost, 14 not enough room, 15 phone in use by another run,
16 store not there, 20 password missing or wrong, 21 not a backup,
30 stale, 31 iCloud Backup blocked, 130 interrupted.

Most people need: ibackup now, then ibackup verify."""


class LazyGroup(click.Group):
    """Imports a command's module only when that command is asked for: start-up stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ibackup.cli.{cmd_name}_command")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, prog_name="ibackup")
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
    app = App()
    try:
        try:
            code = cli.main(args=list(args), prog_name="ibackup", standalone_mode=False, obj=app)
            return int(code) if isinstance(code, int) else 0
        except click.exceptions.Exit as stop:
            return stop.exit_code
        except click.ClickException as error:
            raise _as_usage_error(error) from None
        except (KeyboardInterrupt, click.Abort):
            raise Interrupted(
                "Interrupted.", hint="Nothing finished was touched; the next `ibackup now` goes on from here."
            ) from None
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
    app.stop_progress()
    app.log_error(error)
    if as_json:
        print_json(
            {
                "event": "result",
                "schema": SCHEMA,
                "command": app.command,
                "exit_code": int(error.exit_code),
                "error_code": error.error_code,
                "message": error.message,
                "hint": error.hint,
            }
        )
    else:
        print_error(error)
    return int(error.exit_code)


def _as_usage_error(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if isinstance(context, click.Context) else "ibackup"
    return UsageError(error.format_message(), hint=f"`{path} --help` lists what there is.")


def _unexpected(app: App, error: Exception) -> IbackupError:
    if app.settings.verbose:
        import traceback

        traceback.print_exception(error)
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


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """The entry point: terminating signals end a run as politely as Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # A program started under nohup keeps ignoring the hang-up.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    code = run(sys.argv[1:])
    if sys.stdout is not None:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
    sys.exit(code)
