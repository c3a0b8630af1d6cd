"""The values of options: what the config file takes, an option takes too."""

from typing import TypeVar

import click

from ibackup.config import value_kinds
from ibackup.config.value_kinds import ValueKind

T = TypeVar("T")


class TypedValue(click.ParamType[T]):
    """A value as the config file has it, without quotes.

    Args:
        kind: which one.
    """

    def __init__(self, kind: ValueKind[T]) -> None:
        self._kind = kind
        self.name = kind.placeholder.lower()

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Parse it; a default of ours has its type already."""
        if not isinstance(value, str):
            return value  # type: ignore[return-value]
        found = self._kind.from_text(value)
        if found is None:
            self.fail(f"{value!r} is not {self._kind.wish}.", param, ctx)
        return found


DURATION = TypedValue(value_kinds.DURATION)
SIZE = TypedValue(value_kinds.SIZE)
COUNT = TypedValue(value_kinds.COUNT)
TIME_OF_DAY = TypedValue(value_kinds.TIME_OF_DAY)
