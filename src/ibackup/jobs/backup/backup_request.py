"""The request for a backup, and its result."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self

from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.phone_to_open import PhoneToOpen
from ibackup.store import flawed_summary
from ibackup.store.disk import record_times
from ibackup.store.records.photo_originals import PhotoOriginals
from ibackup.store.records.snapshot import Flawed
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest(PhoneToOpen):
    """One backup to make, of the phone that ``PhoneToOpen`` describes.

    Attributes:
        store: where the backup goes.
        unlocker: used once the phone is done. If it cannot open the backup, only the phone has checked it.
        full: have the phone send everything again.
        copies: copy the previous snapshot if the disk has no links; the store remembers this. None: as it remembers.
        retry: if the connection is lost or stalls while the phone is still there, connect again once. The phone then
            asks for its passcode again.
        attempts: how many attempts there may be in all; the phone asks for its passcode at each.
    """

    store: Store
    unlocker: Unlocker
    full: bool = False
    copies: bool | None = None
    retry: bool = True
    attempts: int = 2

    def with_copies(self) -> Self:
        """The same request, for a disk without links."""
        return replace(self, copies=True)


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A finished backup; sizes in bytes.

    Attributes:
        checked: ``manifest`` if every file that the backup's list names was found with its size; ``phone`` if the
            list was locked, so that there are only the phone's own check and the seal.
        resumed_bytes: what an earlier, interrupted run had already received.
        carried_files: files that did not change since the previous snapshot.
        flawed: files that are kept although they differ from the phone's list.
        photos: how many originals are only in iCloud; None if that is unknown.
    """

    snapshot: str
    path: str
    udid: str
    device_name: str
    files: int
    bytes: int
    received_bytes: int
    full: bool
    encrypted: bool
    resumed_bytes: int
    carried_files: int
    checked: Literal["manifest", "phone"]
    flawed: tuple[Flawed, ...]
    photos: PhotoOriginals | None
    started: datetime
    duration_s: float

    @property
    def code(self) -> ExitCode:
        """How the backup ended."""
        return ExitCode.FLAWED if self.flawed else ExitCode.OK

    @property
    def flaws(self) -> str:
        """How many files are flawed and why, in a sentence; empty if none."""
        return flawed_summary.summary(self.flawed) if self.flawed else ""

    @property
    def advice(self) -> str:
        """What to do about the flawed files; empty if none."""
        return flawed_summary.advice(self.flawed) if self.flawed else ""

    def to_members(self) -> dict[str, object]:
        """The result for programs, as docs/reference-json.md describes it."""
        return {
            "snapshot": self.snapshot,
            "path": self.path,
            "udid": self.udid,
            "device_name": self.device_name,
            "files": self.files,
            "bytes": self.bytes,
            "received_bytes": self.received_bytes,
            "full": self.full,
            "encrypted": self.encrypted,
            "resumed_bytes": self.resumed_bytes,
            "carried_files": self.carried_files,
            "checked": self.checked,
            "flawed": [file.to_members() for file in self.flawed],
            "photos": self.photos.to_members() if self.photos else None,
            "started": record_times.written(self.started),
            "duration_s": round(self.duration_s, 3),
        }
