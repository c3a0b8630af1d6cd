"""Which snapshots to keep: grandfather, father, son. Pure functions over facts; nothing is read or removed here.

Everything is counted from the newest snapshot, never from today: a phone that is no longer backed up keeps
its snapshots. A damaged snapshot never replaces a good one: it is kept beside the good one of its day, week
or month, because its undamaged files may be the only copies.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, tzinfo
from typing import Literal, Self

from ibackup.config.config_schema import PruneConfig
from ibackup.store.freshness import StandingState

KeepReason = Literal[
    "last",
    "daily",
    "weekly",
    "monthly",
    "within",
    "newest",  # the newest that is not known to be damaged; the next run builds on it
    "flawless",  # the newest without flaws, if the newest one has some
    "proven",  # the newest that was proved good
    "pinned",
    "in-use",  # an interrupted run began from it and will be continued
    "unreadable",  # its record cannot be read, so nobody knows what would be lost
]


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """How many to keep; what no rule keeps is removed.

    Attributes:
        last: how many of the newest.
        daily, weekly, monthly: how many days (weeks, months) that have snapshots; the newest of each is kept.
        within: all that are at most this much older than the newest.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    within: timedelta = timedelta(0)

    @classmethod
    def configured(cls, rule: PruneConfig | None) -> Self:
        """The rules in the config file; none if it has none."""
        if rule is None:
            return cls()
        within = timedelta(seconds=rule.keep_within_s)
        return cls(rule.keep_last, rule.keep_daily, rule.keep_weekly, rule.keep_monthly, within)

    @property
    def any(self) -> bool:
        """Whether there is any rule; without one nothing may be removed."""
        return any(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about one snapshot on which the decision depends.

    Attributes:
        sequence: the order in which the snapshots were made.
        data_from: the date of the phone's data.
        state: what is known about it.
        proven: how far it was proved good.
        sealed: whether its seal is intact, so that the next run may build on it even if it is damaged.
        in_use: whether an interrupted run will continue from it, or something reads it.
    """

    id: str
    sequence: int
    data_from: datetime
    state: StandingState = "good"
    proven: Literal["read", "quick", ""] = ""
    sealed: bool = True
    pinned: bool = False
    in_use: bool = False

    @property
    def damaged(self) -> bool:
        """Whether it is known to be damaged."""
        return self.state == "damaged"


def decide(
    snapshots: Iterable[Facts], rules: RetentionRules, zone: tzinfo | None = None
) -> dict[str, tuple[KeepReason, ...]]:
    """Why each snapshot stays, by id, the newest first; one without a reason is removed.

    Args:
        snapshots: all readable snapshots of one phone.
        rules: what to keep.
        zone: the time zone of days; None for this computer's.
    """
    newest_first = sorted(snapshots, key=lambda each: (each.data_from, each.sequence), reverse=True)
    reasons: dict[str, list[KeepReason]] = {each.id: [] for each in newest_first}

    def keep(reason: KeepReason, chosen: Iterable[Facts]) -> None:
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
    newest = _newest(newest_first)
    keep("newest", newest)
    flawless = _latest(each for each in newest_first if each.state == "good")
    keep("flawless", (each for each in flawless if each not in newest))
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
    except OverflowError:  # longer than the calendar
        return newest_first
    return (each for each in newest_first if each.data_from >= oldest)


def _newest(newest_first: Sequence[Facts]) -> Sequence[Facts]:
    """The newest good one; if there is none, the newest that the next run can build on."""
    good = [each for each in newest_first if not each.damaged]
    return _latest(good or [each for each in newest_first if each.sealed] or newest_first)


def _latest(newest_first: Iterable[Facts]) -> Sequence[Facts]:
    """The first of them, and the one made last: clocks are sometimes wrong."""
    found = list(newest_first)
    if not found:
        return ()
    made_last = max(found, key=lambda each: each.sequence)
    return (found[0],) if made_last is found[0] else (found[0], made_last)


def _newest_proven(newest_first: Sequence[Facts]) -> Iterable[Facts]:
    """The newest with every byte proved good; if there is none, the newest with any proof."""
    proven = [each for each in newest_first if each.proven and not each.damaged]
    return ([each for each in proven if each.proven == "read"] or proven)[:1]
