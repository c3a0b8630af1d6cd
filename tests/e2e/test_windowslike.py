"""Every command, with what Windows' Python has and lacks."""

import os
import sys
from pathlib import Path

import pytest

from ibackup.cli.main import COMMANDS
from support.every_command import run_every_command
from support.program import MakeProgram
from support.runs import SMALL

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-in stands on Linux")
WINDOWSLIKE = str(Path(__file__).parents[1] / "support" / "windowslike")


@pytest.mark.slow
def test_every_command(make_program: MakeProgram) -> None:
    program = make_program(SMALL)
    path = os.pathsep.join(filter(None, [WINDOWSLIKE, program.environment.get("PYTHONPATH")]))
    assert run_every_command(program, environment={"PYTHONPATH": path}) == set(COMMANDS)
