"""Cells that may hold anything, as the values that they should be: what is odd becomes a gap, and the record stays."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ibackup.contents.app_database import Cell, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.gaps import Gaps

_SHOWN: Final = 40
_LONGEST: Final = 10 * 366 * 86_400  # seconds; nothing that a person records takes ten years


class OddValues:
    """Reads the cells of one kind of contents.

    Args:
        part: of which contents, for the gaps: "calls".
        gaps: takes what is odd.
    """

    def __init__(self, part: str, gaps: Gaps) -> None:
        self._part = part
        self._gaps = gaps

    def time(self, cell: Cell, convert: Callable[[object], datetime | None] = from_apple) -> datetime | None:
        """A moment; None if there is none."""
        found = convert(cell)
        if found is None and cell:
            self.odd("times that are no dates", cell)
        return found

    def seconds(self, cell: Cell) -> float | None:
        """A duration in seconds; None if there is none."""
        if isinstance(cell, (int, float)) and math.isfinite(cell) and 0 <= cell <= _LONGEST:
            return float(cell)
        if cell is not None:
            self.odd("durations that are no numbers of seconds", cell)
        return None

    def whole(self, cell: Cell) -> int | None:
        """A whole number; None if there is none."""
        if isinstance(cell, int):
            return cell
        if isinstance(cell, float) and cell.is_integer():
            return int(cell)
        if cell is not None:
            self.odd("values that are no whole numbers", cell)
        return None

    def real(self, cell: Cell) -> float | None:
        """A finite number; None if there is none."""
        if isinstance(cell, (int, float)) and math.isfinite(cell):
            return float(cell)
        if cell is not None:
            self.odd("values that are no numbers", cell)
        return None

    def flag(self, cell: Cell) -> bool | None:
        """Yes or no; None if the phone did not note it."""
        number = self.whole(cell)
        return None if number is None else number != 0

    def odd(self, reason: str, cell: Cell) -> None:
        """Count a value that cannot be used."""
        self._gaps.add(self._part, reason, text(cell)[:_SHOWN])
