"""Finds the row that has a name, such as the guid of a message, in 16 bytes a row."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

_PLACES: Final = 24  # bits for the place of a row; the rest of 64 is of a hash
_MASK: Final = (1 << 64 - _PLACES) - 1


class RowNames:
    """The rows of a table by name. Names are not kept: the caller compares them.

    Args:
        named: each row with its name; those after the first 16 million are left out.
    """

    def __init__(self, named: Iterable[tuple[int, str]]) -> None:
        self._rows = array("q")
        packed = array("Q")
        for row, name in named:
            if len(packed) < 1 << _PLACES:
                packed.append((hash(name) & _MASK) << _PLACES | len(packed))
                self._rows.append(row)
        self._packed = array("Q", sorted(packed))

    def of(self, name: str) -> Iterator[int]:
        """The rows that may have a name, in the order in which they came."""
        wanted = hash(name) & _MASK
        at = bisect_left(self._packed, wanted << _PLACES)
        while at < len(self._packed) and self._packed[at] >> _PLACES == wanted:
            yield self._rows[self._packed[at] & (1 << _PLACES) - 1]
            at += 1
