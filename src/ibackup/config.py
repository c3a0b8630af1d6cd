"""``config.toml``: where the store is, and the phones' names.

store = "/mnt/disk/ibackup"

[[phones]]
name = "ann"                      # what --phone takes
udid = "00008101-000A0B0C0D0E0F01"
password_file = "~/.config/ibackup/ann.password"     # or password_command = "pass show ann"
"""

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ibackup.errors import UsageError

_KEYS = {"store", "phones"}
_PHONE_KEYS = {"name", "udid", "password_file", "password_command"}


@dataclass(frozen=True, slots=True)
class PhoneConfig:
    """One ``[[phones]]`` table."""

    name: str
    udid: str
    password_file: str | None = None
    password_command: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says; all of it optional."""

    path: Path | None = None
    store: str | None = None
    phones: tuple[PhoneConfig, ...] = ()

    def phone(self, name_or_udid: str) -> PhoneConfig | None:
        """The phone of that name (any case) or UDID (with or without its dash)."""
        for phone in self.phones:
            if phone.name.casefold() == name_or_udid.casefold() or same_udid(phone.udid, name_or_udid):
                return phone
        return None


def same_udid(one: str, other: str) -> bool:
    """Whether two spellings name the same phone: case and the dash do not count."""
    return one.replace("-", "").lower() == other.replace("-", "").lower()


def default_path() -> Path:
    """Where the file is looked for when nobody says."""
    import platformdirs

    return Path(platformdirs.user_config_dir("ibackup", appauthor=False)) / "config.toml"


def load(path: str | None) -> Config:
    """Read the file; a missing one is an empty one unless it was asked for.

    Raises:
        UsageError: it cannot be read, or says something that is not known; names file, line and nearest key.
    """
    file = Path(path).expanduser() if path else default_path()
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        if path:
            raise UsageError(f"The config file {file} is not there.") from None
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"The config file {file} cannot be read: {reason}.") from None
    return _Checker(file, text).config(data)


class _Checker:
    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._lines = text.splitlines()

    def config(self, data: dict[str, object]) -> Config:
        self._known(data, _KEYS)
        tables = data.get("phones", [])
        if not isinstance(tables, list):
            raise self._wrong("phones", "is written as [[phones]] tables")
        return Config(
            path=self._file,
            store=self._text(data, "store"),
            phones=tuple(self._phone(table) for table in tables),
        )

    def _phone(self, table: object) -> PhoneConfig:
        if not isinstance(table, dict):
            raise self._wrong("phones", "is written as [[phones]] tables")
        self._known(table, _PHONE_KEYS)
        name, udid = self._text(table, "name"), self._text(table, "udid")
        if not name or not udid:
            raise self._wrong("phones", "needs a name and a udid in each table")
        return PhoneConfig(
            name, udid, self._text(table, "password_file"), self._text(table, "password_command")
        )

    def _known(self, table: dict[str, object], known: set[str]) -> None:
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise self._wrong(key, f"is not known{f'; did you mean {near[0]}?' if near else ''}")

    def _text(self, table: dict[str, object], key: str) -> str | None:
        value = table.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self._wrong(key, 'takes a text in "quotes"')

    def _wrong(self, key: str, flaw: str) -> UsageError:
        pattern = re.compile(rf"^\s*(\[\[)?\"?{re.escape(key)}\b")
        line = next((number for number, text in enumerate(self._lines, 1) if pattern.match(text)), 1)
        return UsageError(
            f"{self._file}, line {line}: {key} {flaw}.",
            hint=f"Known keys: {', '.join(sorted(_KEYS))}; per phone: {', '.join(sorted(_PHONE_KEYS))}.",
        )


def store_path(option: str | None, config: Config) -> Path:
    """Where the store is: ``--store``, ``$IBACKUP_STORE``, the config file, ``~/ibackup``."""
    chosen = option or os.environ.get("IBACKUP_STORE") or config.store or "~/ibackup"
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(
            f"The store {chosen} cannot be found: {error}.", hint="Give its whole path."
        ) from None
