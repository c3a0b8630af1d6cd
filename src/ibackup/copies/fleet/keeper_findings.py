"""What the keeper of a fleet found in the repositories itself, signed: nobody else's word counts for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ibackup.copies.fleet import fleet_keys
from ibackup.copies.fleet.fleet_keys import SigningKey
from ibackup.store.disk import record_times
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

FOLDER = "keeper"
PATH = f"{FOLDER}/findings.json"
_KIND = "ibackup fleet findings"
_MOST_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class KeeperFinding:
    """What was found in one phone's repository.

    Attributes:
        snapshots: how many it has.
        newest: the id of the newest; empty without one.
        checked, matched, rehearsed: when each was last done with success, UTC; None if never.
        problems: what is wrong now; empty if nothing is.
    """

    snapshots: int
    newest: str
    checked: datetime | None = None
    matched: datetime | None = None
    rehearsed: datetime | None = None
    problems: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_members(self) -> dict[str, object]:
        """The form in which it is stored."""
        times = {name: getattr(self, name) for name in _TIMES}
        return {
            "snapshots": self.snapshots,
            "newest": self.newest,
            "problems": list(self.problems[:_MOST_PROBLEMS]),
            **{name: record_times.written(when) for name, when in times.items() if when is not None},
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it. Raises RecordFlaw."""
        times = {name: record.time(name) for name in _TIMES if name in record}
        return cls(
            record.number("snapshots"),
            record.text("newest"),
            problems=record.texts("problems"),
            **times,
        )


_TIMES = ("checked", "matched", "rehearsed")


@dataclass(frozen=True, slots=True)
class KeeperFindings:
    """All of them by UDID, and when they were written, UTC."""

    written: datetime
    phones: dict[str, KeeperFinding]

    def signed(self, keeper: SigningKey) -> bytes:
        """The object."""
        return keeper.signed(
            {
                "schema": 1,
                "kind": _KIND,
                "written": record_times.written(self.written),
                "phones": {udid: each.to_members() for udid, each in self.phones.items()},
            }
        )

    @classmethod
    def opened(cls, data: bytes, keeper_key: str) -> Self:
        """Read the object. Raises RecordFlaw, NotGenuine."""
        record = fleet_keys.opened(data, keeper_key)
        if record.text("kind") != _KIND:
            raise RecordFlaw("is not what a keeper found")
        phones = record.record("phones")
        return cls(
            record.time("written"),
            {udid: KeeperFinding.from_record(phones.record(udid)) for udid in phones.names()},
        )
