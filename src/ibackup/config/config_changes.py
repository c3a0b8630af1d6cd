"""Changes single keys of a config file and leaves everything else as it is: order, comments, spacing.

What runs a program or holds a secret is never changed here: someone at a web page must not be able to
have a command run.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ibackup.base.errors import UsageError
from ibackup.base.udids import same_udid
from ibackup.config.config_keys import ConfigKey, keys
from ibackup.config.config_schema import TABLES

_PHONES = "phones"


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One key.

    Attributes:
        table: as in ``TABLES``; "phones" for a phone's own, "phones.prune" for its rule.
        key: as it is written.
        value: of the key's kind; None takes the key out, so that the default holds.
        udid: of the phone, for its tables.
    """

    table: str
    key: str
    value: object
    udid: str = ""


def config_key(table: str, name: str) -> ConfigKey:
    """A key by its table and name. Raises UsageError."""
    kind = TABLES.get(table.rpartition(".")[2])
    for _, key in keys(kind) if kind is not None else ():
        if key.name == name:
            return key
    raise UsageError(f"There is no setting {name!r} in [{table}].", hint="docs/reference-config.md has all.")


def changed(text: str, changes: Iterable[ConfigChange]) -> str:
    """A config file with these changes; a table that is left without keys goes, too.

    Raises:
        UsageError: a key may be changed in the file only; or the file is written in a way that cannot be changed.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted = [(each, _allowed(each)) for each in changes]
    try:
        document = tomlkit.parse(text)
        for change, key in wanted:
            _change(document, change, key)
        whole = tomlkit.dumps(document)
        tomllib.loads(whole)
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, AttributeError, KeyError) as error:
        raise UsageError(
            f"The config file cannot be changed here ({error}).",
            why="It is written in a way that ibackup does not dare to change.",
            hint="Change it with a text editor, then check it with `ibackup config check`.",
        ) from None
    return whole


def _allowed(change: ConfigChange) -> ConfigKey:
    key = config_key(change.table, change.key)
    if key.is_private:
        raise UsageError(
            f"{key.name} is changed in the config file only.",
            why="It runs a program or holds a secret.",
            hint="Open the file with a text editor.",
        )
    return key


def _change(document: Any, change: ConfigChange, key: ConfigKey) -> None:
    import tomlkit

    parent, name = document, change.table
    if name.partition(".")[0] == _PHONES:
        parent = _phone(document, change.udid)
        name = name.partition(".")[2]
    table = parent if not name else parent.get(name)
    if change.value is None:
        if table is not None:
            table.pop(key.name, None)
            if name and not table:
                del parent[name]
        return
    if table is None:
        table = parent[name] = tomlkit.table()
    value = change.value if key.kind.is_bare else key.kind.write(change.value)
    if table.get(key.name) != value:
        table[key.name] = value


def _phone(document: Any, udid: str) -> Any:
    for table in document.get(_PHONES, []):
        if same_udid(str(table["udid"]), udid):
            return table
    raise UsageError(
        "This phone has no part of its own in the config file.", hint="Add it with `ibackup setup`."
    )
