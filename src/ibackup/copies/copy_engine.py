"""What the jobs ask of the program that keeps a second copy. Behind it is restic, or another program like it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ibackup.base.events import Observer
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.engine_kinds import EngineKind
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.matching import MatchOutcome
from ibackup.copies.rights.copy_rights import RightsTrial
from ibackup.store.records.snapshot import Snapshot

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@dataclass(frozen=True, slots=True)
class PutDone:
    """One snapshot was copied; ``added_bytes`` is what the copy grew by, ``read_bytes`` what was looked at."""

    held: HeldSnapshot
    added_bytes: int
    read_bytes: int


@dataclass(frozen=True, slots=True)
class ProvenCopy:
    """A held snapshot that is proven to be there completely, and what it contains."""

    held: HeldSnapshot
    contents: Expectation


@dataclass(frozen=True, slots=True)
class CheckFound:
    """What a check found.

    Attributes:
        problems: what is wrong, for people; empty if nothing is.
        snapshots: the ids of the held snapshots that it is known to have damaged.
    """

    problems: tuple[str, ...] = ()
    snapshots: frozenset[str] = frozenset()


class CopyEngine(Protocol):
    """One second copy. Every method raises the errors of ``copy_errors`` if the copy cannot be used."""

    @property
    def name(self) -> str:
        """The copy's name in the config."""

    @property
    def address(self) -> CopyAddress:
        """Where the copy is."""

    @property
    def engine(self) -> str:
        """Name and version of the program: ``restic 0.18.0``."""

    @property
    def kind(self) -> EngineKind:
        """Which program it is."""

    def create(self) -> str:
        """Make the repository; returns its id. Raises IbackupError, also if there is one already."""

    def identity(self) -> str:
        """The id of the repository that is there."""

    def require(self, repository_id: str) -> None:
        """Raise unless the repository is there and is that one."""

    def tidy(self) -> None:
        """Clear away what a run left that was killed, before something is copied."""

    def held(self) -> list[HeldSnapshot]:
        """The snapshots of ours that it holds, oldest first."""

    def put(
        self, snapshot: Snapshot, parent: HeldSnapshot | None, known: Collection[str], observe: Observer
    ) -> PutDone:
        """Copy a snapshot there.

        Args:
            snapshot: must stay until this returns.
            parent: a snapshot of the same phone that is there: its unchanged files are not read again. None: what is
                there may be wrong, so every file is looked at.
            known: the ``engine_id`` of everything that was there before.
            observe: gets the progress.
        """

    def retire(self, held: HeldSnapshot) -> Collection[str]:
        """Let go of what a proven snapshot replaced; returns the ids of the snapshots that are no longer there."""

    def fresh(self) -> "AbstractContextManager[CopyEngine]":
        """The same for proofs: it remembers nothing of what was written while copying."""

    def match(
        self, held: HeldSnapshot, expected: Expectation, proven: ProvenCopy | None, observe: Observer
    ) -> MatchOutcome:
        """Compare a held snapshot with what it must contain.

        Args:
            held: the snapshot.
            expected: what it must contain.
            proven: an earlier one that is proven and still held: then only what differs is compared. None: everything.
            observe: gets the progress.
        """

    def check(self, share: tuple[int, int] | None = None) -> CheckFound:
        """Check that everything is stored and, with a share, read part n of t of the data back."""

    def try_rights(self) -> RightsTrial:
        """Try what a thief would, on an object of its own: whether this computer could destroy the copy."""

    def sizes(self, held: HeldSnapshot) -> dict[str, int]:
        """The bytes of every file of a held snapshot by its path.

        Raises:
            DamageFound: it holds something that is neither a file nor a folder.
        """

    def fetch(
        self, held: HeldSnapshot, target: str, observe: Observer, only: Collection[str] | None = None
    ) -> None:
        """Bring a held snapshot back into a folder that is new and empty.

        Args:
            held: the snapshot.
            target: the folder; with ``only`` it may have other files of this snapshot.
            observe: gets the progress.
            only: the paths of the files to bring; those that it does not hold are left out. None: all of it.

        Raises:
            NoRoom: it does not fit on the disk here.
            DamageFound: some of its data is damaged or missing there; the rest was fetched.
        """
