"""Which entries of a list are shown: by words, by a choice above the list, by folder, and from which one on."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final

from ibackup.view.kinds_shown.shown_kind import KindShelf, Record, ShownKind, matching

PART: Final = 200
"""Entries that are shown at once."""
GONE: Final = "gone"
_LEAST: Final = 60  # entries of a first page that begins at the day of the backup, where little is planned
_BEFORE: Final = 5  # entries above the one that was chosen


@dataclass(frozen=True, slots=True)
class EntryChoice:
    """What an address asks for.

    Attributes:
        words: to search for.
        only: the name of a chip, or ``GONE``; empty for all.
        place: a folder, calendar or list; empty for all.
        start: the first entry to show; None: not said.
        day: to go to.
        ident: the entry whose details are shown; empty for none.
    """

    words: str = ""
    only: str = ""
    place: str = ""
    start: int | None = None
    day: date | None = None
    ident: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "EntryChoice":
        """What a query says; what makes no sense counts as not said."""
        start = query.get("from", "")
        day = None
        with suppress(ValueError):
            day = date.fromisoformat(query.get("day", ""))
        return cls(
            words=query.get("q", "").strip()[:200],
            only=query.get("only", ""),
            place=query.get("in", ""),
            start=int(start) if start.isascii() and start.isdecimal() and len(start) < 10 else None,
            day=day,
            ident=query.get("id", ""),
        )

    @property
    def is_all(self) -> bool:
        """Whether it asks for everything."""
        return not (self.words or self.only or self.place)

    def query(self) -> dict[str, str]:
        """The part of an address that chooses entries."""
        return {"q": self.words, "only": self.only, "in": self.place}

    def found(self, kind: ShownKind[Record], shelf: KindShelf[Record], gone: frozenset[str]) -> Sequence[int]:
        """The places of the entries that it asks for.

        Args:
            kind: of the shelf.
            shelf: all entries.
            gone: the ids of those that the newest backup does not have.
        """
        if self.is_all:
            return range(len(shelf.records))
        places = matching(shelf, self.words)
        if self.place:
            places = (each for each in places if kind.place(shelf.records[each]) == self.place)
        if self.only == GONE:
            places = (each for each in places if kind.ident(shelf.records[each]) in gone)
        elif self.only:
            chip = next((each for each in kind.chips if each.name == self.only), None)
            if chip is not None:
                places = (each for each in places if chip.wants(shelf.records[each]))
        return list(places)

    def first(
        self, kind: ShownKind[Record], shelf: KindShelf[Record], found: Sequence[int], today: date | None
    ) -> int:
        """Which of the found entries is shown first.

        Args:
            kind: of the shelf.
            shelf: all entries.
            found: as ``found`` gave them.
            today: the day of the backup.
        """
        if self.start is not None:
            start = self.start
        elif self.day is not None and kind.dated:
            start = _of_day(shelf, found, self.day)
        else:
            from_today = kind.from_today and self.is_all and today is not None
            start = _of_day(shelf, found, today) if from_today and today is not None else 0
            start = min(start, max(len(found) - _LEAST, 0))
            start = self._with_chosen(shelf, found, start)
        # An empty page would look as if nothing was there.
        return min(max(start, 0), max(len(found) - 1, 0))

    def _with_chosen(self, shelf: KindShelf[Record], found: Sequence[int], start: int) -> int:
        """The start, moved so that the entry that was chosen is on the page."""
        place = shelf.places.get(self.ident) if self.ident else None
        if place is None:
            return start
        at = bisect_left(found, place)
        if at < len(found) and found[at] == place and not start <= at < start + PART:
            return max(at - _BEFORE, 0)
        return start


def _of_day(shelf: KindShelf[Record], found: Sequence[int], day: date) -> int:
    """The first entry of a day, or the next one in the order of the list."""
    days = [shelf.days[each] for each in found]
    known = [each for each in days if each is not None]
    falling = len(known) > 1 and known[0] > known[-1]
    for at, each in enumerate(days):
        if each is None or (each <= day if falling else each >= day):
            return at
    return max(len(found) - 1, 0)
