"""The thread: what the pages show of a phone's backups as a line in time.

Only the store's records are read, never a backup, and never a seal: the thread is on every page of a phone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from ibackup.base.counts import count_text
from ibackup.store.records.proof_records import READ_ALL, Proofs
from ibackup.view import words
from ibackup.view.shown_phones import ShownBackup, ShownPhone

_STEPS = 5


@dataclass(frozen=True, slots=True)
class Bead:
    """One backup.

    Attributes:
        id: of the backup; stands in addresses as ``at``.
        step: its size from 1 to 5, between the phone's smallest and largest.
        read_in_full: whether every byte was read since, and was what it had been.
        rehearsed: whether a restore test proved it.
        newest: whether no backup is newer.
        said: what is known about it, in a few words; may be empty.
        label: the moment and the rest, for those who do not see it.
    """

    id: str
    step: int
    read_in_full: bool
    rehearsed: bool
    pinned: bool
    damaged: bool
    newest: bool
    said: str
    label: str
    kind: Literal["bead"] = "bead"


@dataclass(frozen=True, slots=True)
class MissedNights:
    """Nights between two backups in which one was due and none was made."""

    nights: int
    label: str
    kind: Literal["missed"] = "missed"


@dataclass(frozen=True, slots=True)
class MonthBegins:
    """Where a month begins."""

    label: str
    kind: Literal["month"] = "month"


@dataclass(frozen=True, slots=True)
class NextRun:
    """The next unattended backup, which is not made yet."""

    label: str
    kind: Literal["next"] = "next"


ThreadItem = Bead | MissedNights | MonthBegins | NextRun


def thread_of(
    phone: ShownPhone,
    missed: Collection[date] = (),
    now: datetime | None = None,
    following: datetime | None = None,
) -> list[ThreadItem]:
    """The thread of a phone, oldest first.

    Args:
        phone: whose backups.
        missed: the nights in which a backup was due and none was made, by the day on which they began.
        now: where the backups end.
        following: when the next one may begin; None if nothing starts it.
    """
    sizes = [each.snapshot.meta.bytes for each in phone.backups if each.snapshot]
    span = (min(sizes, default=0), max(sizes, default=0))
    found: list[ThreadItem] = []
    before: datetime | None = None
    for backup in phone.backups:
        made = backup.made.astimezone() if backup.made else None
        if made and before and made > before:
            nights = nights_between(before, made, missed)
            if nights:
                found.append(MissedNights(nights, count_text(nights, "night")))
        if made and (before is None or (made.year, made.month) != (before.year, before.month)):
            found.append(
                MonthBegins(f"{made:%b}" if before is None or made.year == before.year else f"{made:%b %Y}")
            )
        found.append(_bead(backup, span, newest=backup is phone.newest))
        before = made or before
    if before and (nights := nights_between(before, now or datetime.now().astimezone(), missed)):
        found.append(MissedNights(nights, count_text(nights, "night")))
    if following:
        found.append(
            NextRun(f"{words.relative_day(following, now)} from {words.clock(following)}: not made yet")
        )
    return found


def _bead(backup: ShownBackup, span: tuple[int, int], *, newest: bool) -> Bead:
    known = backup.known
    proofs = known.proofs if known else Proofs()
    size = backup.snapshot.meta.bytes if backup.snapshot else None
    said = known_words(proofs)
    when = words.whole_moment(backup.made) if backup.made else "Date unknown"
    parts = [when, *([words.size(size)] if size is not None else []), *([said] if said else [])]
    return Bead(
        id=backup.id,
        step=_step(size, span),
        read_in_full=any(proofs.good(level) for level in READ_ALL),
        rehearsed=proofs.good("rehearse") is not None,
        pinned=proofs.pinned,
        damaged=known is not None and known.is_marked,
        newest=newest,
        said=said,
        label=", ".join(parts),
    )


def known_words(proofs: Proofs) -> str:
    """What is proved about a backup, in a few words: ``damaged``, ``restorable, proven``, ``read in full``."""
    if proofs.known_damaged:
        said = "not known to be good" if proofs.unknown and not proofs.damaged else "damaged"
    elif proofs.good("rehearse"):
        said = "restorable, proven"
    elif any(proofs.good(level) for level in READ_ALL):
        said = "read in full"
    else:
        said = ""
    return ", ".join([*([said] if said else []), *(["kept for good"] if proofs.pinned else [])])


def _step(size: int | None, span: tuple[int, int]) -> int:
    least, most = span
    if size is None or most == least:
        return _STEPS // 2 + 1
    return 1 + round((_STEPS - 1) * (size - least) / (most - least))


def nights_between(before: datetime, after: datetime, nights: Collection[date]) -> int:
    """How many of these nights, each by the day on which it began, lie between two local moments."""
    return sum(_night(before) < each < _night(after) for each in nights)


def _night(moment: datetime) -> date:
    """The day on which the night of a moment began: at 02:00 it is the day before."""
    return (moment - timedelta(hours=12)).date()
