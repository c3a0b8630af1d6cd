"""A virtual iPhone that is plugged in, a store, and a board of jobs in real worker processes."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.view.running.job_board import JobBoard
from ibackup.view.running.job_order import JobOrder, Work
from ibackup.view.running.job_outcome import JobOutcome
from ibackup.view.running.job_state import JobState
from ibackup.view.running.running_job import RunningJob
from support.runs import SMALL, Lab, plugging_in

A_LONG_TIME = 500.0


@dataclass
class Desk:
    """A lab, and a board on which its jobs are started.

    Attributes:
        states: every state that a job of ``start`` had, in order.
    """

    lab: Lab
    board: JobBoard = field(default_factory=JobBoard)

    def order(self, work: Work, password: str | None = None) -> JobOrder:
        return JobOrder(self.lab.phone.udid, work, store=str(self.lab.path), password=password)

    def start(self, work: Work, password: str | None = None) -> RunningJob:
        return self.board.start(self.order(work, password))

    def run(self, work: Work, password: str | None = None) -> JobOutcome:
        """Run a job to its end."""
        return ended(self.start(work, password))


def ended(job: RunningJob) -> JobOutcome:
    """The end of a job, however long it takes."""
    assert job.wait(A_LONG_TIME)
    assert job.state.outcome is not None
    return job.state.outcome


def until(board: JobBoard, job: RunningJob, what: Callable[[JobState], bool]) -> JobState:
    """Wait until a job's state is so; fails if the job ends before."""
    from time import monotonic, sleep

    end = monotonic() + A_LONG_TIME
    while monotonic() < end:
        state = job.state
        if what(state):
            return state
        assert not state.is_over, state
        sleep(0.005)
    raise AssertionError(job.state)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDesk]:
    """Gives a function that plugs in the phone of a spec; no process and no thread is left when the test is over."""
    desks: list[Desk] = []
    with plugging_in(tmp_path, monkeypatch) as plug_in:

        def make(spec: PhoneSpec = SMALL) -> Desk:
            lab = plug_in(lambda stack: Lab(tmp_path / "store", stack, VirtualPhone(spec)))
            desks.append(Desk(lab))
            return desks[-1]

        yield make
        for desk in desks:
            desk.board.close()


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """The small phone and an empty store."""
    return make_desk()


def is_alive(pid: int) -> bool:
    """Whether a process of this computer runs; a dead one that nobody waited for does not count."""
    if sys.platform == "win32":
        raise NotImplementedError
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
