"""What to export, and what came of it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from ibackup.apple.backup import Backup
from ibackup.base.exit_codes import ExitCode
from ibackup.contents.gaps import Gap
from ibackup.explore.file_writer import Trouble
from ibackup.explore.target_names import Renamed
from ibackup.store.records.snapshot import Snapshot

Notice = Trouble | Renamed
Tell = Callable[[Notice], None]


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and how.

    Attributes:
        to: the target folder; created with its parents if it does not exist.
        kinds: names of ``kinds.KINDS``, in its order.
        names: only conversations with someone of whom one of these is part of the name, number or address.
        talk: only the conversation with this id, of Messages or WhatsApp; "" for all.
        since, until: only what is dated from the first and before the second; None for no limit.
        formats: of messages and the like, from ``kinds.TEXT_FORMATS``.
        vcard: "3.0" or "4.0".
        note_format: "html" or "markdown".
        jpeg: also make a JPEG of each HEIC picture.
        immich: lay photos out for Immich and similar importers.
        zone: in which times are shown to people.
        overwrite: replace files that were changed since, or that ibackup did not write.
        later: unlocked; only what this later backup does not have any more is exported.
        snapshot: the snapshot that the backup is, None for a folder from another program. The target must not be in
            it or its store, and what verifications found damaged in it is reported.
    """

    to: str
    kinds: tuple[str, ...]
    names: tuple[str, ...] = ()
    talk: str = ""
    since: datetime | None = None
    until: datetime | None = None
    formats: frozenset[str] = frozenset({"html", "json", "csv"})
    vcard: str = "3.0"
    note_format: str = "html"
    jpeg: bool = False
    immich: bool = False
    zone: tzinfo = UTC
    overwrite: bool = False
    later: Backup | None = None
    snapshot: Snapshot | None = None


@dataclass
class Exported:
    """The result; sizes in bytes.

    Attributes:
        counts: what was exported, by its plural noun: "messages", "conversations", "photos".
        files: files written, with their ``bytes``.
        same: files that were there already and needed no change.
        troubles: how many files have each problem.
        renamed: how many names had to change.
        gaps: what could not be read, or is not in the backup.
        unfound: the kinds that found nothing, each with the reason, empty if unknown.
        compared: with a later backup, so that finding nothing is an answer: nothing is gone.
    """

    counts: "Counter[str]" = field(default_factory=Counter)
    files: int = 0
    bytes: int = 0
    same: int = 0
    troubles: "Counter[str]" = field(default_factory=Counter)
    renamed: int = 0
    gaps: tuple[Gap, ...] = ()
    unfound: tuple[tuple[str, str], ...] = ()
    compared: bool = False

    @property
    def damaged(self) -> int:
        """Files and records that are damaged or missing in the backup."""
        lost = sum(count for kind, count in self.troubles.items() if kind not in {"refused", "exists"})
        return lost + sum(gap.count for gap in self.gaps if gap.damage)

    @property
    def kept_out(self) -> int:
        """Good files that could not be written to their place."""
        return self.troubles["refused"] + self.troubles["exists"]

    def is_nothing(self, *, everything: bool) -> bool:
        """Whether a kind that was asked for by name found nothing, or all kinds did."""
        missing = any(reason or not self.compared for _, reason in self.unfound)
        return missing and not (everything and self.counts)

    def code(self, *, everything: bool) -> ExitCode:
        """The exit code; the same rules as for ``extract``."""
        if self.damaged:
            return ExitCode.DAMAGE
        return ExitCode.FAILED if self.kept_out or self.is_nothing(everything=everything) else ExitCode.OK
