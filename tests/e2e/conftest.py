"""The whole program in processes of its own, against virtual iPhones that live in the test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ibackup.simulator.server import serve
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from support.program import Program
from support.runs import SMALL

MakeProgram = Callable[..., Program]


@pytest.fixture
def make_program(tmp_path: Path) -> Iterator[MakeProgram]:
    """Gives a function that plugs in the phones of some specs; nothing is left running when the test is over."""
    before = set(threading.enumerate())
    with ExitStack() as stack:

        def make(*specs: PhoneSpec) -> Program:
            phones = [VirtualPhone(spec) for spec in specs]
            server = stack.enter_context(serve(*phones))
            return stack.enter_context(Program(tmp_path, server, phones))

        yield make
    assert set(threading.enumerate()) <= before


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    """The small phone, and an empty home."""
    return make_program(SMALL)
