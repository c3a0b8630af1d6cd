"""What a race is: contenders that do the same work, run alternately, and the table that comes of it."""

import math
import os
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from benching.measure import MIB, ContenderFailed, Cost, median, run
from benching.phones import Phone

OURS = "ibackup"
IBACKUP = (os.path.join(os.path.dirname(sys.executable), "ibackup"),)  # as its users start it


def nothing() -> None:
    """Nothing has to be prepared or checked."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One program in a race.

    Attributes:
        name: as the table shows it.
        command: what is run; only this is measured.
        environment: what it finds in its environment besides the usual.
        cwd: where it runs.
        prepare: called before each run, not measured.
        check: called after each run, not measured; raises ContenderFailed when the work was not done.
        size: how much work it is, in a race of one program against itself.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    prepare: Callable[[], None] = nothing
    check: Callable[[], None] = nothing
    size: int = 0


@dataclass(frozen=True, slots=True)
class Race:
    """Contenders for the same work, the phone they wait for, if any, and the bytes that it sends."""

    contenders: Sequence[Contender]
    phone: Phone | None = None
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the races are, and with which phone.

    Attributes:
        divisor: everything is divided by this.
        virtual: take the virtual iPhone for every race, also where the prepared phone would do.
    """

    divisor: int
    virtual: bool = False

    def of(self, count: int) -> int:
        """So many of something that there are ``count`` of at full size."""
        return max(1, count // self.divisor)


Start = Callable[[str, Scale], AbstractContextManager[Race]]
"""Sets a race up below a folder, and cleans up after it."""


@dataclass(slots=True)
class Line:
    """The figures of one contender.

    Attributes:
        phone_cpu: what the phone used at the same time.
        rates: bytes a second, while the phone sent its files.
        after: seconds that the program took after the phone's last word.
    """

    name: str
    costs: list[Cost] = field(default_factory=list)
    phone_cpu: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    failed: str = ""


def hold(race: Race, runs: int, folder: str) -> list[Line]:
    """Run the contenders alternately, each so many times."""
    lines = {contender.name: Line(contender.name) for contender in race.contenders}
    for _ in range(runs):
        for contender in race.contenders:
            line = lines[contender.name]
            if not line.failed:
                _run_one(contender, line, race.phone, folder)
    return list(lines.values())


def _run_one(contender: Contender, line: Line, phone: Phone | None, folder: str) -> None:
    contender.prepare()
    if hasattr(os, "sync"):
        os.sync()  # so that nobody writes back what another one left
    before = phone.cpu if phone else 0.0
    noted = phone.last_note() if phone else None
    log = os.path.join(folder, f"{contender.name.replace(' ', '-')}.log")
    try:
        cost = run(contender.command, contender.environment, log=log, cwd=contender.cwd)
        contender.check()
    except (ContenderFailed, OSError) as error:
        line.failed = str(error)
        print(f"{contender.name} failed: {error}", file=sys.stderr)
        return
    line.costs.append(cost)
    line.phone_cpu.append((phone.cpu if phone else 0.0) - before)
    if phone is not None and (note := phone.last_note()) is not None and note != noted:
        if note.last_word:
            line.after.append(cost.ended - note.last_word)
        if note.sent:
            line.rates.append(note.sent / note.sending_s)
    print(
        f"  {contender.name}: {cost.wall:.2f} s, CPU {cost.cpu:.2f} s, {cost.memory / MIB:.0f} MiB",
        file=sys.stderr,
    )


def table(lines: Sequence[Line]) -> Iterator[str]:
    """The figures as a Markdown table; the ratios say how many times as long as ibackup the others take."""
    yield "| program | wall s | CPU s | phone CPU s | peak MiB, all processes | wall ratio | CPU ratio |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    ours = next((median(line.costs) for line in lines if line.name == OURS and line.costs), None)
    for line in lines:
        if not line.costs:
            yield f"| {line.name} | failed | | | | | |"
            continue
        cost = median(line.costs)
        phone = sorted(line.phone_cpu)[len(line.phone_cpu) // 2]
        ratios = "| | "
        if ours is not None and line.name != OURS:
            ratios = f"| {cost.wall / ours.wall:.2f} | {cost.cpu / ours.cpu:.2f} "
        yield (
            f"| {line.name} | {cost.wall:.2f} | {cost.cpu:.2f} | {phone:.2f} | {cost.memory / MIB:.0f} {ratios}|"
        )


def remarks(race: Race, lines: Sequence[Line]) -> Iterator[str]:
    """What else can be said of the figures: rates, and how the time grows with the work."""
    for line in lines if race.bytes else ():
        if line.costs:
            cost = median(line.costs)
            rate, per_gb = race.bytes / cost.wall / 1e6, cost.cpu / race.bytes * 1e9
            yield f"- {line.name}: {rate:.0f} MB/s from start to end, {per_gb:.2f} CPU s/GB"
    for line in lines:
        if line.rates and race.bytes:
            yield f"- {line.name}: {statistics.median(line.rates) / 1e6:.0f} MB/s while the phone sent its files"
        if line.after:
            yield f"- {line.name}: {statistics.median(line.after):.2f} s after the phone's last word"
    sizes = [contender.size for contender in race.contenders]
    if all(sizes) and all(line.costs for line in lines):
        for name in ("wall", "cpu"):
            points = [
                (math.log(size), math.log(getattr(median(line.costs), name)))
                for size, line in zip(sizes, lines, strict=True)
            ]
            slope = statistics.linear_regression(*zip(*points, strict=True)).slope
            yield f"- {name}: twice the work takes {2**slope:.2f} times as long"


def fresh(path: str) -> Callable[[], None]:
    """Empties a folder, or makes it."""

    def prepare() -> None:
        if os.path.isdir(path):
            shutil.rmtree(path)
        os.mkdir(path)

    return prepare
