"""Which snapshots to read in full tonight, so that each is read regularly. A pure function."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAY_S = 86400.0
_EARLY = 0.9  # read a little early, so that several of the same age can be spread over the remaining nights


@dataclass(frozen=True, slots=True)
class Candidate:
    """A snapshot.

    Attributes:
        made: when; it counts as read then, because every byte was hashed on arrival.
        read: when every byte was last verified; None for never.
    """

    id: str
    made: datetime
    read: datetime | None


def share(snapshots: Sequence[Candidate], every_s: float, now: datetime) -> list[str]:
    """Tonight's share, longest unread first.

    Args:
        snapshots: of one phone, newest last, without those known to be damaged.
        every_s: how often to read each; 0 for never.
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
