"""What is known about the copies of one phone's snapshots: when each was copied, and what was proven since.

One file a copy and phone, beside the phone's other proofs. It stays when a snapshot is pruned: then the copy alone
has it.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self, get_args

from ibackup.config.copy_config import CopyConfig
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.phone_folder import PhoneFolder

SCHEMA = 1
CopyLevel = Literal["matched", "stored", "read", "rehearsed"]
"""How a copy was proven: every name and SHA-256 is equal; all is stored; a share of the data was read; restored."""
COPY_LEVELS: tuple[CopyLevel, ...] = get_args(CopyLevel)
CopyResult = Literal["good", "damaged"]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MOST_PROBLEMS = 100


def is_copy_name(text: str) -> bool:
    """Whether a copy can have this name, which is part of file names."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class CopyProof:
    """One proof of a copy.

    Attributes:
        when: when it ended, UTC.
        snapshot: the one it is about; empty if about the whole repository.
        share: n and t, if only part n of t was read.
        induced: whether it rests on the proof of the snapshot before.
        problems: what is wrong: files, or what the engine said.
    """

    level: CopyLevel
    when: datetime
    result: CopyResult
    snapshot: str = ""
    share: tuple[int, int] | None = None
    induced: bool = False
    problems: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing was wrong."""
        return self.result == "good"

    @property
    def share_text(self) -> str:
        """``12/90``; empty if everything was read."""
        return f"{self.share[0]}/{self.share[1]}" if self.share else ""

    def to_members(self) -> dict[str, object]:
        """The form in which a record stores it."""
        return {
            "level": self.level,
            "when": record_times.written(self.when),
            "result": self.result,
            "snapshot": self.snapshot,
            "share": list(self.share) if self.share else [],
            "induced": self.induced,
            "problems": list(self.problems[:_MOST_PROBLEMS]),
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from a record. Raises RecordFlaw."""
        level = next((each for each in COPY_LEVELS if each == record.text("level")), None)
        result = next((each for each in get_args(CopyResult) if each == record.text("result")), None)
        if level is None or result is None:
            raise RecordFlaw("has an unknown level or result")
        share = record.numbers("share")
        return cls(
            level,
            record.time("when"),
            result,
            record.text("snapshot"),
            (share[0], share[1]) if len(share) == 2 else None,
            record.flag("induced"),
            record.texts("problems"),
        )


@dataclass(frozen=True, slots=True)
class CopiedSnapshot:
    """One snapshot that was copied.

    Attributes:
        id: the snapshot's.
        engine_id: by which the engine knows it there.
        seal: SHA-256 of its SHA256SUMS.
        when: it was copied, UTC.
        added_bytes: by which the copy grew.
    """

    id: str
    engine_id: str
    seal: str
    when: datetime
    added_bytes: int

    def to_members(self) -> dict[str, object]:
        """The form in which a record stores it."""
        return {
            "id": self.id,
            "engine_id": self.engine_id,
            "seal": self.seal,
            "when": record_times.written(self.when),
            "added_bytes": self.added_bytes,
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from a record. Raises RecordFlaw."""
        if not record_times.is_id(record.text("id")):
            raise RecordFlaw("has no snapshot id under 'id'")
        return cls(
            record.text("id"),
            record.text("engine_id"),
            record.text("seal"),
            record.time("when"),
            record.number("added_bytes"),
        )


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """Everything known about one copy of one phone's snapshots.

    Attributes:
        repository: the id of the repository that this is about; a record of another one counts as nothing known.
        copied: by their ids, ascending.
        proofs: the newest of each level and snapshot.
        leaving: the ids of those that a prune is removing, or was when it was killed.
        missed: the ids of those that vanished there or were replaced, until a run has said so.
        retired: the ids of those that the keeper of a fleet removed, or will; they are not copied again.
    """

    repository: str
    copied: tuple[CopiedSnapshot, ...] = ()
    proofs: tuple[CopyProof, ...] = ()
    leaving: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()

    def copy_of(self, snapshot_id: str) -> CopiedSnapshot | None:
        """What is known about the copy of one snapshot."""
        return next((each for each in self.copied if each.id == snapshot_id), None)

    def knows(self, held: HeldSnapshot) -> bool:
        """Whether this is about what the copy holds under that id, and not about another one."""
        copied = self.copy_of(held.id)
        return copied is not None and copied.engine_id == held.engine_id

    def proof(self, level: CopyLevel, snapshot_id: str = "") -> CopyProof | None:
        """The newest proof of a level, about a snapshot or about the whole repository."""
        return next(
            (each for each in self.proofs if (each.level, each.snapshot) == (level, snapshot_id)), None
        )

    def newest(self, level: CopyLevel) -> CopyProof | None:
        """The newest proof of a level, whatever it is about."""
        return max(
            (each for each in self.proofs if each.level == level), key=lambda each: each.when, default=None
        )

    def with_copied(self, copied: CopiedSnapshot) -> "CopyRecord":
        """Add a copy. What was proven about an earlier one of the same snapshot no longer counts."""
        others = [each for each in self.copied if each.id != copied.id]
        return replace(
            self,
            copied=tuple(sorted([*others, copied], key=lambda each: each.id)),
            proofs=tuple(each for each in self.proofs if each.snapshot != copied.id),
        )

    def with_found(self, held: HeldSnapshot) -> "CopyRecord":
        """Add what is there and unknown: another computer copied it, or the records were lost."""
        if self.knows(held):
            return self
        return self.with_copied(CopiedSnapshot(held.id, held.engine_id, held.seal, record_times.now(), 0))

    def with_proof(self, proof: CopyProof) -> "CopyRecord":
        """Add a proof in place of the one before."""
        others = (
            each for each in self.proofs if (each.level, each.snapshot) != (proof.level, proof.snapshot)
        )
        return replace(self, proofs=(*others, proof))

    def leaving_with(self, snapshot_ids: Iterable[str]) -> "CopyRecord":
        """The same before snapshots are removed from the copy."""
        return replace(self, leaving=tuple(sorted({*self.leaving, *snapshot_ids})))

    def vanished(self, snapshot_ids: Iterable[str]) -> list[str]:
        """The snapshots that the copy no longer holds, although nobody here removed them."""
        there = {*snapshot_ids, *self.leaving, *self.retired}
        return [each.id for each in self.copied if each.id not in there]

    def only(self, snapshot_ids: Iterable[str]) -> "CopyRecord":
        """The same without snapshots that the copy no longer holds."""
        there = {*snapshot_ids, ""}
        return replace(
            self,
            leaving=tuple(each for each in self.leaving if each in there),
            copied=tuple(each for each in self.copied if each.id in there),
            proofs=tuple(each for each in self.proofs if each.snapshot in there),
        )

    @classmethod
    def read(cls, proofs_path: str, copy: str, repository: str) -> "CopyRecord":
        """Read it; a missing or damaged file, or one about another repository, counts as nothing known."""
        try:
            record = JsonRecord.read(_path(proofs_path, copy))
            found = cls(
                record.text("repository"),
                tuple(CopiedSnapshot.from_record(each) for each in record.records("copied")),
                tuple(CopyProof.from_record(each) for each in record.records("proofs")),
                record.texts("leaving") if "leaving" in record else (),
                record.texts("missed") if "missed" in record else (),
                record.texts("retired") if "retired" in record else (),
            )
        except (OSError, RecordFlaw):
            return cls(repository)
        return found if found.repository == repository else cls(repository)

    def write(self, proofs_path: str, copy: str) -> None:
        """Replace the file. Raises IbackupError."""
        members: dict[str, object] = {
            "schema": SCHEMA,
            "repository": self.repository,
            "copied": [each.to_members() for each in self.copied],
            "proofs": [each.to_members() for each in self.proofs],
            "leaving": list(self.leaving),
            "missed": list(self.missed),
            "retired": list(self.retired),
        }
        with telling("What is known about the copy could not be recorded."):
            durable.make_dir(proofs_path)
            durable.write_file(_path(proofs_path, copy), JsonRecord(members).render())


def last_proven(config: CopyConfig, folders: Sequence[PhoneFolder]) -> datetime | None:
    """When everything in a copy was last proven to be stored; None if it never was."""
    records = (CopyRecord.read(each.proofs_path, config.name, config.repository_id) for each in folders)
    proofs = [proof for record in records if (proof := record.proof("stored")) is not None and proof.good]
    return max((proof.when for proof in proofs), default=None)


def _path(proofs_path: str, copy: str) -> str:
    return os.path.join(proofs_path, f"copy-{copy}.json")
