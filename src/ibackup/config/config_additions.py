"""Adds what ``setup`` found out to a config file and leaves the rest unchanged: order, comments, spacing.

A new table is appended as text at the end; tomlkit changes existing ones.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibackup.base.errors import UsageError
from ibackup.base.udids import same_udid
from ibackup.config.config_keys import keys
from ibackup.config.config_schema import PruneConfig
from ibackup.config.value_kinds import HoursWindow

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_HEAD = "# Made by `ibackup setup`. See docs/reference-config.md for all settings.\n"


@dataclass(frozen=True, slots=True)
class Additions:
    """What to write; None leaves a value unchanged.

    Attributes:
        udid, name: the phone and its name.
        store: where the backups are.
        window: the hours during which to wait for phones.
        prune: which snapshots are kept.
        password_file, password_command: where the phone's backup password comes from.
    """

    udid: str
    name: str
    store: str | None = None
    window: HoursWindow | None = None
    prune: PruneConfig | None = None
    password_file: str | None = None
    password_command: str | None = None

    def of_phone(self) -> dict[str, str | int]:
        """What goes into the phone's own table."""
        values = {
            "name": self.name,
            "udid": self.udid,
            "password_file": self.password_file,
            "password_command": self.password_command,
        }
        return {name: value for name, value in values.items() if value is not None}


def added(text: str, additions: Additions) -> str:
    """A config file with these additions; if it has all of them already, it is returned unchanged.

    Raises:
        UsageError: it is written in a way that cannot be extended.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text or _HEAD)
        if additions.store is not None and document.get("store") != additions.store:
            document["store"] = additions.store
        missing = [] if _has_phone(document, additions) else [_render("[[phones]]", additions.of_phone())]
        for name, values in (("nightly", _nightly(additions)), ("prune", _prune(additions))):
            if values and name in document:
                document[name].update(values)
            elif values:
                missing.append(_render(f"[{name}]", values))
        whole = "\n".join([tomlkit.dumps(document), *missing]) if missing else tomlkit.dumps(document)
        tomllib.loads(whole)
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, AttributeError) as error:
        raise UsageError(
            f"Nothing can be added to the config file ({error}).",
            hint="Add the phone and the store by hand, then check the file with `ibackup config check`.",
        ) from None
    return whole


def with_copy(text: str, values: Mapping[str, object]) -> str:
    """A config file with one more ``[[copies]]`` table.

    Raises:
        UsageError: it is written in a way that cannot be extended.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        before = tomlkit.dumps(tomlkit.parse(text or _HEAD.replace("setup", "copy add")))
        whole = "\n".join([before, _render("[[copies]]", values)])
        tomllib.loads(whole)
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, AttributeError) as error:
        raise _not_extended(error) from None
    return whole


def with_fleet(text: str, values: Mapping[str, str]) -> str:
    """A config file whose ``[fleet]`` table has these keys; others stay.

    Raises:
        UsageError: it is written in a way that cannot be extended.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text or _HEAD.replace("setup", "fleet"))
        if "fleet" not in document:
            whole = "\n".join([tomlkit.dumps(document), _render("[fleet]", values)])
        else:
            document["fleet"].update(values)
            whole = tomlkit.dumps(document)
        tomllib.loads(whole)
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, AttributeError) as error:
        raise _not_extended(error, "[fleet] table") from None
    return whole


def with_changed_copy(text: str, values: Mapping[str, object]) -> str:
    """A config file whose ``[[copies]]`` table of that name has these keys; others stay. Raises UsageError."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        for table in document["copies"]:
            if table.get("name") == values["name"]:
                for key, value in values.items():
                    if table.get(key) != value:
                        table[key] = value
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError, KeyError) as error:
        raise _not_extended(error) from None


def without_copy(text: str, name: str) -> str:
    """A config file without the ``[[copies]]`` table of that name. Raises UsageError."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        tables = document["copies"]
        for number, table in enumerate(list(tables)):
            if table.get("name") == name:
                del tables[number]
        if not tables:
            del document["copies"]
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError, KeyError) as error:
        raise _not_extended(error) from None


def _not_extended(error: Exception, part: str = "[[copies]] tables") -> UsageError:
    return UsageError(
        f"The config file is written in a way that ibackup cannot change ({error}).",
        hint=f"Change its {part} by hand, then check the file with `ibackup config check`.",
    )


def _has_phone(document: "TOMLDocument", additions: Additions) -> bool:
    """Whether the phone has a table. Updates the table in place, but keeps the spelling of its UDID."""
    for table in document.get("phones", []):
        if same_udid(str(table["udid"]), additions.udid):
            for name, value in additions.of_phone().items():
                if name != "udid" and table.get(name) != value:
                    table[name] = value
            return True
    return False


def _nightly(additions: Additions) -> dict[str, str | int]:
    return {} if additions.window is None else {"window": str(additions.window)}


def _prune(additions: Additions) -> dict[str, str | int]:
    if additions.prune is None:
        return {}
    values = ((key, getattr(additions.prune, field)) for field, key in keys(PruneConfig))
    return {key.name: value if key.kind.is_bare else key.kind.write(value) for key, value in values if value}


def _render(head: str, values: Mapping[str, object]) -> str:
    import tomlkit

    return f"{head}\n{tomlkit.dumps(values)}"
