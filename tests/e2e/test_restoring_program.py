"""``ibackup restore`` as its user has it: asked for a name, stopped twice, killed in the middle."""

import json
import signal
import sys
import time
from dataclasses import replace
from subprocess import Popen

import click
import pytest

from e2e.test_interrupted_program import until
from ibackup.simulator.faults import SilentAfterBytes
from ibackup.simulator.spec import DomainSpec
from support.program import MakeProgram, Program
from support.runs import SMALL, photograph
from support.screens import Terminal

SLOW = replace(
    SMALL,
    name="Zoë’s phone",  # noqa: RUF001 - as phones spell it
    domains=(DomainSpec(name="MediaDomain", count=20, min_size=40_000, max_size=60_000),),
)


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    """A phone that falls silent in the middle of a restore, backed up and proven."""
    made = make_program(SLOW)
    made.now()
    made.run("verify", "-q")
    return made


def start(program: Program) -> Popen[str]:
    """Begin a restore and wait until files are sent; the phone then says nothing any more."""
    program.phone.set_faults(SilentAfterBytes(count=600_000, seconds=600, times=1))
    process = program.start("restore", "--yes", "--json", environment={"PYTHONWARNINGS": None})
    until(process, '"phase": "restore"')
    assert process.stdout is not None
    while not json.loads(process.stdout.readline()).get("files"):
        pass  # nothing was sent yet
    return process


def assert_next_one_works(program: Program) -> None:
    assert program.phone.restored is None
    assert program.phone.journal.wait("lock_released")
    program.phone.set_faults()
    before = photograph(program.store / program.phone.udid / "snapshots")
    assert program.run("restore", "--yes", "--json").result["files"]
    restored = program.phone.restored
    assert restored is not None
    assert restored.compared == restored.count
    assert photograph(program.store / program.phone.udid / "snapshots") == before


def test_the_first_ctrl_c_warns_and_the_second_stops(program: Program) -> None:
    process = start(program)
    process.send_signal(signal.SIGINT)
    until(process, "press Ctrl-C again")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=500)
    program.forget(process)
    assert process.returncode == 130
    assert "half restored" in out
    assert_next_one_works(program)


def test_a_restore_that_is_left_alone_after_the_warning_continues(program: Program) -> None:
    program.phone.set_faults(SilentAfterBytes(count=600_000, seconds=1.5, times=1))
    process = program.start("restore", "--yes", "--json", environment={"PYTHONWARNINGS": None})
    until(process, '"phase": "restore"')
    process.send_signal(signal.SIGINT)
    until(process, "press Ctrl-C again")
    out, _ = process.communicate(timeout=500)
    program.forget(process)
    assert process.returncode == 0, out
    assert program.phone.restored is not None


def test_killed_in_the_middle(program: Program) -> None:
    process = start(program)
    time.sleep(0.1)
    process.kill()
    process.communicate(timeout=500)
    program.forget(process)
    assert_next_one_works(program)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_the_name_is_typed(program: Program) -> None:
    terminal = Terminal(program, "restore")
    terminal.answer("type its name", "my phone")
    terminal.answer("That is not", "yes")
    terminal.answer("That is not", "")
    terminal.answer("That is not", "y")
    terminal.end(2)
    assert program.phone.restored is None
    terminal = Terminal(program, "restore")
    terminal.answer("type its name", "zoë's PHONE")  # nobody finds that apostrophe on a keyboard
    assert "Restored Zoë" in terminal.end(0)
    assert program.phone.restored is not None
    assert "ANOTHER" not in terminal.shown
    shown = click.unstyle(terminal.shown).replace("\b", "").replace("\r", "\n")
    assert max(map(len, shown.splitlines())) <= 80
