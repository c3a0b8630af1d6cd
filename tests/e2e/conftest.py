"""The whole program in processes of its own, against virtual iPhones that live in the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.program import MakeProgram, Program, programs
from support.runs import SMALL


@pytest.fixture
def make_program(tmp_path: Path) -> Iterator[MakeProgram]:
    """Gives a function that plugs in the phones of some specs; nothing is left running when the test is over."""
    with programs(tmp_path) as make:
        yield make


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    """The small phone, and an empty home."""
    return make_program(SMALL)
