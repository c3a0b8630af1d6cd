"""The cable pulled at every message, the phone silent from every message on, Ctrl-C at every event.

Whatever was cut: finished snapshots are byte for byte what they were, no half one has a snapshot's name, the next run
needs no help, and the phone does not send again what the computer had acknowledged.
"""

import random
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from harness.rig import LONG, Bench, Rig, chosen, impatient, leaves_nothing
from harness.wire import Cut, Wire, tapped
from ibackup.base.errors import ConnectionLost, IbackupError
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.faults import DropAfterBytes
from support.runs import Told

pytestmark = [
    pytest.mark.promise("The last good backup survives anything"),
    pytest.mark.timeout(0 if LONG else 600),
]

RUNS = ["full", "incremental", "resumed"]
HOWS: tuple[Cut, ...] = ("before", "after", "torn", "silent")


def prepare(bench: Bench, run: str) -> set[str]:
    """Bring a bench to where the run begins; the files that a broken run before it left acknowledged."""
    if run != "resumed":
        return set()
    with tapped(Wire()) as wire:
        wire.wanted = stop_after_answers(wire, 1)
        assert isinstance(bench.attempt(), ConnectionLost)
    assert wire.answered
    return set(wire.answered)


def stop_after_answers(wire: Wire, count: int) -> Callable[[int], None]:
    """Cut at the first message after so many content files were acknowledged."""

    def look(number: int) -> None:
        if len(wire.answered) >= count and not wire.at:
            wire.at, wire.how = number, "before"

    return look


def messages_of(phones: Rig, run: str) -> int:
    """How many messages the phone writes in a run that nothing disturbs."""
    with phones.bench("empty" if run == "full" else "one") as bench:
        prepare(bench, run)
        with tapped(Wire()) as wire:
            bench.now()
        return wire.written


def cut_once(phones: Rig, run: str, number: int, how: Cut) -> None:
    with phones.bench("empty" if run == "full" else "one") as bench, ExitStack() as stack:
        here = prepare(bench, run)
        before = bench.pictures()
        if how == "silent":
            stack.enter_context(impatient())
        with tapped(Wire(number, how)) as wire, leaves_nothing(below=bench.path):
            error = bench.attempt()
        assert wire.was_cut
        assert not here & set(wire.uploads), "sent again although it was acknowledged"
        bench.check(before)
        if error is not None:
            assert isinstance(error, ConnectionLost), error
            assert error.hint
        else:
            # Only the goodbye was cut.
            assert len(bench.pictures()) == len(before) + 1
        stack.close()
        acknowledged = here | wire.answered
        with tapped(Wire()) as again:
            bench.recover(before if error is not None else bench.pictures())
        sent_twice = acknowledged & set(again.uploads)
        assert not sent_twice, f"sent again although it was acknowledged: {sent_twice}"


@pytest.mark.parametrize("run", RUNS)
def test_cut_at_a_message(phones: Rig, run: str) -> None:
    last = messages_of(phones, run)
    for place, number in enumerate(chosen(last, 9, seed=len(run))):
        for how in HOWS if LONG else HOWS[place % 4 : place % 4 + 1]:
            cut_once(phones, run, number, how)


def test_cut_at_a_byte(phones: Rig) -> None:
    """In the middle of lengths, names, heads and data."""
    rng = random.Random(4)
    with phones.bench("one") as bench, tapped(Wire()):
        total = bench.now().received_bytes
    for _ in range(400 if LONG else 6):
        with phones.bench("one") as bench:
            before = bench.pictures()
            bench.phone.set_faults(DropAfterBytes(count=rng.randrange(2 * total), times=1))
            error = bench.attempt()
            assert error is None or isinstance(error, ConnectionLost), error
            bench.check(before)
            bench.recover(before if error is not None else bench.pictures())


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_stopped_at_an_event(phones: Rig, run: str, kind: type[BaseException]) -> None:
    """Ctrl-C, or a fault of our own, at each thing that is told."""
    template = "empty" if run == "full" else "one"
    with phones.bench(template) as bench:
        prepare(bench, run)
        bench.now()
        last = len(bench.told.events)
    for number in chosen(last, 3, seed=7):
        with phones.bench(template) as bench:
            here = prepare(bench, run)
            before = bench.pictures()
            told = Told(stop=stop_at(number, kind))
            with tapped(Wire()) as wire, leaves_nothing(below=bench.path):
                ended: BaseException | None = None
                try:
                    bench.now(told=told)
                except (KeyboardInterrupt, RuntimeError, IbackupError) as error:
                    ended = error.with_traceback(None)
            assert isinstance(ended, kind) or (ended is None and len(told.events) < number), repr(ended)
            bench.check(before)
            with tapped(Wire()) as again:
                bench.recover(bench.pictures())
            assert not (here | wire.answered) & set(again.uploads)


def stop_at(number: int, kind: type[BaseException]) -> Callable[[object], bool]:
    left = number

    def stop(_: object) -> bool:
        nonlocal left
        left -= 1
        if left == 0:
            raise kind("stopped by the test")
        return False

    return stop


def test_every_way_out_has_its_code(phones: Rig) -> None:
    with phones.bench("one") as bench, tapped(Wire(9, "before")):
        error = bench.attempt()
    assert isinstance(error, IbackupError)
    assert error.exit_code is ExitCode.CONNECTION_LOST
