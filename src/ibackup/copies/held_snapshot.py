"""A snapshot that a second copy holds, as the copy itself says."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ibackup.base.json_output import Object
from ibackup.store import freshness
from ibackup.store.disk import record_times

_OURS = "ibackup"


@dataclass(frozen=True, slots=True)
class HeldSnapshot:
    """One snapshot of ours in a copy.

    Attributes:
        id: the snapshot's own.
        engine_id: by which the engine knows it.
        udid: of the phone.
        seal: SHA-256 of its SHA256SUMS, as said when it was copied.
        computer: that copied it.
        time: when the backup began, as said when it was copied.
    """

    id: str
    engine_id: str
    udid: str
    seal: str
    computer: str
    time: datetime

    @classmethod
    def parse(cls, found: Object) -> Self | None:
        """Read it from restic's list; None for what ibackup did not put there."""
        tags, host = found.get("tags"), found.get("hostname")
        if not isinstance(tags, list) or _OURS not in tags or not isinstance(host, str):
            return None
        said = dict(tag.split(":", 1) for tag in tags if isinstance(tag, str) and ":" in tag)
        try:
            time = record_times.read(str(found.get("time")))
        except ValueError:
            return None
        if not record_times.is_id(said.get("snap", "")):
            return None
        return cls(
            said["snap"], str(found.get("id")), host, said.get("seal", ""), said.get("computer", ""), time
        )

    def is_ahead(self, now: datetime) -> bool:
        """Whether it is dated in the future: a clock was wrong, or someone wants older ones removed as too many."""
        return freshness.is_ahead(self.time, now) or freshness.is_ahead(record_times.from_id(self.id), now)


def tags_of(snapshot_id: str, seal: str, computer: str) -> str:
    """The tags of a snapshot, as one argument."""
    plain = "".join(char if char.isalnum() or char in "-._" else "-" for char in computer)
    return f"{_OURS},computer:{plain},snap:{snapshot_id},seal:{seal}"
