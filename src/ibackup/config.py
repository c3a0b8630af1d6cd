"""``config.toml``: where the store is, and the phones' names. Relative paths in it start at its own folder.

store = "/mnt/disk/ibackup"

[[phones]]
name = "ann"                      # what --phone takes
udid = "00008101-000A0B0C0D0E0F01"
password_file = "~/.config/ibackup/ann.password"     # or password_command = "pass show ann"

[prune]                           # applied to a phone's snapshots after each backup that succeeds
keep_last = 7
keep_daily = 14
keep_weekly = 8
keep_monthly = 12
keep_within = "30d"
"""

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ibackup.errors import UsageError

_KEYS = {"store", "phones", "prune"}
_PHONE_KEYS = {"name", "udid", "password_file", "password_command"}
_PRUNE_COUNTS = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
_PRUNE_KEYS = {*_PRUNE_COUNTS, "keep_within"}
_PRUNE_TABLE = re.compile(r"\s*\[\s*[\"']?prune[\"']?\s*\]")
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TABLE = re.compile(r"\s*\[\[\s*[\"']?phones[\"']?\s*\]\]")


@dataclass(frozen=True, slots=True)
class PhoneConfig:
    """One ``[[phones]]`` table."""

    name: str
    udid: str
    password_file: str | None = None
    password_command: str | None = None


@dataclass(frozen=True, slots=True)
class PruneConfig:
    """The ``[prune]`` table: how many snapshots to keep, and all that are at most so many seconds old."""

    keep_last: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says; all of it optional."""

    path: Path | None = None
    store: str | None = None
    phones: tuple[PhoneConfig, ...] = ()
    prune: PruneConfig | None = None

    def phone(self, name_or_udid: str) -> PhoneConfig | None:
        """The phone of that name (any case) or UDID (with or without its dash)."""
        for phone in self.phones:
            if phone.name.casefold() == name_or_udid.casefold() or same_udid(phone.udid, name_or_udid):
                return phone
        return None


_UDID = re.compile(r"[0-9A-Fa-f]{8}-?[0-9A-Fa-f]{16}|[0-9A-Fa-f]{40}")


def is_udid(text: str) -> bool:
    """Whether this is a phone's UDID, of the newer form (its dash may be missing) or the older one."""
    return _UDID.fullmatch(text) is not None


def same_udid(one: str, other: str) -> bool:
    """Whether two spellings name the same phone: case and the dash do not count."""
    return one.replace("-", "").lower() == other.replace("-", "").lower()


def duration_s(text: str) -> float | None:
    """Seconds of a duration as in ``30s``, ``90m``, ``36h``, ``7d``, ``8w`` or a bare ``0``; None for another text."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    return float(int(match[1]) * _SECONDS[match[2]]) if match else None


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
            raise UsageError(
                f"The config file {file} is not there.", hint="Name another with --config."
            ) from None
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"The config file {file} cannot be read: {reason}.",
            hint="Mend it, or name another with --config.",
        ) from None
    return _Checker(file, text).config(data)


class _Checker:
    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._lines = text.splitlines()
        self._heads = [number for number, line in enumerate(self._lines) if _TABLE.match(line)]

    def config(self, data: dict[str, object]) -> Config:
        self._known(data, _KEYS, 0)
        tables = data.get("phones", [])
        if not isinstance(tables, list):
            raise self._wrong("phones", "is written as [[phones]] tables")
        phones: list[PhoneConfig] = []
        for index, table in enumerate(tables):
            start = self._heads[index] if index < len(self._heads) else 0
            phone = self._phone(table, start)
            for other in phones:
                if other.name.casefold() == phone.name.casefold():
                    raise self._wrong("name", f"{phone.name!r} stands for two phones", start)
                if same_udid(other.udid, phone.udid):
                    raise self._wrong("udid", f"{phone.udid} has two names", start)
            phones.append(phone)
        return Config(
            path=self._file,
            store=self._path(data, "store", 0),
            phones=tuple(phones),
            prune=self._prune(data["prune"]) if "prune" in data else None,
        )

    def _prune(self, table: object) -> PruneConfig:
        start = next((number for number, line in enumerate(self._lines) if _PRUNE_TABLE.match(line)), 0)
        if not isinstance(table, dict):
            raise self._wrong("prune", "is written as a [prune] table", start)
        self._known(table, _PRUNE_KEYS, start)
        counts: dict[str, int] = {}
        for key in _PRUNE_COUNTS:
            value = table.get(key, 0)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise self._wrong(key, "takes a whole number, 0 or more", start)
            counts[key] = value
        within = self._text(table, "keep_within", start)
        seconds = 0.0 if within is None else duration_s(within)
        if seconds is None:
            raise self._wrong("keep_within", "takes a duration as in 30d or 8w", start)
        if not seconds and not any(counts.values()):
            raise self._wrong("prune", "keeps nothing; give at least one rule more than 0", start)
        return PruneConfig(**counts, keep_within_s=seconds)

    def _phone(self, table: object, start: int) -> PhoneConfig:
        if not isinstance(table, dict):
            raise self._wrong("phones", "is written as [[phones]] tables", start)
        self._known(table, _PHONE_KEYS, start)
        name, udid = self._text(table, "name", start), self._text(table, "udid", start)
        if not name or not udid:
            raise self._wrong("phones", "needs a name and a udid in each table", start)
        if not is_udid(udid):
            raise self._wrong("udid", f"{udid!r} is not a UDID (`ibackup devices` shows it)", start)
        return PhoneConfig(
            name,
            udid,
            self._path(table, "password_file", start),
            self._text(table, "password_command", start),
        )

    def _known(self, table: dict[str, object], known: set[str], start: int) -> None:
        for key in table:
            if key not in known:
                import difflib  # only when something was mistyped

                near = difflib.get_close_matches(key, known, n=1)
                raise self._wrong(key, f"is not known{f'; did you mean {near[0]}?' if near else ''}", start)

    def _path(self, table: dict[str, object], key: str, start: int) -> str | None:
        text = self._text(table, key, start)
        if text is None or text.startswith("~"):
            return text
        return os.path.join(self._file.absolute().parent, text)

    def _text(self, table: dict[str, object], key: str, start: int) -> str | None:
        value = table.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        raise self._wrong(key, "is empty" if value == "" else 'takes a text in "quotes"', start)

    def _wrong(self, key: str, flaw: str, start: int = 0) -> UsageError:
        """The error about a key that stands in the table which begins at that line, counted from 0."""
        pattern = re.compile(rf"""^\s*(\[+\s*)?["']?{re.escape(key)}\b""")
        lines = enumerate(self._lines[start:], start + 1)
        line = next((number for number, text in lines if pattern.match(text)), start + 1)
        sentence = f"{self._file}, line {line}: {key} {flaw}"
        return UsageError(
            sentence if sentence.endswith("?") else f"{sentence}.",
            hint=f"Known keys: {', '.join(sorted(_KEYS))}; per phone: {', '.join(sorted(_PHONE_KEYS))}; for prune: "
            f"{', '.join(sorted(_PRUNE_KEYS))}.",
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
