"""The state of one phone's backups: the newest good one, what proves it, and whether another one is due.

Decided in one place, only from the store's records, for all callers: the next run, prune, status, list, the
nights, the metrics and the doctor. For a snapshot, only its record, its proofs and its seal are read, never a
file of the backup.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from ibackup.store.records.proof_records import READ_ALL, Level, Proof, Proofs
from ibackup.store.records.snapshot import BrokenSnapshot, SealState, Snapshot

StandingState = Literal["good", "flawed", "damaged"]

_CLOCKS_DIFFER = timedelta(
    days=1
)  # a phone's clock may be ahead of this computer's, but not by more than this
_STRONGEST: tuple[Level, ...] = ("deep", "full", "quick")
_SEAL_FLAWS = {
    "missing": "is missing",
    "changed": "is not the one it was closed with",
    "unreadable": "cannot be read",
}


@dataclass(frozen=True)
class Known:
    """One snapshot and what is known about it, read when needed.

    Attributes:
        snapshot: its record can be read and belongs to this phone.
    """

    snapshot: Snapshot
    _proofs_file: str

    @property
    def id(self) -> str:
        """The snapshot's id."""
        return self.snapshot.id

    @property
    def path(self) -> str:
        """Its folder."""
        return self.snapshot.path

    @cached_property
    def proofs(self) -> Proofs:
        """What was proved about it since it was closed."""
        return Proofs.read(self._proofs_file)

    @cached_property
    def seal(self) -> SealState | Literal["unreadable"]:
        """Whether its list of checksums is the one it was closed with."""
        try:
            return self.snapshot.seal_state()
        except OSError:
            return "unreadable"

    @property
    def seal_flaw(self) -> str:
        """What is wrong with the seal, without a subject; empty if it is intact."""
        return _SEAL_FLAWS.get(self.seal, "")

    @property
    def is_unknown(self) -> bool:
        """Whether nobody knows if it is good, because the record of its proofs cannot be read."""
        return self.proofs.unknown and not self.proofs.damaged

    @property
    def is_marked(self) -> bool:
        """Whether it counts as damaged even without a look into its seal, which takes long for many snapshots."""
        return self.proofs.known_damaged or not os.path.lexists(self.snapshot.seal_path)

    @property
    def damage(self) -> str:
        """What is known to be wrong with it, in one sentence; empty if nothing is."""
        if self.is_unknown:
            return (
                f"What was found out about snapshot {self.id} cannot be read any more; `ibackup verify {self.id}` "
                "reads every byte of it."
            )
        if self.proofs.known_damaged:
            return f"Snapshot {self.id} is damaged; `ibackup show {self.id}` names the damaged files."
        return f"The seal of snapshot {self.id} {self.seal_flaw}." if self.seal_flaw else ""

    @property
    def state(self) -> StandingState:
        """``damaged``; ``flawed``: as the phone sent it, but different from the phone's list; or ``good``."""
        if self.damage:
            return "damaged"
        return "flawed" if self.snapshot.meta.flawed else "good"

    @property
    def made(self) -> datetime:
        """The date of its data, UTC. If the phone's clock is ahead, that does not make the data newer."""
        return min(self.snapshot.meta.data_from, self.snapshot.meta.finished)

    @property
    def proof(self) -> Proof | None:
        """Its strongest good proof, not counting restore tests."""
        return next((found for level in _STRONGEST if (found := self.proofs.good(level))), None)

    @property
    def rehearsed(self) -> datetime | None:
        """When it was last restored into the virtual iPhone successfully."""
        found = self.proofs.good("rehearse")
        return found.when if found else None

    @property
    def verified(self) -> datetime | None:
        """When all of its bytes last matched the seal."""
        good = (self.proofs.good(level) for level in READ_ALL)
        return max((proof.when for proof in good if proof), default=None)

    @property
    def read(self) -> datetime | None:
        """When all of its bytes were last read, whatever the result."""
        return max((proof.when for proof in self.proofs.last if proof.level in READ_ALL), default=None)

    @property
    def proven(self) -> Literal["read", "quick", ""]:
        """How far it was proved good: every byte was read, or only names and sizes, or not at all."""
        good = {proof.level for proof in self.proofs.last if self.proofs.good(proof.level)}
        if not good:
            return ""
        return "quick" if good == {"quick"} else "read"


class Standing:
    """The state of one phone's backups.

    Args:
        entries: every snapshot, oldest first, then those whose record cannot be read.
        proofs_file: returns the file with the proofs of a snapshot, by its id.
    """

    def __init__(
        self, entries: Sequence[Snapshot | BrokenSnapshot], proofs_file: Callable[[str], str]
    ) -> None:
        self.entries = tuple(
            Known(each, proofs_file(each.id)) if isinstance(each, Snapshot) else each for each in entries
        )
        self.snapshots = tuple(each for each in self.entries if isinstance(each, Known))

    def _newest_first(self) -> Iterator[Known]:
        return reversed(self.snapshots)

    @property
    def newest(self) -> Known | None:
        """The newest snapshot with a readable record, whatever else is known about it."""
        return next(self._newest_first(), None)

    @cached_property
    def newest_good(self) -> Known | None:
        """The newest snapshot that is not known to be damaged; it may have flaws."""
        return next((each for each in self._newest_first() if each.state != "damaged"), None)

    @cached_property
    def base(self) -> Snapshot | None:
        """What the next run clones: the newest good snapshot, or else the newest with an intact seal.

        The damaged files of a damaged one are left out, so that the phone sends them again. So it must be known which.
        """
        sealed = (each for each in self._newest_first() if each.seal == "whole" and not each.proofs.unknown)
        found = self.newest_good or next(sealed, None)
        return found.snapshot if found else None

    @cached_property
    def whole_base(self) -> Snapshot | None:
        """What the next backup builds on: the newest good snapshot that lacks no file of its list, or else ``base``.

        A phone takes a backup that lacks a file for corrupt, and sends everything again.
        """
        whole = (each for each in self._newest_first() if not each.snapshot.meta.absent)
        found = next((each for each in whole if each.state != "damaged"), None)
        return found.snapshot if found else self.base

    @cached_property
    def damaged_newest(self) -> Known | BrokenSnapshot | None:
        """The newest snapshot if it is damaged and came after the newest good one.

        By id, as always.
        """
        good = self.newest_good
        later = [each for each in self.entries if good is None or each.id > good.id]
        return max(later, key=lambda each: each.id, default=None)

    @property
    def damaged(self) -> tuple[str, ...]:
        """The ids of all snapshots that are known to be damaged, or whose record cannot be read."""
        return tuple(
            each.id for each in self.entries if not isinstance(each, Known) or each.state == "damaged"
        )

    @property
    def damaged_older(self) -> tuple[str, ...]:
        """The ids of the damaged ones before the newest, as far as that shows without reading their seals."""
        newest = max((each.id for each in self.entries), default="")
        return tuple(
            each.id
            for each in self.entries
            if each.id != newest and (not isinstance(each, Known) or each.is_marked)
        )

    @property
    def damage(self) -> str:
        """What is known to be wrong with the newest snapshot, in one sentence; empty if nothing is."""
        damaged = self.damaged_newest
        if damaged is None:
            return ""
        return damaged.damage if isinstance(damaged, Known) else damaged.error.message

    @property
    def made(self) -> datetime | None:
        """The date of the data in the newest good snapshot, UTC, or None."""
        return self.newest_good.made if self.newest_good else None

    def age(self, now: datetime) -> timedelta | None:
        """The age of that data, never negative, or None."""
        return max(now - self.made, timedelta()) if self.made else None

    def is_ahead(self, now: datetime) -> bool:
        """Whether its date is so far in the future that its age means nothing."""
        return is_ahead(self.made, now)

    def is_due(self, every_s: float, now: datetime) -> bool:
        """Whether a backup is due: no good backup is younger than ``every_s`` seconds."""
        return is_due(self.made, every_s, now)

    def is_stale(self, max_age_s: float, now: datetime) -> bool:
        """Whether to raise the alarm: no good backup is younger than ``max_age_s`` seconds."""
        return is_stale(self.made, max_age_s, now)


def is_ahead(made: datetime | None, now: datetime) -> bool:
    """Whether a backup is dated in the future: a clock was wrong, and its age means nothing."""
    return made is not None and made - now > _CLOCKS_DIFFER


def is_due(made: datetime | None, every_s: float, now: datetime) -> bool:
    """Whether another backup is due, if the newest good one is from ``made``."""
    return made is None or now - made >= timedelta(seconds=every_s) or is_ahead(made, now)


def is_stale(made: datetime | None, max_age_s: float, now: datetime) -> bool:
    """Whether a backup from ``made`` is too old."""
    return made is None or now - made > timedelta(seconds=max_age_s) or is_ahead(made, now)
