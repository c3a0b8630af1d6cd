"""What the races should reach, and a table of what they did."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from benching.measure import MIB
from benching.measure import median as median_cost
from benching.racing import OURS, Line

Held: TypeAlias = Mapping[str, Sequence[Line]]
"""The lines of each race that was held."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table: what is raced, what it should reach, and what of the race says whether it did."""

    race: str
    work: str
    reach: str
    here: Callable[[Sequence[Line]], str]


def _ratios(*names: str) -> Callable[[Sequence[Line]], str]:
    def here(lines: Sequence[Line]) -> str:
        ours = median_cost(_line(lines, OURS).costs).wall
        return ", ".join(
            f"{median_cost(_line(lines, name).costs).wall / ours:.2f} x {name}" for name in names
        )

    return here


def _with_cpu(lines: Sequence[Line]) -> str:
    return f"{_ratios('idevicebackup2')(lines)}, {median_cost(_line(lines, OURS).costs).cpu:.1f} CPU s"


def _rates(lines: Sequence[Line]) -> str:
    ours, pushed = (median(_line(lines, name).rates) / 1e6 for name in (OURS, "sink"))
    return f"{ours:.0f} MB/s where the phone pushes {pushed:.0f}"


def _after(lines: Sequence[Line]) -> str:
    return f"{median(_line(lines, OURS).after):.1f} s"


def _line(lines: Sequence[Line], name: str) -> Line:
    return next(line for line in lines if line.name == name and line.costs)


_PEERS = ("idevicebackup2", "pymobiledevice3")
_READER = "iphone_backup_decrypt"

GOALS = (
    Goal(
        "full", "full, 1.3 GB in 8,100 files", "1.5 x idevicebackup2, 3 x pymobiledevice3", _ratios(*_PEERS)
    ),
    Goal(
        "small",
        "full, 50,000 files of 0 to 8 KiB",
        "1.3 x idevicebackup2, 5 x pymobiledevice3",
        _ratios(*_PEERS),
    ),
    Goal("incremental", "nothing changed, 300,000 files", "1.2 x idevicebackup2, < 10 CPU s", _with_cpu),
    Goal("incremental", "after the phone's last word, 300,000 files", "< 3 s", _after),
    Goal("extract", "decrypt and extract 1.3 GB", f"6 x {_READER}", _ratios(_READER)),
    Goal("extract-busy", "the same, on a busy machine", f"4 x {_READER}", _ratios(_READER)),
    Goal("rate", "receiving large files", "700 MB/s where the phone pushes 850", _rates),
)


def table(held: Held) -> Iterator[str]:
    """The goals of the races that were held, as a Markdown table."""
    yield "| work | goal | here |"
    yield "|---|---|---|"
    for goal in GOALS:
        if goal.race in held:
            try:
                here = goal.here(held[goal.race])
            except StopIteration:
                here = "failed"
            yield f"| {goal.work} | {goal.reach} | {here} |"
    ours = [
        cost.memory for lines in held.values() for line in lines if line.name == OURS for cost in line.costs
    ]
    if ours:
        yield f"| memory, all processes together | < 250 MiB | {max(ours) / MIB:.0f} MiB |"
