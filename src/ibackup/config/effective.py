"""What holds now, key by key, and where it comes from: the file, the environment, an option, or nobody said."""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from ibackup.config import kinds
from ibackup.config.kinds import Kind, Window
from ibackup.config.schema import (
    Config,
    Key,
    NightlyConfig,
    NotifyConfig,
    PhoneConfig,
    ProofConfig,
    PruneConfig,
    keys,
)

Origin = Literal["option", "environment", "file", "default"]
NOT_SHOWN = '"(not shown)"'
_COMMAND = "password_command"  # may carry what is not to be seen
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_SIZES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


@dataclass(frozen=True, slots=True)
class Setting:
    """One key.

    Attributes:
        table: as the file names it; empty for the keys at its beginning.
        value: as TOML; a secret is not in it.
        origin: where it comes from.
    """

    table: str
    name: str
    value: str
    origin: Origin


def settings(config: Config, store: Path, *, from_option: bool = False) -> list[Setting]:
    """Every key that has a value, in the order of the reference.

    Args:
        config: as it was read.
        store: the store that is meant in the end.
        from_option: whether an option said so.
    """
    origin: Origin = (
        "option"
        if from_option
        else "environment"
        if os.environ.get("IBACKUP_STORE")
        else "file"
        if config.store
        else "default"
    )
    found = [Setting("", "store", _text(str(store)), origin)]
    for phone in config.phones:
        found += _table("[[phones]]", phone)
        if phone.prune is not None:
            found += _table("[phones.prune]", phone.prune)
    found += _table("[nightly]", config.nightly)
    found += _table("[proof]", config.proof)
    found += _table("[notify]", config.notify)
    if config.prune is not None:
        found += _table("[prune]", config.prune)
    return found


def _table(
    name: str, table: PhoneConfig | NightlyConfig | ProofConfig | NotifyConfig | PruneConfig
) -> Iterator[Setting]:
    known = {field.name: field for field in fields(table)}
    for field, key in keys(type(table)):
        value: object = getattr(table, field)
        if value is None:
            continue
        hidden = (not known[field].repr or key.name == _COMMAND) and value != ()
        origin: Origin = (
            "environment"
            if key.env and os.environ.get(key.env)
            else "default"
            if value == known[field].default
            else "file"
        )
        yield Setting(name, key.name, NOT_SHOWN if hidden else written(key, value), origin)


def written(key: Key, value: object) -> str:
    """A value as TOML."""
    kind: Kind[object] = key.kind
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float() if kind is kinds.DURATION:
            return _text(duration(value))
        case int() if kind is kinds.SIZE:
            return _text(_size(value))
        case int():
            return str(value)
        case Window():
            return _text("always" if value.always else str(value))
        case tuple():
            return f"[{', '.join(_text(str(each)) for each in value)}]"
        case _:
            return _text(str(value))


def duration(seconds: float) -> str:
    """A duration as the file takes it: ``20h``, ``7d``."""
    whole = int(seconds)
    return next((f"{whole // size}{unit}" for unit, size in _UNITS if whole and whole % size == 0), "0")


def _size(count: int) -> str:
    return next((f"{count // size}{unit}" for unit, size in _SIZES if count and count % size == 0), "0")


def _text(text: str) -> str:
    """A basic string of TOML; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a config that can be read and will not work all the same, or not as it should.

    Attributes:
        text: what, a sentence.
        hint: what to do.
        fatal: whether what the config asks for cannot be done.
    """

    text: str
    hint: str
    fatal: bool


def flaws(config: Config) -> Iterator[Flaw]:
    """What is wrong with a config outside of itself: its password files, and who can read it."""
    for phone in config.phones:
        if phone.password_file is not None:
            yield from _password_file(phone.name, os.path.expanduser(phone.password_file))
    if config.path is not None and config.notify.secrets() and _read_by_others(config.path):
        yield Flaw(
            f"Others can read {config.path}, and the addresses in it are secrets.",
            f"Run: chmod 600 '{config.path}'",
            fatal=False,
        )


def _password_file(phone: str, path: str) -> Iterator[Flaw]:
    try:
        with open(path, "rb") as file:
            empty = not file.readline(4096).strip(b"\r\n")
    except OSError as error:
        yield Flaw(f"The password file of {phone} cannot be read: {path} ({error.strerror}).", "", fatal=True)
        return
    if empty:
        yield Flaw(f"The first line of the password file of {phone} is empty: {path}.", "", fatal=True)
    if _read_by_others(Path(path)):
        yield Flaw(f"Others can read the password file of {phone}.", f"Run: chmod 600 '{path}'", fatal=False)


def _read_by_others(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return os.name == "posix" and stat.S_ISREG(mode) and bool(mode & 0o077)
