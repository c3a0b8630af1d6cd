"""Started without standard streams, as a scheduler may do: pythonw on Windows has none."""

import sys

import pytest

from ibackup.cli.main import COMMANDS
from support.every_command import run_every_command
from support.program import MakeProgram
from support.runs import SMALL

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="closes streams with a POSIX shell")


def without(closed: str) -> tuple[str, ...]:
    """What starts a program with some streams closed."""
    return ("sh", "-c", f'exec "$@" {closed}', "sh")


@pytest.mark.slow
def test_every_command(make_program: MakeProgram) -> None:
    program = make_program(SMALL)
    assert run_every_command(program, before=without("<&- >&- 2>&-")) == set(COMMANDS)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- 2>&-"])
@pytest.mark.parametrize(
    "words", [("now", "--patience", "0"), ("nightly", "--once"), ("restore", "--yes", "--patience", "0")]
)
def test_some(make_program: MakeProgram, closed: str, words: tuple[str, ...]) -> None:
    program = make_program(SMALL)
    if words[0] == "restore":
        program.now()
    program.run(*words, before=without(closed))
    assert len(program.snapshots) == 1


def test_no_word_goes_into_a_file_that_is_opened_later(make_program: MakeProgram) -> None:
    program = make_program(SMALL)
    program.run("now", "--patience", "0", "-v", before=without(">&- 2>&-"))
    program.run("verify")
