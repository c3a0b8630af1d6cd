"""Spec files: a PhoneSpec written as TOML.

Keys and tables are the attributes of PhoneSpec; `[[domains]]`, `[[apps]]` and `[[faults]]` are lists of
tables. A fault's `fault` key is the name of its type, and `[lockdown."com.apple.mobile.backup"]` has values
of that domain (`[lockdown.""]` those of the default domain).
"""

import difflib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Literal, TypeVar

from ibackup.base.errors import UsageError
from ibackup.simulator.faults import FAULTS, Fault
from ibackup.simulator.spec import PhoneSpec

T = TypeVar("T")

_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def load_spec(path: Path | str) -> PhoneSpec:
    """Read a spec from a TOML file.

    Raises:
        UsageError: the file cannot be read, is not TOML, or names something that does not exist. The hint
            has the closest valid key.
    """
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"The spec {path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The spec {path} is not TOML: {error}.") from error
    return _record(PhoneSpec, data, str(path))


def _record(kind: type[T], table: Mapping[str, object], where: str) -> T:
    """Make a `kind` from a table whose keys are its attributes."""
    hints = typing.get_type_hints(kind)
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # every kind here is a dataclass
    for key in table:
        if key not in known:
            raise _unknown(f"{where}: there is no key {key!r}.", key, known)
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in table.items()}
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:  # a required key is missing, or a value is impossible
        raise UsageError(f"{where}: {error}.") from error


def _value(hint: object, value: object, where: str) -> object:
    """Check a TOML value against an attribute's type and convert it."""
    origin = typing.get_origin(hint)
    choices = typing.get_args(hint)
    if origin is Literal:
        if value not in choices:
            raise _unknown(f"{where} is {value!r}.", str(value), [str(choice) for choice in choices])
        return value
    if origin in (typing.Union, types.UnionType):
        return _value(next(choice for choice in choices if choice is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{where} must be a list.")
        return tuple(_value(choices[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if not isinstance(hint, type):
        return _lockdown(value, where)
    if hint is Fault:
        return _fault(value, where)
    if is_dataclass(hint):
        return _record(hint, _table(value, where), where)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise UsageError(f"{where} must be {_KINDS[hint]}, not {value!r}.")
    return value


def _fault(value: object, where: str) -> Fault:
    table = dict(_table(value, where))
    name = table.pop("fault", None)
    names = {kind.__name__: kind for kind in FAULTS}
    if not isinstance(name, str) or name not in names:
        raise _unknown(f"{where}: fault is {name!r}.", str(name or ""), names)
    return _record(names[name], table, where)


def _lockdown(value: object, where: str) -> dict[tuple[str, str], object]:
    return {
        (domain, key): item
        for domain, values in _table(value, where).items()
        for key, item in _table(values, f"{where}: {domain!r}").items()
    }


def _table(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be a table.")
    return value


def _unknown(what: str, given: str, known: Iterable[str]) -> UsageError:
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Choose one of: {', '.join(known)}."
    return UsageError(what, hint=hint)
