"""Adds to a config file what ``setup`` has found out, and leaves the rest as it stands: order, comments, spacing.

A table that is not there yet goes to the end as text, where it disturbs nothing; tomlkit changes what is there.
"""

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibackup.config.effective import duration
from ibackup.config.kinds import Window, same_udid
from ibackup.config.schema import PruneConfig, keys
from ibackup.errors import UsageError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_HEAD = "# Made by `ibackup setup`. The page docs/reference-config.md has all that may stand here.\n"


@dataclass(frozen=True, slots=True)
class Additions:
    """What is to stand in the file; None leaves that as it is.

    Attributes:
        udid, name: the phone, and what it is called.
        store: where the backups are.
        window: in which hours phones are waited for.
        prune: which snapshots are kept.
        password_file, password_command: where the password of the phone's backups comes from.
    """

    udid: str
    name: str
    store: str | None = None
    window: Window | None = None
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
    """A config file with these additions; one that says all of them already comes back as it was.

    Raises:
        UsageError: it is written in a way that nothing can be added to.
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
            hint="Write the phone and the store into it by hand; `ibackup config check` looks at it then.",
        ) from None
    return whole


def _has_phone(document: "TOMLDocument", additions: Additions) -> bool:
    """Whether the phone has its table; what is new about it is put right there, its UDID's spelling left."""
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
    values = ((key.name, field, getattr(additions.prune, field)) for field, key in keys(PruneConfig))
    return {
        name: duration(value) if field.endswith("_s") else value for name, field, value in values if value
    }


def _render(head: str, values: dict[str, str | int]) -> str:
    import tomlkit

    return f"{head}\n{tomlkit.dumps(values)}"
