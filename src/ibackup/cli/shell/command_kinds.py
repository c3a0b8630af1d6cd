"""What makes a function a command of ours: common options, sections of help, an exit code as its result."""

from collections.abc import Callable
from typing import Any

import click

from ibackup.base.errors import UsageError
from ibackup.cli.shell.application import App
from ibackup.cli.shell.common_options import COMMON_TITLE, COMPLETING, CONTEXT, common_options, is_common
from ibackup.cli.shell.exits import rows_of
from ibackup.cli.shell.interruptions import interrupted
from ibackup.cli.shell.output import printable


def _own_record(param: click.Parameter, ctx: click.Context) -> tuple[str, str] | None:
    return param.get_help_record(ctx) if isinstance(param, click.Option) and not is_common(param) else None


class _Sections(click.Command):
    """Shows a command's own options, and names those that every command has."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two sections."""
        own = [record for param in self.get_params(ctx) if (record := _own_record(param, ctx)) is not None]
        with formatter.section("Options"):
            formatter.write_dl(own)
        names = ", ".join(name for each in self.get_params(ctx) if is_common(each) for name in each.opts)
        with formatter.section(f"{COMMON_TITLE} (`ibackup help options` explains them)"):
            formatter.write_text(names)


class IbackupCommand(_Sections):
    """A command of ours."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the exit codes of this command."""
        super().format_options(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl(rows_of(_command_name(ctx)))


class IbackupGroup(_Sections, click.Group):
    """A command of ours that has commands of its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def ibackup_group(name: str) -> Callable[[Callable[[], None]], click.Group]:
    """A group of commands that takes the common options, too."""

    def wrap(function: Callable[[], None]) -> click.Group:
        made: click.Group = click.group(name, cls=IbackupGroup, context_settings=CONTEXT)(
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
            except (KeyboardInterrupt, click.Abort) as stop:
                # Before click sees it and prints an empty line into the terminal's last line.
                raise interrupted(app.command, asked=isinstance(stop, click.Abort)) from None

        body.__name__ = function.__name__
        body.__doc__ = function.__doc__
        # Options declared below the decorator belong to the body that click calls.
        body.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        made: click.Command = click.command(
            name,
            cls=IbackupCommand,
            context_settings=CONTEXT,
            epilog=epilog or None,
            **attributes,
        )(common_options(body))
        COMPLETING.complete_snapshots(made)
        return made

    return wrap


def _command_name(context: click.Context) -> str:
    return context.command_path.partition(" ")[2]


def usage_error(error: click.ClickException, app: App) -> UsageError:
    """Click's error about a command line as one of ours; also notes the intended command."""
    context = getattr(error, "ctx", None)
    path = "ibackup"
    if isinstance(context, click.Context):
        path = context.command_path
        app.command = _command_name(context)
    message = printable(error.format_message())
    return UsageError(
        message if message.endswith((".", "?", ")")) else f"{message}.",
        hint=f"`{path} --help` lists the options.",
    )
