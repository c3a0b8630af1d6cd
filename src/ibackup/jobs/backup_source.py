"""The backup that a job reads: a snapshot, or a folder that another program made."""

from dataclasses import dataclass

from ibackup.store.records.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class BackupSource:
    """One backup.

    Attributes:
        path: the folder in Apple's format.
        snapshot: the snapshot of ours that it belongs to, None for a folder from another program.
    """

    path: str
    snapshot: Snapshot | None = None

    @property
    def label(self) -> str:
        """The name by which the user can refer to it."""
        return self.snapshot.id if self.snapshot else self.path
