"""One key of the config file: how it is written, its default, its option, and what it does."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TypeVar, cast

from ibackup.config import value_kinds
from ibackup.config.value_kinds import ValueKind

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One key of a table.

    Attributes:
        name: as it is written.
        kind: how its value is written.
        text: what it does or is, for the reference and for the option's help, without a full stop.
        more: further sentences, for the reference alone.
        default: its value if the file does not set the key.
        unset: what a default of None means.
        example: a value, as TOML; the default, if no other is given.
        has_option: whether an option of the same name sets it for one run.
        twin: how to do without the file, if that is not this option or the variable in ``env``.
        env: an environment variable that overrides the file, or empty.
        needed: whether the table is invalid without it.
        is_private: whether it runs a program or holds a secret: it is never shown, and changed in the file only.
    """

    name: str
    kind: ValueKind[object]
    text: str
    more: str
    default: object
    unset: str
    example: str
    has_option: bool
    twin: str
    env: str
    needed: bool
    is_private: bool

    @property
    def flag(self) -> str:
        """The name of the option."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def default_in_toml(self) -> str:
        """The default as it would be written; empty for None."""
        return "" if self.default is None else self.kind.in_toml(self.default)

    @property
    def default_said(self) -> str:
        """The default in the option's help; empty where 0 means that there is none."""
        if self.default is None:
            return self.unset
        if self.kind is value_kinds.FLAG:
            return "yes" if self.default else "no"
        return self.kind.write(self.default) if self.default else ""


def key(
    name: str,
    kind: ValueKind[T],
    default: D,
    text: str,
    more: str = "",
    *,
    unset: str = "",
    example: str = "",
    has_option: bool = False,
    twin: str = "",
    env: str = "",
    secret: bool = False,
    needed: bool = False,
) -> T | D:
    """A field of one of the tables' dataclasses; to the type checker it is just its default."""
    known = ConfigKey(
        name,
        cast("ValueKind[object]", kind),
        text,
        more,
        default,
        unset,
        example or ("" if default is None else kind.in_toml(cast("T", default))),
        has_option,
        twin,
        env,
        needed,
        secret or kind is value_kinds.COMMAND,
    )
    if needed:
        return cast("T", field(metadata={"key": known}))
    return cast("T", field(default=default, metadata={"key": known}, repr=not secret))


def keys(table: type[object]) -> Iterator[tuple[str, ConfigKey]]:
    """The keys of a table with the names of their fields, in the order of the reference."""
    for each in fields(table):  # type: ignore[arg-type]  # every table here is a dataclass
        if "key" in each.metadata:
            yield each.name, each.metadata["key"]
