"""How fast a store grows, from the records of its snapshots, and for how long its disk is enough."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from ibackup.store.records.snapshot import SnapshotMeta

_ENOUGH_HISTORY: Final = timedelta(days=14)
_LOOK_BACK: Final = timedelta(days=365)


def bytes_per_day(
    phones: Iterable[Sequence[SnapshotMeta]], now: datetime, *, copies: bool = False
) -> float | None:
    """How many bytes the store grows by in a day; None if that is not known.

    It is not known before each phone with a backup has two weeks of history, and while nothing grows. A snapshot adds
    what the phone sent for it. Where snapshots were removed, what they added may still be in later ones: then the
    growth of the backup itself counts, if that is more.

    Args:
        phones: the snapshots of each phone, oldest first.
        now: the present; a year back is counted.
        copies: whether each snapshot takes its full size, since the disk cannot share files.
    """
    total = 0.0
    for every in phones:
        metas = [each for each in every if now - each.finished <= _LOOK_BACK] or every[-1:]
        if not metas:
            continue
        passed = now - metas[0].finished
        if passed < _ENOUGH_HISTORY:
            return None
        added = sum(each.bytes if copies else each.received_bytes for each in metas[1:])
        total += max(added, metas[-1].bytes - metas[0].bytes) / (passed / timedelta(days=1))
    return total if total > 0 else None


def lasts(free_bytes: int, growth: float | None) -> timedelta | None:
    """For how long the free space is enough at this growth in bytes per day; None if the growth is not known."""
    return None if growth is None else timedelta(days=min(free_bytes / growth, 1_000_000))
