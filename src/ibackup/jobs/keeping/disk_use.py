"""The disk space that the snapshots of phones, and what failed runs left, really take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ibackup.base.events import Observer, PhaseStarted, Progress
from ibackup.jobs.keeping import room_given_back
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.phone_folder import LeftOver, PhoneFolder
from ibackup.store.records.snapshot import BrokenSnapshot, Snapshot
from ibackup.store.store import Store


@dataclass(frozen=True, slots=True)
class FolderSize:
    """What one folder takes, bytes.

    Attributes:
        whole: all of its files.
        own: those that no other folder of the phone shares.
    """

    whole: int
    own: int


@dataclass(frozen=True, slots=True)
class PhoneUse:
    """What one phone takes, bytes.

    Attributes:
        total: what its snapshots share counted once.
        left_overs: what runs left that did not finish.
    """

    udid: str
    total: int
    snapshots: tuple[tuple[Snapshot | BrokenSnapshot, FolderSize], ...]
    left_overs: tuple[tuple[LeftOver, FolderSize], ...]


class DiskUse:
    """The space that phones take in a store.

    Attributes:
        exact: False where the disk may share blocks that cannot be counted; then files that look the same count as one.
        free_bytes: what is free on the store's disk.

    Raises:
        IbackupError: the store cannot be read.
    """

    def __init__(self, store: Store, observe: Observer) -> None:
        self._observe = observe
        self._reading = f"The store {store.path!r} could not be read completely."
        with telling(self._reading):
            self.exact = not room_given_back.may_share_blocks(store.path)
            self.free_bytes = free_bytes(store.path)

    def phones(self, folders: Sequence[PhoneFolder], names: dict[str, str]) -> Iterator[PhoneUse]:
        """Count each phone; ``names`` says what to call it while that takes a moment."""
        for folder in folders:
            self._observe(PhaseStarted("prepare", f"Counting what {names[folder.udid]} takes."))
            with telling(self._reading):
                yield self._phone(folder)

    def _phone(self, folder: PhoneFolder) -> PhoneUse:
        snapshots, left = folder.entries(), folder.left_overs()
        found = room_given_back.taken(
            [*(each.path for each in snapshots), *(each.path for each in left)],
            clones=not self.exact,
            tell=lambda seen: self._observe(Progress("prepare", files=seen)),
        )
        sizes = [FolderSize(whole, own) for whole, own in zip(found.whole, found.own, strict=True)]
        return PhoneUse(
            folder.udid,
            found.total,
            tuple(zip(snapshots, sizes[: len(snapshots)], strict=True)),
            tuple(zip(left, sizes[len(snapshots) :], strict=True)),
        )
