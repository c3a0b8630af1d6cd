"""Second copies on the recovery sheet: where each is, its password, and how a snapshot comes back from it."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibackup.base.masked_addresses import masked
from ibackup.cli.commands.copy_opening import kept_password, phones_of
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import printable
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.engine_kinds import kind_of

if TYPE_CHECKING:
    from ibackup.store.store import Store


@dataclass(frozen=True, slots=True)
class SheetCopy:
    """One copy; ``password`` is None if it is not to be printed, or nothing has it."""

    config: CopyConfig
    password: str | None = field(repr=False)

    def members(self, *, with_password: bool) -> dict[str, object]:
        """It for programs."""
        found: dict[str, object] = {
            "name": self.config.name,
            "to": masked(self.config.to),
            "repository": self.config.repository_id,
        }
        return found | ({"password": self.password} if with_password else {})


def sheet_copies(app: App, store: "Store", udid: str, *, with_password: bool) -> list[SheetCopy]:
    """The copies that a phone's snapshots go to. Raises PasswordNeeded if a password is to be read and cannot be."""
    return [
        SheetCopy(config, kept_password(app, config) if with_password else None)
        for config in app.config.copies
        if any(folder.udid == udid for folder in phones_of(app, config, store))
    ]


def copy_lines(copies: Sequence[SheetCopy], udid: str) -> Iterator[str]:
    """The part of the page about them; nothing without one."""
    if not copies:
        return
    yield from ("", "THE SECOND COPIES")
    if any(kind_of(each.config).has_password for each in copies):
        yield "  Each has a password of its own, which is not that of the backups."
    for each in copies:
        name, to = each.config.name, masked(each.config.to)
        yield f"  {name}: {printable(to)}"
        if not kind_of(each.config).has_password:
            yield "      plain files without a password"
        elif each.password is not None:
            yield f"      its password: {printable(each.password)}"
        else:
            yield "      its password: __________________________________________________"
    first = copies[0].config
    kind = kind_of(first)
    with_password = " Put the password into a file." if kind.has_password else ""
    how = "--copy-password-file FILE" if kind.has_password else f"--engine {kind.name}"
    yield from (
        f"  To get a backup back from one, install ibackup as above, and {kind.name}",
        f"  ({kind.site}).{with_password} Then, for example:",
        f"      ibackup copy add {first.name} --to {shlex.quote(masked(first.to))} \\",
        f"          {how} --adopt",
        f"      ibackup copy get latest --from {first.name} --to FOLDER \\",
        f"          --phone {udid}",
        "  It says in which folder the backup is. Give that folder to `ibackup restore`.",
    )
