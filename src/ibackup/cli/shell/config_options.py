"""Options made from the keys of the config file, so that each key, its option and the reference say the same."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ibackup.cli.shell import completion
from ibackup.cli.shell.typed_values import TypedValue
from ibackup.config import value_kinds
from ibackup.config.config_keys import ConfigKey, keys
from ibackup.config.config_schema import TABLES

_Command = TypeVar("_Command", bound=Callable[..., Any])
_COMPLETED_BY: dict[object, Callable[..., Any]] = {
    value_kinds.FILE: completion.files,
    value_kinds.FOLDER: completion.folders,
}
_AS_TYPED = (value_kinds.FILE, value_kinds.FOLDER, value_kinds.COMMAND)


class KeyOption(click.Option):
    """An option that sets a key of the config file for one run.

    Args:
        key: which one.
    """

    def __init__(self, *names: Any, key: ConfigKey, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.key = key


def key_option(
    table: str, name: str, *, default_said: str = "", **attributes: Any
) -> Callable[[_Command], _Command]:
    """The option of one key.

    Args:
        table: where it is in the file.
        name: as it is written there.
        default_said: in place of the key's own default.
        attributes: what click's option takes besides.
    """
    (key,) = (key for _, key in keys(TABLES[table]) if key.name == name)
    default = default_said or key.default_said
    flags = f"{key.flag}/--no-{key.flag[2:]}" if key.kind is value_kinds.FLAG else key.flag
    if key.kind is not value_kinds.FLAG:
        attributes |= {
            "type": None if key.kind in _AS_TYPED else TypedValue(key.kind),
            "metavar": key.kind.placeholder,
            "shell_complete": _COMPLETED_BY.get(key.kind),
        }
    return click.option(
        flags,
        cls=KeyOption,
        key=key,
        default=None,  # the config file decides
        help=f"{key.text} [{default}]" if default else key.text,
        **attributes,
    )


def table_options(*tables: str) -> Callable[[_Command], _Command]:
    """The options of all keys of these tables."""

    def wrap(function: _Command) -> _Command:
        found = [(table, key.name) for table in tables for _, key in keys(TABLES[table]) if key.has_option]
        for table, name in reversed(found):
            function = key_option(table, name)(function)
        return function

    return wrap


def taken(given: dict[str, Any], *tables: str) -> Mapping[str, Any]:
    """Take the values of ``table_options`` out of what click gives; those that were given, by their fields."""
    values = {
        field: given.pop(key.name) for table in tables for field, key in keys(TABLES[table]) if key.has_option
    }
    return {field: value for field, value in values.items() if value is not None}
