"""A small fuzzer: changes inputs at random and keeps those that reach code which no other reached.

It needs nothing but Python; what was reached is seen by ``sys.settrace`` in the threads of the target.
"""

import hashlib
import random
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import ibackup
from support.fuzzing import CORPUS, MOST_BYTES, MOST_SECONDS, Target

_SOURCES: Final = str(Path(ibackup.__file__).parent)
_LARGEST_ITEM: Final = 8 << 10
_NUMBERS: Final = tuple(
    number.to_bytes(size, order, signed=number < 0)
    for size in (1, 2, 4, 8)
    for number in (0, 1, -1, 1 << (8 * size - 2), -(1 << (8 * size - 1)))
    for order in ("big", "little")
)  # fmt: skip

Edge = tuple[int, int, int]


@dataclass
class Fault:
    """An input that did what it may not."""

    target: str
    data: bytes
    what: str


@dataclass
class Fuzzer:
    """One target under way.

    Attributes:
        tried: how many inputs.
        taken: how many of them were not refused.
        reached: the steps from line to line that were seen.
        fresh: the inputs that reached something new, without those that were given.
        faults: what was found, at most one of each kind.
    """

    target: Target
    rng: random.Random
    tried: int = 0
    taken: int = 0
    slowest: float = 0.0
    reached: set[Edge] = field(default_factory=set)
    inputs: list[bytes] = field(default_factory=list)
    fresh: list[bytes] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)

    def begin(self) -> None:
        """Try what exists already."""
        for data in [*self.target.seeds(), *self.target.corpus()]:
            self.attempt(data)
            self.inputs.append(data)
        self.fresh.clear()

    def step(self) -> None:
        """Try one more."""
        self.attempt(self.mutated()[:MOST_BYTES])

    def attempt(self, data: bytes) -> None:
        before = len(self.reached)
        began = time.process_time()  # its own: the machine may be busy
        try:
            with _traced(self.reached):
                self.taken += self.target.attempt(data)
        except Exception as error:  # noqa: BLE001 - what is looked for
            self._blame(data, error)
        seconds = time.process_time() - began
        self.slowest = max(self.slowest, seconds)
        if seconds > MOST_SECONDS:
            self._note(data, f"it took {seconds:.1f} s", "too slow")
        self.tried += 1
        if len(self.reached) > before and len(data) <= _LARGEST_ITEM:
            self.inputs.append(data)
            self.fresh.append(data)

    def _blame(self, data: bytes, error: Exception) -> None:
        places = [f for f in traceback.extract_tb(error.__traceback__) if "hypothesis" not in f.filename]
        self._note(
            data,
            "".join(traceback.format_exception(error)),
            f"{type(error).__name__} {places[-1].name} {places[-1].lineno}",
        )

    def _note(self, data: bytes, what: str, kind: str) -> None:
        known = self.faults.get(kind)
        if known is None or len(data) < len(known.data):
            self.faults[kind] = Fault(self.target.name, data, what)

    # -- changes --------------------------------------------------------------------------------------------

    def mutated(self) -> bytes:
        rng = self.rng
        # The later ones more often: they reached what others did not.
        place = max(rng.randrange(len(self.inputs)), rng.randrange(len(self.inputs)))
        data = bytearray(self.inputs[place])
        for _ in range(1 << rng.randrange(4)):
            self._change(data)
        return bytes(data)

    def _change(self, data: bytearray) -> None:
        rng = self.rng
        at = rng.randrange(len(data) + 1)
        length = min(len(data) - at, 1 << rng.randrange(9))
        match rng.randrange(10):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = rng.randbytes(1 + rng.randrange(4))
            case 4:
                data[at:at] = data[at : at + length] * (1 + rng.randrange(3))
            case 5:
                number = rng.choice(_NUMBERS)
                data[at : at + len(number)] = number
            case 6 | 7 if self.target.words:
                word = rng.choice(self.target.words)
                data[at : at + rng.choice([0, len(word)])] = word
            case 8:
                other = rng.choice(self.inputs)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:]
            case _:
                other = rng.choice(self.inputs)
                start = rng.randrange(len(other) + 1)
                data[at:at] = other[start : start + length]

    def store(self) -> int:
        """Write what is new into the corpus, leaving out what the rest of it reaches; gives how many."""
        folder = CORPUS / self.target.name
        folder.mkdir(parents=True, exist_ok=True)
        covered: set[Edge] = set()
        for data in [*self.target.seeds(), *self.target.corpus()]:
            self._reach(data, covered)
        kept = 0
        for data in sorted(self.fresh, key=len):
            before = len(covered)
            self._reach(data, covered)
            if len(covered) > before:
                (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)
                kept += 1
        return kept

    def _reach(self, data: bytes, covered: set[Edge]) -> None:
        try:
            with _traced(covered):
                self.target.attempt(data)
        except Exception:  # noqa: BLE001 - told of before
            pass


@contextmanager
def _traced(reached: set[Edge]) -> Iterator[None]:
    """Note every step between two lines of the product, in this thread and those it starts."""
    add = reached.add

    def lines(code: int, first: int) -> "object":
        last = first

        def line(frame: FrameType, event: str, _: object) -> object:
            nonlocal last
            if event == "line":
                add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    def call(frame: FrameType, _event: str, _: object) -> object:
        if not frame.f_code.co_filename.startswith(_SOURCES):
            return None
        return lines(hash((frame.f_code.co_filename, frame.f_code.co_firstlineno)), 0)

    threading.settrace(call)  # type: ignore[arg-type]
    sys.settrace(call)  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type, unused-ignore]
