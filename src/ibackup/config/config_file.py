"""Finds and reads the config file. An error names the file, the line and the nearest valid key.

Relative paths in it start at its folder.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ibackup.base.errors import UsageError
from ibackup.base.identities import plain_name
from ibackup.base.udids import same_udid
from ibackup.config.config_keys import ConfigKey, keys
from ibackup.config.config_schema import (
    DEFAULT_STORE,
    TABLES,
    Config,
    NightlyConfig,
    NotifyConfig,
    PhoneConfig,
    ProofConfig,
    PruneConfig,
)
from ibackup.config.copy_config import CopyConfig
from ibackup.config.fleet_config import FleetConfig
from ibackup.config.mqtt_config import MqttConfig
from ibackup.config.stall_limits import Limits

T = TypeVar("T")


def default_path() -> Path:
    """Where to look for the file by default."""
    import platformdirs

    return Path(platformdirs.user_config_dir("ibackup", appauthor=False)) / "config.toml"


def load(path: str | None) -> Config:
    """Read the file; a missing file counts as empty, unless the user named it.

    Raises:
        UsageError: it cannot be read or has an unknown key; names file, line and nearest key.
    """
    file = Path(path).expanduser() if path else default_path()
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        if path:
            raise UsageError(
                f"The config file {file} does not exist.", hint="Name another one with --config."
            ) from None
        return _Checker(None, "").config({})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"The config file {file} cannot be read: {reason}.",
            hint="Fix it, or name another one with --config.",
        ) from None
    return _Checker(file, text).config(data)


def parse(text: str, path: Path) -> Config:
    """What a config file with this text would mean.

    Args:
        text: of the file.
        path: where it is, for errors and for the relative paths in it.

    Raises:
        UsageError: it has an unknown key or a wrong value; names the line.
    """
    try:
        return _Checker(path, text).config(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"The config file {path} cannot be read: {error}.", hint="Fix it.") from None


def store_path(option: str | None, config: Config) -> Path:
    """Where the store is: ``--store``, ``$IBACKUP_STORE``, the config file, the default."""
    chosen = option or os.environ.get("IBACKUP_STORE") or config.store or DEFAULT_STORE
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(
            f"The store {chosen} cannot be found: {error}.", hint="Give its full path."
        ) from None


class _Checker:
    def __init__(self, file: Path | None, text: str) -> None:
        self._file = file
        self._lines = text.splitlines()

    def config(self, data: dict[str, object]) -> Config:
        top = {name: value for name, value in data.items() if name not in TABLES}
        given: dict[str, Any] = self._values(top, Config, "", 0)
        return Config(
            path=self._file,
            phones=self._phones(data.get("phones", [])),
            copies=self._copies(data.get("copies", [])),
            fleet=self._table(data, "fleet", FleetConfig),
            nightly=self._table(data, "nightly", NightlyConfig),
            proof=self._table(data, "proof", ProofConfig),
            notify=self._table(data, "notify", NotifyConfig),
            mqtt=self._mqtt(data),
            limits=self._limits(data),
            prune=self._prune(data["prune"], "prune", self._head("prune")) if "prune" in data else None,
            **given,
        )

    def _table(self, data: dict[str, object], name: str, kind: type[T]) -> T:
        start = self._head(name)
        table = data.get(name, {})
        if not isinstance(table, dict):
            raise self._wrong(name, f"is written as a [{name}] table", "", start)
        return kind(**self._values(table, kind, name, start))

    def _mqtt(self, data: dict[str, object]) -> MqttConfig | None:
        table, start = data.get("mqtt"), self._head("mqtt")
        if isinstance(table, dict) and "host" not in table:
            self._values(table, MqttConfig, "mqtt", start)  # a wrong key is the more useful message
            raise self._wrong("mqtt", "needs a host, the broker's name or address", "mqtt", start)
        return self._table(data, "mqtt", MqttConfig) if "mqtt" in data else None

    def _limits(self, data: dict[str, object]) -> Limits:
        limits = self._table(data, "limits", Limits)
        if limits.flaw is not None:
            name, flaw = limits.flaw
            raise self._wrong(name, flaw, "limits", self._head("limits"))
        return limits

    def _phones(self, tables: object) -> tuple[PhoneConfig, ...]:
        heads = self._heads("phones")
        if not isinstance(tables, list):
            raise self._wrong("phones", "is written as [[phones]] tables", "", heads[0] if heads else 0)
        phones: list[PhoneConfig] = []
        for index, table in enumerate(tables):
            start = heads[index] if index < len(heads) else 0
            phone = self._phone(table, start)
            for other in phones:
                if plain_name(other.name) == plain_name(phone.name):
                    raise self._wrong("name", f"{phone.name!r} names two phones", "phones", start)
                if same_udid(other.udid, phone.udid):
                    raise self._wrong("udid", f"{phone.udid} has two names", "phones", start)
            phones.append(phone)
        return tuple(phones)

    def _copies(self, tables: object) -> tuple[CopyConfig, ...]:
        heads = self._heads("copies")
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            raise self._wrong("copies", "is written as [[copies]] tables", "", heads[0] if heads else 0)
        copies: list[CopyConfig] = []
        for index, table in enumerate(tables):
            start = heads[index] if index < len(heads) else 0
            given: dict[str, Any] = self._values(table, CopyConfig, "copies", start)
            lacking = [key.name for field, key in keys(CopyConfig) if key.needed and field not in given]
            if lacking:
                flaw = f"needs {lacking[0]} in each table; `ibackup copy add` writes it"
                raise self._wrong("copies", flaw, "copies", start)
            copy = CopyConfig(**given)
            if any(other.name == copy.name for other in copies):
                raise self._wrong("name", f"{copy.name!r} names two copies", "copies", start)
            copies.append(copy)
        return tuple(copies)

    def _phone(self, table: object, start: int) -> PhoneConfig:
        if not isinstance(table, dict):
            raise self._wrong("phones", "is written as [[phones]] tables", "phones", start)
        own = {name: value for name, value in table.items() if name != "prune"}
        if not all(own.get(key.name) for _, key in keys(PhoneConfig) if key.needed):
            # A key that is present but wrong is the more useful message.
            self._values(own, PhoneConfig, "phones", start)
            raise self._wrong("phones", "needs a name and a udid in each table", "phones", start)
        given: dict[str, Any] = self._values(own, PhoneConfig, "phones", start)
        rule = table.get("prune")
        if rule is not None:
            given["prune"] = self._prune(rule, "phones.prune", self._head("phones.prune", start))
        return PhoneConfig(**given)

    def _prune(self, table: object, name: str, start: int) -> PruneConfig:
        if not isinstance(table, dict):
            raise self._wrong("prune", f"is written as a [{name}] table", name, start)
        rule = PruneConfig(**self._values(table, PruneConfig, name, start))
        if rule == PruneConfig():
            raise self._wrong("prune", "would keep nothing; set at least one rule above 0", name, start)
        return rule

    def _values(
        self, table: Mapping[str, object], kind: type[object], name: str, start: int
    ) -> dict[str, Any]:
        """The fields of a dataclass that a table or the environment sets."""
        known = {key.name: (field, key) for field, key in keys(kind)}
        found: dict[str, Any] = {}
        for written, value in table.items():
            if written not in known:
                raise self._unknown(written, list(known), name, start)
            field, key = known[written]
            found[field] = self._value(key, value, name, start)
        for field, key in keys(kind):
            text = os.environ.get(key.env) if key.env else None
            if text:
                found[field] = key.kind.from_text(text)
                if found[field] is None:
                    # The value is not shown: it may be an address that contains a secret.
                    raise UsageError(f"{key.env} must be {key.kind.takes}.", hint="Fix it, or unset it.")
        return found

    def _value(self, key: ConfigKey, value: object, name: str, start: int) -> object:
        if value == "":
            raise self._wrong(key.name, "is empty", name, start)
        found = key.kind.read(value)
        if found is None:
            raise self._wrong(key.name, f"must be {key.kind.takes}", name, start)
        if key.kind.is_path and isinstance(found, str) and self._file and not found.startswith("~"):
            return os.path.join(self._file.absolute().parent, found)
        return found

    def _unknown(self, written: str, known: list[str], name: str, start: int) -> UsageError:
        candidates = [*known, *([] if name else [table for table in TABLES if table])]
        near = difflib.get_close_matches(written, candidates, n=1)
        homes = [table for table, kind in TABLES.items() if written in [key.name for _, key in keys(kind)]]
        if near:
            more = f"; did you mean {near[0]}?"
        elif homes:
            more = f" here; it belongs in {' or '.join(_bracketed(home) for home in homes)}"
        else:
            more = ""
        return self._wrong(written, f"is unknown{more}", name, start)

    # -- where it stands ------------------------------------------------------------------------------------

    def _heads(self, name: str) -> list[int]:
        """The lines, counted from 0, at which tables of that name begin."""
        dotted = r"\s*\.\s*".join(rf"""["']?{re.escape(part)}["']?""" for part in name.split("."))
        head = re.compile(rf"\s*\[{{1,2}}\s*{dotted}\s*\]{{1,2}}")
        return [number for number, line in enumerate(self._lines) if head.match(line)]

    def _head(self, name: str, after: int = 0) -> int:
        """The line at which a table begins, searching from another line; that line if there is none."""
        return next((number for number in self._heads(name) if number >= after), after)

    def _wrong(self, key: str, flaw: str, name: str, start: int) -> UsageError:
        """The error about a key of the table of that name, which begins at that line, counted from 0."""
        pattern = re.compile(rf"""^\s*(\[+\s*)?["']?([\w-]+["']?\s*\.\s*["']?)*{re.escape(key)}\b""")
        lines = enumerate(self._lines[start:], start + 1)
        line = next((number for number, text in lines if pattern.match(text)), start + 1)
        sentence = f"{self._file}, line {line}: {key} {flaw}"
        kind = TABLES[name.rpartition(".")[2]]
        table = [key.name for _, key in keys(kind)]
        table += ["prune"] if kind is PhoneConfig else [] if name else [each for each in TABLES if each]
        return UsageError(
            sentence if sentence.endswith("?") else f"{sentence}.",
            hint=f"Known keys{f' in {_bracketed(name)}' if name else ''}: {', '.join(sorted(table))}. "
            "docs/reference-config.md says what they do.",
        )


def _bracketed(table: str) -> str:
    """A table as it is written."""
    several = {"phones": "[[phones]]", "copies": "[[copies]]"}
    return "the beginning of the file" if not table else several.get(table, f"[{table}]")
