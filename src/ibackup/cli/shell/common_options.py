"""The options of every command, which may be before or after the command's name."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ibackup.cli.shell import completion
from ibackup.cli.shell.application import App
from ibackup.cli.shell.config_options import key_option
from ibackup.config.config_schema import DEFAULT_STORE

_Command = TypeVar("_Command", bound=Callable[..., Any])

COMMON_TITLE = "Options of every command"
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""How click makes every command."""


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Options of the group and of the command mean the same; the later one wins."""
    if value is not None and value is not False:
        setattr(ctx.ensure_object(App).settings, str(param.name), value)


COMPLETING = completion.Completing(lambda context: context.ensure_object(App))


def _option(*names: str, help: str, **attributes: Any) -> Callable[[_Command], _Command]:  # noqa: A002 - click's word
    return click.option(*names, help=help, expose_value=False, callback=_keep, **attributes)


_COMMON = [
    key_option(
        "", "store", default_said=f"{DEFAULT_STORE}; $IBACKUP_STORE", expose_value=False, callback=_keep
    ),
    _option(
        "--phone",
        "--udid",
        "phone",
        metavar="NAME|UDID",
        help="The phone's name, or the beginning of its UDID",
        shell_complete=COMPLETING.phones,
    ),
    _option("--config", metavar="FILE", help="The config file", shell_complete=completion.files),
    _option("--log-file", metavar="FILE", help="Also write a log to FILE", shell_complete=completion.files),
    _option("--no-redact", is_flag=True, help="Leave UDID, name, serial and phone number in logs"),
    _option("--json", is_flag=True, help="Print one JSON object per line on standard output"),
    _option("-v", "--verbose", is_flag=True, help="Print more details"),
    _option("-q", "--quiet", is_flag=True, help="Print only warnings and errors"),
]


def common_options(function: _Command) -> _Command:
    """Add the options that every command has."""
    for option in reversed(_COMMON):
        function = option(function)
    return function


@click.command("ibackup", context_settings=CONTEXT)
@common_options
def _shared() -> None:
    """Has the options of every command and no others."""


def options_text() -> str:
    """What the options of every command do."""
    context = click.Context(_shared, info_name="ibackup", **CONTEXT)
    formatter = context.make_formatter()
    with formatter.section(COMMON_TITLE):
        formatter.write_dl(
            [record for each in _shared.params if (record := each.get_help_record(context)) is not None]
        )
    return (
        f"{formatter.getvalue()}\nYou can put them before or after the command. \n`ibackup --version` shows "
        f"the version; with -v, also what a bug report needs."
    )


def is_common(param: click.Parameter) -> bool:
    """Whether a command has this option because every command does."""
    return param.callback is _keep
