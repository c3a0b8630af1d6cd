"""Which snapshots to keep: grandfather, father, son. Pure functions over facts; nothing is read or removed here.

Everything is counted from the newest snapshot and never from today: a phone that has fallen silent keeps what it
has. A damaged snapshot never takes the place of a good one: it is kept beside the good one of its day, week or
month, since what is whole in it may be all there is.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, tzinfo
from typing import Literal, Self

from ibackup.config import PruneConfig

Reason = Literal[
    "last",
    "daily",
    "weekly",
    "monthly",
    "within",
    "newest",  # the newest that is not known to be damaged
    "proven",  # the newest that was proven good
    "pinned",
    "in-use",  # a run that broke began from it and is to go on
    "unreadable",  # its record cannot be read, so nobody knows what would be lost
]
PROVING = ("quick", "full", "deep", "rehearse")
"""Levels of proof, the weakest first."""
_READ_ALL = frozenset(["full", "deep", "rehearse"])


@dataclass(frozen=True, slots=True)
class Rules:
    """How many to keep; what no rule keeps is removed.

    Attributes:
        last: the newest so many.
        daily, weekly, monthly: of so many days (weeks, months) that have snapshots, the newest of each.
        within: all that are no older than this, compared with the newest.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    within: timedelta = timedelta(0)

    @classmethod
    def configured(cls, rule: PruneConfig | None) -> Self:
        """What the config file says; no rule at all where it says nothing."""
        if rule is None:
            return cls()
        within = timedelta(seconds=rule.keep_within_s)
        return cls(rule.keep_last, rule.keep_daily, rule.keep_weekly, rule.keep_monthly, within)

    @property
    def any(self) -> bool:
        """Whether there is a rule at all; without one nothing may be removed."""
        return any(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision rests on, of one snapshot.

    Attributes:
        sequence: the order in which the snapshots were made.
        data_from: of when the phone's data is.
        damaged: whether it is known to be damaged.
        proven: the strongest level at which it was proven good and still is; empty when at none.
        in_use: whether a run that broke is to go on from it.
    """

    id: str
    sequence: int
    data_from: datetime
    damaged: bool = False
    proven: str = ""
    pinned: bool = False
    in_use: bool = False


def decide(
    snapshots: Iterable[Facts], rules: Rules, zone: tzinfo | None = None
) -> dict[str, tuple[Reason, ...]]:
    """Why each snapshot stays, by id, the newest first; one without a reason goes.

    Args:
        snapshots: of one phone, all that can be read.
        rules: what to keep.
        zone: whose days count; None for this computer's.
    """
    newest_first = sorted(snapshots, key=lambda each: (each.data_from, each.sequence), reverse=True)
    reasons: dict[str, list[Reason]] = {each.id: [] for each in newest_first}

    def keep(reason: Reason, chosen: Iterable[Facts]) -> None:
        for each in chosen:
            reasons[each.id].append(reason)

    def local(each: Facts) -> datetime:
        return each.data_from.astimezone(zone)

    keep("last", _newest_of(newest_first, rules.last, lambda each: each.id))
    keep("daily", _newest_of(newest_first, rules.daily, lambda each: local(each).date()))
    keep("weekly", _newest_of(newest_first, rules.weekly, lambda each: local(each).isocalendar()[:2]))
    keep(
        "monthly", _newest_of(newest_first, rules.monthly, lambda each: (local(each).year, local(each).month))
    )
    keep("within", _within(newest_first, rules.within))
    keep("newest", _newest(newest_first))
    keep("proven", _newest_proven(newest_first))
    keep("pinned", (each for each in newest_first if each.pinned))
    keep("in-use", (each for each in newest_first if each.in_use))
    return {id_: tuple(found) for id_, found in reasons.items()}


def _newest_of(
    newest_first: Sequence[Facts], number: int, period: Callable[[Facts], Hashable]
) -> Iterable[Facts]:
    """The newest good one of each of the newest ``number`` periods that have one, and damaged ones above it."""
    filled: set[Hashable] = set()
    damaged: set[Hashable] = set()
    for each in newest_first:
        now = period(each)
        if now in filled:
            continue
        if len(filled) >= number:
            return
        if not each.damaged:
            filled.add(now)
            yield each
        elif now not in damaged:
            damaged.add(now)
            yield each


def _within(newest_first: Sequence[Facts], within: timedelta) -> Iterable[Facts]:
    if not within or not newest_first:
        return ()
    try:
        oldest = newest_first[0].data_from - within
    except OverflowError:  # longer than time itself
        return newest_first
    return (each for each in newest_first if each.data_from >= oldest)


def _newest(newest_first: Sequence[Facts]) -> Iterable[Facts]:
    """The newest good one by the phone's clock, and the one made last: clocks are set wrong at times."""
    good = [each for each in newest_first if not each.damaged] or list(newest_first)
    if not good:
        return ()
    made_last = max(good, key=lambda each: each.sequence)
    return (good[0],) if made_last is good[0] else (good[0], made_last)


def _newest_proven(newest_first: Sequence[Facts]) -> Iterable[Facts]:
    """The newest of which every byte was proven good; where there is none, the newest proven at all."""
    proven = [each for each in newest_first if each.proven and not each.damaged]
    return ([each for each in proven if each.proven in _READ_ALL] or proven)[:1]
