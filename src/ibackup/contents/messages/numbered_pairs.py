"""Pairs of row numbers, from a table that joins two others, to look up by the first of the two."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from ibackup.contents.app_database import Cell

MOST_NUMBER = 1 << 40
"""Larger numbers of rows than any phone has."""


class NumberedPairs:
    """Pairs of numbers in 16 bytes each. Fill it with ``add``, then ask ``of``."""

    def __init__(self) -> None:
        self._first = array("q")
        self._second = array("q")
        self._sorted = True

    def add(self, first: Cell, second: Cell) -> None:
        """Remember a pair; what cannot be the number of a row is left out."""
        if (
            type(first) is int
            and type(second) is int
            and 0 < first < MOST_NUMBER
            and 0 < second < MOST_NUMBER
        ):
            self._sorted = self._sorted and (not self._first or self._first[-1] <= first)
            self._first.append(first)
            self._second.append(second)

    def of(self, first: int) -> Sequence[int]:
        """The second numbers of all pairs with a first one, in the order in which they came."""
        if not self._sorted:
            order = sorted(range(len(self._first)), key=self._first.__getitem__)
            self._first = array("q", [self._first[place] for place in order])
            self._second = array("q", [self._second[place] for place in order])
            self._sorted = True
        start = bisect_left(self._first, first)
        if start == len(self._first) or self._first[start] != first:
            return ()
        return self._second[start : bisect_right(self._first, first, start)]
