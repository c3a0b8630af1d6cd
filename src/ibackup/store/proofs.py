"""What was proved of a snapshot after it was closed, kept beside it since the snapshot itself never changes."""

import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self, get_args

from ibackup.store import durable, times
from ibackup.store.records import Record, RecordFlaw
from ibackup.store.trouble import telling

SCHEMA = 1
Level = Literal["quick", "full", "deep", "rehearse"]
Verdict = Literal["good", "damaged"]
_LEVELS: tuple[Level, ...] = get_args(Level)
_READ_ALL: frozenset[Level] = frozenset(["full", "deep"])
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Proof:
    """One look at a snapshot.

    Attributes:
        when: UTC, when it ended.
        damaged: the files that were not what they should be, by their path below the backup folder.
    """

    level: Level
    when: datetime
    result: Verdict
    damaged: tuple[str, ...] = ()

    def to_members(self) -> dict[str, object]:
        """As it stands in a record."""
        return {
            "level": self.level,
            "when": times.written(self.when),
            "result": self.result,
            "damaged": sorted(self.damaged),
        }

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """The same from a record. Raises RecordFlaw."""
        level, result = record.text("level"), record.text("result")
        levels = [known for known in _LEVELS if known == level]
        verdicts = [known for known in _VERDICTS if known == result]
        if not levels or not verdicts:
            raise RecordFlaw("has a level or a result that is not known")
        return cls(levels[0], record.time("when"), verdicts[0], record.texts("damaged"))


@dataclass(frozen=True, slots=True)
class Proofs:
    """All that is known of one snapshot since it was closed.

    Attributes:
        last: the latest proof of each level that was ever tried.
        damaged: files known to be damaged, by their path below the backup folder.
        pinned: whether prune must leave the snapshot alone, and ``pin_note`` why.
    """

    last: tuple[Proof, ...] = ()
    damaged: frozenset[str] = frozenset()
    pinned: bool = False
    pin_note: str = ""

    @property
    def latest(self) -> Proof | None:
        """The proof made last, of whatever level."""
        return max(self.last, key=lambda proof: proof.when, default=None)

    @property
    def known_damaged(self) -> bool:
        """Whether something in this snapshot is damaged, by a proof that no later full one took back."""
        cleared = [proof.when for proof in self.last if proof.result == "good" and proof.level in _READ_ALL]
        return bool(self.damaged) or any(
            proof.result == "damaged" and all(proof.when > when for when in cleared) for proof in self.last
        )

    def proven_since(self, level: Level) -> datetime | None:
        """When it was last proven good at this level."""
        return next(
            (proof.when for proof in self.last if proof.level == level and proof.result == "good"), None
        )

    def with_proof(self, proof: Proof) -> "Proofs":
        """Add a proof. Only one that read every file clears what is known to be damaged."""
        others = tuple(known for known in self.last if known.level != proof.level)
        read_all = proof.level in _READ_ALL
        damaged = frozenset(proof.damaged) | (frozenset() if read_all else self.damaged)
        return replace(self, last=(*others, proof), damaged=damaged)

    def to_record(self) -> Record:
        """As it stands in the file."""
        return Record(
            {
                "schema": SCHEMA,
                "last": [proof.to_members() for proof in sorted(self.last, key=lambda proof: proof.level)],
                "damaged": sorted(self.damaged),
                "pinned": self.pinned,
                "pin_note": self.pin_note,
            }
        )

    @classmethod
    def read(cls, path: str) -> "Proofs":
        """Read a file of proofs; a missing one counts as nothing known.

        A damaged one must not stop a backup; what it said is found again by the next verify. Since it may have
        held a pin, the snapshot counts as pinned.
        """
        try:
            record = Record.read(path)
            return cls(
                last=tuple(Proof.from_record(each) for each in record.records("last")),
                damaged=frozenset(record.texts("damaged")),
                pinned=record.flag("pinned"),
                pin_note=record.text("pin_note"),
            )
        except FileNotFoundError:
            return cls()
        except (OSError, RecordFlaw):
            return cls(pinned=True, pin_note="The file that would say is damaged.")

    def write(self, path: str) -> None:
        """Put it in place of what was there."""
        with telling("What was proved could not be written down."):
            durable.make_dir(os.path.dirname(path))
            durable.write_file(path, self.to_record().render())
