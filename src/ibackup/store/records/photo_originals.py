"""How many photos a snapshot holds only a small version of, or nothing, because iCloud Photos has the original."""

from dataclasses import dataclass
from typing import Self

from ibackup.store.disk.json_records import JsonRecord


@dataclass(frozen=True, slots=True)
class PhotoOriginals:
    """The photos and videos of the phone's owner, without recently deleted ones and those that others shared.

    Attributes:
        total: all of them.
        only_in_icloud: those whose original is not in the snapshot, and is in iCloud Photos.
        stand_ins: of how many of these the snapshot has a smaller version, an edited one or a thumbnail.
        lost: those whose original is not in the snapshot although the library does not say that it is in iCloud.
    """

    total: int
    only_in_icloud: int
    stand_ins: int
    lost: int

    def to_members(self) -> dict[str, object]:
        """The form in which a record stores it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from a record. Raises RecordFlaw."""
        return cls(
            total=record.number("total"),
            only_in_icloud=record.number("only_in_icloud"),
            stand_ins=record.number("stand_ins"),
            lost=record.number("lost"),
        )

    @property
    def said(self) -> str:
        """How many are only in iCloud, and what the snapshot has in their place; empty if all are here."""
        if not self.only_in_icloud:
            return ""
        count, here = self.only_in_icloud, self.stand_ins
        is_are = "is" if count == 1 else "are"
        if not here:
            holds = "nothing of it" if count == 1 else "nothing of them"
        elif here >= count:
            holds = "a small version of it" if count == 1 else "small versions of them"
        else:
            holds = f"small versions of {here:,} of them"
        return f"{count:,} of {self.total:,} photos and videos {is_are} only in iCloud; this backup holds {holds}"
