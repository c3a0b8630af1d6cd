"""Second copies in ``ibackup list``: which of them have a snapshot, and what only they have."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibackup.cli.shell.output import time_text, wrap
from ibackup.config.copy_config import CopyConfig
from ibackup.store.disk import record_times

if TYPE_CHECKING:
    from ibackup.copies.whole_elsewhere import CopiesOfPhone
    from ibackup.store.phone_folder import PhoneFolder


@dataclass(frozen=True, slots=True)
class ListedPhone:
    """One phone: where its snapshots are, and a line for each that the store does not have."""

    copies: "CopiesOfPhone"
    lines: list[str]

    def note(self, snapshot_id: str) -> str:
        """What to add to the line of a snapshot in the store."""
        names = self.copies.names.get(snapshot_id)
        if names:
            return f", also in {', '.join(names)}"
        return ", only here"


@dataclass
class ListedCopies:
    """The copies, and what is found to be only there.

    Attributes:
        configs: the copies to look at; none to say nothing about them.
        rows: for programs, one for each snapshot that only a copy has.
    """

    configs: Sequence[CopyConfig]
    rows: list[dict[str, object]] = field(default_factory=list)

    def look(self, phone: "PhoneFolder", here: Collection[str]) -> ListedPhone:
        """Look at one phone; ``here`` are the ids of the snapshots in the store."""
        from ibackup.copies.whole_elsewhere import copies_of

        copies = copies_of(phone, self.configs)
        lines: list[str] = []
        for ident, names in copies.only_there(here).items():
            self.rows.append({"snapshot": ident, "udid": phone.udid, "copies": list(names)})
            when = time_text(record_times.from_id(ident))
            lines.append(wrap(f"{ident}  {when}  only in {', '.join(names)}", "  ", "    "))
        return ListedPhone(copies, lines)

    @property
    def hint(self) -> str:
        """How to get one of them back; empty if there is none."""
        if not self.rows:
            return ""
        first = self.rows[0]
        names = first["copies"]
        name = names[0] if isinstance(names, list) else ""
        return f"To get one back: `ibackup copy get {first['snapshot']} --from {name} --into-store`"
