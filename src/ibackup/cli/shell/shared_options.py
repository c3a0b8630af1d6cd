"""Options that several commands share and no key of the config file has."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ibackup.cli.shell.completion import folders
from ibackup.cli.shell.typed_values import DURATION
from ibackup.config.value_kinds import written_duration

_Command = TypeVar("_Command", bound=Callable[..., Any])
_ALONE, _ON_A_TERMINAL = 60.0, 300.0


def patience() -> float:
    """Seconds to wait for someone at the phone: longer on a terminal, where someone is."""
    return _ON_A_TERMINAL if sys.stdin.isatty() and sys.stderr.isatty() else _ALONE


def wait_option(
    text: str = "How long to wait for the phone to be connected",
) -> Callable[[_Command], _Command]:
    """``--wait``, in seconds; by default not at all."""
    return click.option("--wait", type=DURATION, default=0, metavar="TIME", help=f"{text} [0]")


def patience_option(*, default: float | None = None) -> Callable[[_Command], _Command]:
    """``--patience``, in seconds; ``patience()`` if no default is given."""
    usual = f"{written_duration(_ALONE)}; {written_duration(_ON_A_TERMINAL)} on a terminal"
    return click.option(
        "--patience",
        type=DURATION,
        default=patience if default is None else default,
        metavar="TIME",
        help="How long to wait for someone to unlock the phone or tap Trust "
        f"[{usual if default is None else written_duration(default)}]",
    )


def phone_options(function: _Command) -> _Command:
    """``--wait`` and ``--patience``, for a command that talks to a phone."""
    return wait_option()(patience_option()(function))


def address_option(function: _Command) -> _Command:
    """``--address``, of a phone that is not found over Wi-Fi by itself."""
    return click.option(
        "--address",
        default="",
        metavar="HOST[:PORT]",
        help="Address of a phone that `ibackup wifi` has set up, if it is not found automatically",
    )(function)


def over_wifi_option(function: _Command) -> _Command:
    """``--over-wifi``, for a command that leaves a phone half done if the connection is lost."""
    return click.option(
        "--over-wifi", is_flag=True, help="Also work over Wi-Fi; a lost connection leaves the phone half done"
    )(function)


def to_option(text: str, *, required: bool = False) -> Callable[[_Command], _Command]:
    """``--to FOLDER``."""
    return click.option("--to", required=required, metavar="FOLDER", help=text, shell_complete=folders)


def new_store_option(function: _Command) -> _Command:
    """``--new-store``."""
    return click.option("--new-store", is_flag=True, help="Create a new, empty store where one was before")(
        function
    )


def switch_yes_option(state: str) -> Callable[[_Command], _Command]:
    """``--yes``, for a command that switches something of the phone on or off."""
    return click.option("--yes", is_flag=True, help=f"Switch it {state} without asking on this computer")


def level_option(default: str, text: str) -> Callable[[_Command], _Command]:
    """``--level``, how thoroughly to check a backup."""
    return click.option(
        "--level",
        type=click.Choice(["quick", "full", "deep"]),
        default=default,
        show_default=True,
        help=text,
    )
