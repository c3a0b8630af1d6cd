"""Sizes as rectangles: each has the share of the whole that its size has, and is as square as can be.

Method: "Squarified Treemaps", Bruls, Huizing and van Wijk, 2000.
"""

from collections.abc import Sequence
from typing import NamedTuple


class MapField(NamedTuple):
    """A rectangle, in the units of the whole."""

    x: float
    y: float
    width: float
    height: float


def map_fields(sizes: Sequence[int], width: float, height: float) -> list[MapField]:
    """The rectangle of each size, in the same order; sizes are above 0, the largest first."""
    found: list[MapField] = []
    left = MapField(0, 0, width, height)
    whole = sum(sizes)
    scale = width * height / whole if whole else 0
    areas = [each * scale for each in sizes]
    start = 0
    while start < len(areas):
        side = min(left.width, left.height)
        end = start + 1
        while end < len(areas) and _worst(areas[start : end + 1], side) <= _worst(areas[start:end], side):
            end += 1
        row = areas[start:end]
        fields, left = _row(row, left)
        found += fields
        start = end
    return found


def _worst(row: Sequence[float], side: float) -> float:
    """How far the least square one of a row is from a square."""
    total = sum(row)
    if not total or not side:
        return float("inf")
    return max(max(side * side * each / total**2, total**2 / (side * side * each)) for each in row)


def _row(row: Sequence[float], left: MapField) -> tuple[list[MapField], MapField]:
    """A row along the shorter side, and what is left."""
    total, found = sum(row), []
    if left.width >= left.height:
        thick = total / left.height if left.height else 0
        place = left.y
        for each in row:
            length = each / thick if thick else 0
            found.append(MapField(left.x, place, thick, length))
            place += length
        return found, MapField(left.x + thick, left.y, max(left.width - thick, 0), left.height)
    thick = total / left.width if left.width else 0
    place = left.x
    for each in row:
        length = each / thick if thick else 0
        found.append(MapField(place, left.y, length, thick))
        place += length
    return found, MapField(left.x, left.y + thick, left.width, max(left.height - thick, 0))
