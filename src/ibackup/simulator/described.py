"""The options of a spec file, described from the spec's own fields for the reference page."""

import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, Literal

from ibackup.simulator.faults import FAULTS, Fault
from ibackup.simulator.spec import PhoneSpec

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_ATTRIBUTE = re.compile(r"^(\w+): (.*)$")


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a table.

    Attributes:
        name: the key as it is written.
        kind: the kind of value.
        default: the default in TOML; "" if the key is required, "none" if there is no default.
        text: what it does; empty if its class does not describe it.
    """

    name: str
    kind: str
    default: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the file itself (``path`` is empty), a table or list of tables in it, or a fault."""

    path: str
    name: str
    summary: str
    options: tuple[Option, ...]


def tables() -> Iterator[Table]:
    """All tables, each before the tables inside it."""
    yield from _described(PhoneSpec, "")
    for fault in FAULTS:
        summary, texts = _read(fault)
        yield Table("[[faults]]", fault.__name__, summary, tuple(_options(fault, _read(Fault)[1] | texts)))


def _described(kind: type[Any], path: str) -> Iterator[Table]:
    summary, texts = _read(kind)
    yield Table(path, kind.__name__, summary, tuple(_options(kind, texts)))
    inside = path.strip("[]")
    for name, hint in typing.get_type_hints(kind).items():
        listed = typing.get_origin(hint) is tuple
        for each in (hint, *typing.get_args(hint)):
            if is_dataclass(each) and isinstance(each, type) and each is not Fault:
                place = f"{inside}.{name}" if inside else name
                yield from _described(each, f"[[{place}]]" if listed else f"[{place}]")


def _options(kind: type[Any], texts: Mapping[str, str]) -> Iterator[Option]:
    hints = typing.get_type_hints(kind)
    for field in fields(kind):
        yield Option(field.name, _kind(hints[field.name]), _default(field), texts.get(field.name, ""))


def _kind(hint: Any) -> str:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(f'"{each}"' for each in inside)
    if origin in (typing.Union, types.UnionType):
        return _kind(next(each for each in inside if each is not type(None)))
    if origin is tuple:
        return "tables" if is_dataclass(inside[0]) else f"list of: {_kind(inside[0])}"
    return _WORDS.get(hint, "table")


def _default(field: "Field[Any]") -> str:
    value = field.default
    if value is MISSING and field.default_factory is MISSING:
        return ""
    if value is MISSING or value is None or is_dataclass(value) or value in ((), ""):
        return "none"
    return _toml(value)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _read(kind: type[Any]) -> tuple[str, dict[str, str]]:
    """A class's summary, and the description of each of its attributes."""
    about, _, listed = (inspect.getdoc(kind) or "").partition("\nAttributes:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(listed).splitlines():
        if match := _ATTRIBUTE.match(line):
            name, texts[match[1]] = match[1], match[2]
        elif name:
            texts[name] += f" {line.strip()}"
    return " ".join(about.split()), texts
