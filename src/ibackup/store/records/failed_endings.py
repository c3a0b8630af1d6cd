"""How a phone's backups failed since the last finished one: ``<UDID>/endings.json``.

If an error came at the same place in an earlier run, another attempt from a different start does not cure it.
"""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self, get_args

from ibackup.store.disk import durable, record_times
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

SCHEMA = 1
NAME = "endings.json"
NO_ERROR = 0
"""The code of a run that the phone ended without an error, but with files that differ from its list."""
_MOST = 16  # how many are kept, for a phone that always finds new ones

Place = Literal["start", "uploading", "moving", "removing", "finished"]
"""Where a backup ended: the last SnapshotState that the phone stored, or ``start`` before the first."""
_PLACES: tuple[Place, ...] = get_args(Place)


def place(state: str) -> Place:
    """The place for a SnapshotState."""
    return next((known for known in _PLACES if known == state), "start")


@dataclass(frozen=True, slots=True)
class Ending:
    """An error with which runs ended.

    Attributes:
        code: code of MBErrorDomain, or ``NO_ERROR``.
        runs: how many runs since the last finished backup.
        first: when the first of them ended, UTC.
        last: when the last of them ended, UTC.
        from_nothing: it also ended an attempt that started from nothing.
    """

    code: int
    place: Place
    runs: int
    first: datetime
    last: datetime
    from_nothing: bool = False

    def is_at(self, code: int, place: Place) -> bool:
        """Whether it is this error at this place."""
        return (self.code, self.place) == (code, place)

    def to_members(self) -> dict[str, object]:
        """The form in which the file stores it."""
        return {
            "code": self.code,
            "place": self.place,
            "runs": self.runs,
            "first": record_times.written(self.first),
            "last": record_times.written(self.last),
            "from_nothing": self.from_nothing,
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from the file. Raises RecordFlaw."""
        return cls(
            record.whole("code"),
            place(record.text("place")),
            record.number("runs"),
            record.time("first"),
            record.time("last"),
            record.flag("from_nothing"),
        )


def read(folder: str) -> tuple[Ending, ...]:
    """What is known about the phone with this folder; a missing or damaged record counts as nothing."""
    try:
        record = JsonRecord.read(os.path.join(folder, NAME))
        return tuple(Ending.from_record(each) for each in record.records("endings"))[:_MOST]
    except (OSError, RecordFlaw):
        return ()


def note(folder: str, found: Iterable[tuple[int, Place, bool]], now: datetime) -> tuple[Ending, ...]:
    """Add one run's failures (code, place, whether it started from nothing); return all that are now known."""
    known = {(each.code, each.place): each for each in read(folder)}
    counted: set[tuple[int, Place]] = set()
    for code, where, from_nothing in found:
        key = (code, where)
        before = known.pop(key, None) or Ending(code, where, 0, now, now)
        known[key] = replace(
            before,
            runs=before.runs + (key not in counted),
            last=now,
            from_nothing=before.from_nothing or from_nothing,
        )
        counted.add(key)
    endings = tuple(known.values())[-_MOST:]
    record = JsonRecord({"schema": SCHEMA, "endings": [each.to_members() for each in endings]})
    with contextlib.suppress(OSError):  # without this record, the next run makes one more attempt
        durable.write_file(os.path.join(folder, NAME), record.render())
    return endings


def forget(folder: str) -> None:
    """Forget earlier failures, because a backup was finished."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(folder, NAME))
