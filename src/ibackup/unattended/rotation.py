"""Which snapshots are read in full tonight, so that each is once in a while. A pure function."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAY_S = 86400.0
_EARLY = (
    0.9  # in turn a little before its time, so that several of one age can share the nights that are left
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A snapshot.

    Attributes:
        made: when; it counts as read then, since every byte was hashed as it came.
        read: when every byte of it was proven last, None for never.
    """

    id: str
    made: datetime
    read: datetime | None


def share(snapshots: Sequence[Candidate], every_s: float, now: datetime) -> list[str]:
    """Tonight's share, the one that was not read for longest first.

    Args:
        snapshots: of one phone, the newest last; without those that are known to be damaged.
        every_s: how often each is to be read; 0 never.
        now: the present moment.
    """
    if not every_s or not snapshots:
        return []
    if all(each.read is None for each in snapshots):
        return [snapshots[-1].id]  # read back from the disk at least once, soon
    nights = max(1, math.floor(every_s * _EARLY / _DAY_S) - 1)
    before = now - timedelta(seconds=every_s * _EARLY)
    waiting = sorted(
        (each.read or each.made, each.id) for each in snapshots if (each.read or each.made) <= before
    )
    return [id_ for _, id_ in waiting[: math.ceil(len(snapshots) / nights)]]
