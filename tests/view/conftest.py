"""The view of stores that virtual iPhones filled, in a real browser.

What is made once for many tests is only looked at; a test that changes something makes its own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ibackup.simulator.spec import PhoneSpec
from support import web
from support.program import MakeProgram, Program, programs
from support.runs import PASSWORD, SMALL


@pytest.fixture
def make_program(tmp_path: Path) -> Iterator[MakeProgram]:
    """Gives a function that plugs in the phones of some specs; nothing is left running when the test is over."""
    with programs(tmp_path) as make:
        yield make


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    """The small phone, no backup yet, and an empty home."""
    return make_program(SMALL)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for a file's tests; each visitor has a profile of its own.

    Not for all tests: as long as it runs, its thread has an event loop that runs, and nothing else there can start one.
    """
    with web.browser() as made:
        yield made


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Two backups of a phone with something of each kind; a message and a photo are only in the first. To look at."""
    with programs(tmp_path_factory.mktemp("lived_in")) as make:
        yield _with_two_backups(make(PhoneSpec(name="Ann\u2019s iPhone", life=True)))


@pytest.fixture(scope="session")
def lived_in_encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The same, encrypted with ``support.runs.PASSWORD``, which nothing but a test knows. To look at."""
    with programs(tmp_path_factory.mktemp("encrypted")) as make:
        spec = PhoneSpec(name="Bob\u2019s iPhone", life=True, backup_password=PASSWORD, keybag_rounds=10)
        yield _with_two_backups(make(spec))


def _with_two_backups(program: Program) -> Program:
    program.now()
    program.phone.change(changed=1)
    program.now()
    return program


@pytest.fixture(scope="session")
def view(lived_in: Program) -> Iterator[web.View]:
    """A running view of ``lived_in``; its address lets in one visitor, ``web.visitor`` asks for more."""
    with web.running(lived_in) as running:
        yield running
