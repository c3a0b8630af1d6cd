"""The phone's end of the backup channel, with a tap on it: counts what the phone writes, and cuts it there."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal
from unittest import mock

from ibackup.simulator import mobilebackup2
from ibackup.simulator.ciphers import Buffer
from ibackup.simulator.devicelink import Outgoing, PhoneLink
from ibackup.simulator.habits import Habits
from ibackup.simulator.stream import Stream, StreamEnded

Cut = Literal["before", "after", "torn", "silent"]
"""What becomes of a message: it never leaves, it is the last that does, half of it does, nothing follows it."""


@dataclass
class Wire:
    """What went over the channel.

    Attributes:
        at: the number of the message (or run of file bytes) to cut, from 1; 0 cuts none.
        how: what becomes of it.
        written: how many there were.
        uploads: the content files that the phone sent, by file ID, in order.
        answered: those of them that the computer said it has.
        wanted: called with the number of each message, before it goes out.
    """

    at: int = 0
    how: Cut = "after"
    written: int = 0
    uploads: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    wanted: Callable[[int], None] = lambda _: None

    @property
    def was_cut(self) -> bool:
        return 0 < self.at <= self.written

    def write(self, stream: Stream, data: Buffer) -> None:
        self.written += 1
        self.wanted(self.written)
        if self.written != self.at:
            stream.write(data)
            return
        if self.how == "torn":
            stream.write(bytes(data)[: len(data) // 2])
        elif self.how != "before":
            stream.write(data)
        if self.how == "silent":
            while stream.read_some(1 << 16):
                pass  # it listens, and says nothing any more
        stream.drop()
        raise StreamEnded("cut by the test")


class _Tap:
    """Stands in for the stream of one connection; only what is written is of interest."""

    def __init__(self, stream: Stream, wire: Wire) -> None:
        self._stream = stream
        self._wire = wire
        self.read_exact = stream.read_exact
        self.read_into = stream.read_into

    def write(self, data: Buffer) -> None:
        self._wire.write(self._stream, data)


@contextlib.contextmanager
def tapped(wire: Wire) -> Iterator[Wire]:
    """Every backup connection inside the block is tapped."""

    class Tapped(PhoneLink):
        def __init__(self, stream: Stream, *, chunk_size: int, habits: Habits | None = None) -> None:
            super().__init__(_Tap(stream, wire), chunk_size=chunk_size, habits=habits)  # type: ignore[arg-type]

        def upload(self, files: Iterable[Outgoing], total: int, *, single: bool = False) -> dict[str, int]:
            names: list[str] = []

            def noted() -> Iterator[Outgoing]:
                for file in files:
                    name = file.path.rpartition("/")[2]
                    if len(name) == 40:
                        names.append(name)
                        wire.uploads.append(name)
                    yield file

            failed = super().upload(noted(), total, single=single)
            wire.answered.update(name for name in names if not any(name in path for path in failed))
            return failed

    with mock.patch.object(mobilebackup2, "PhoneLink", Tapped):
        yield wire
