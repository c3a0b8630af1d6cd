"""What was proved about a snapshot after it was closed; kept beside it, because a snapshot never changes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self, get_args

from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

SCHEMA = 1
Level = Literal["quick", "full", "deep", "rehearse"]
Verdict = Literal["good", "flawed", "damaged"]
_LEVELS: tuple[Level, ...] = get_args(Level)
READ_ALL: frozenset[Level] = frozenset(["full", "deep"])
"""Levels that compare every byte with the seal."""
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Proof:
    """One check of a snapshot.

    Attributes:
        when: when it ended, UTC.
        result: ``flawed``: unchanged since it was sealed, but some files differ from the phone's list.
        damaged: the damaged files, by their path below the backup folder.
    """

    level: Level
    when: datetime
    result: Verdict
    damaged: tuple[str, ...] = ()

    def to_members(self) -> dict[str, object]:
        """The form in which a record stores it."""
        return {
            "level": self.level,
            "when": record_times.written(self.when),
            "result": self.result,
            "damaged": sorted(self.damaged),
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from a record. Raises RecordFlaw."""
        level, result = record.text("level"), record.text("result")
        levels = [known for known in _LEVELS if known == level]
        verdicts = [known for known in _VERDICTS if known == result]
        if not levels or not verdicts:
            raise RecordFlaw("has an unknown level or result")
        return cls(levels[0], record.time("when"), verdicts[0], record.texts("damaged"))


@dataclass(frozen=True, slots=True)
class Proofs:
    """Everything known about one snapshot since it was closed.

    Attributes:
        last: the newest proof of each level that was tried.
        damaged: files known to be damaged, by their path below the backup folder.
        pinned: whether prune must leave the snapshot alone, and ``pin_note`` why.
        unknown: what was known before cannot be read any more, and no proof has read every byte since.
    """

    last: tuple[Proof, ...] = ()
    damaged: frozenset[str] = frozenset()
    pinned: bool = False
    pin_note: str = ""
    unknown: bool = False

    @property
    def latest(self) -> Proof | None:
        """The newest proof, of any level."""
        return max(self.last, key=lambda proof: proof.when, default=None)

    @property
    def known_damaged(self) -> bool:
        """Whether a proof found damage in this snapshot and no later full proof found it undamaged.

        Also if that is not known any more: then it must not count as good.
        """
        whole = (proof for proof in self.last if proof.result != "damaged" and proof.level in READ_ALL)
        cleared = [proof.when for proof in whole]
        return (
            self.unknown
            or bool(self.damaged)
            or any(
                proof.result == "damaged" and all(proof.when > when for when in cleared)
                for proof in self.last
            )
        )

    def good(self, level: Level) -> Proof | None:
        """The newest proof at this level, if it was good; flaws that the phone left matter only for a restore."""
        fine = ("good",) if level == "rehearse" else ("good", "flawed")
        return next((proof for proof in self.last if proof.level == level and proof.result in fine), None)

    def with_proof(self, proof: Proof) -> "Proofs":
        """Add a proof. Only one that read every file clears known damage."""
        others = tuple(known for known in self.last if known.level != proof.level)
        read_all = proof.level in READ_ALL
        damaged = frozenset(proof.damaged) | (frozenset() if read_all else self.damaged)
        return replace(self, last=(*others, proof), damaged=damaged, unknown=self.unknown and not read_all)

    def with_damage(self, files: Iterable[str]) -> "Proofs":
        """Add damage that was found in another snapshot, which shares these files."""
        return replace(self, damaged=self.damaged.union(files))

    def without_damage(self, files: Iterable[str]) -> "Proofs":
        """Forget the damage of files that were repaired; a proof that found damage still counts."""
        return replace(self, damaged=self.damaged.difference(files))

    def to_record(self) -> JsonRecord:
        """The form in which the file stores it."""
        unknown: dict[str, object] = {"unknown": True} if self.unknown else {}
        return JsonRecord(
            {
                "schema": SCHEMA,
                "last": [proof.to_members() for proof in sorted(self.last, key=lambda proof: proof.level)],
                "damaged": sorted(self.damaged),
                "pinned": self.pinned,
                "pin_note": self.pin_note,
            }
            | unknown
        )

    @classmethod
    def read(cls, path: str) -> "Proofs":
        """Read a file of proofs; a missing one counts as nothing known.

        A damaged file must not stop a backup. Because it may have contained a pin and known damage, the snapshot counts
        as pinned, and not as good until a proof has read every byte of it.
        """
        try:
            record = JsonRecord.read(path)
            return cls(
                last=tuple(Proof.from_record(each) for each in record.records("last")),
                damaged=frozenset(record.texts("damaged")),
                pinned=record.flag("pinned"),
                pin_note=record.text("pin_note"),
                unknown=record.flag("unknown") if "unknown" in record else False,
            )
        except FileNotFoundError:
            return cls()
        except (OSError, RecordFlaw):
            return cls(pinned=True, pin_note="The file with the pins is damaged.", unknown=True)

    def write(self, path: str, failed: str) -> None:
        """Replace the file; ``failed`` is the sentence for a failure."""
        with telling(failed):
            durable.write_file(path, self.to_record().render())
