"""How far something is that takes long, told as a share of one while it goes on."""

from collections.abc import Callable

HowFar = Callable[[float], None]
"""Called now and then with a share from 0 to 1; what it raises ends the work."""


def untold(_share: float) -> None:
    """For callers that nobody waits for."""


def part_of(how_far: HowFar, start: float, end: float) -> HowFar:
    """For one of several steps: its 0 is ``start`` of the whole, its 1 is ``end``."""
    return lambda share: how_far(start + (end - start) * share)
