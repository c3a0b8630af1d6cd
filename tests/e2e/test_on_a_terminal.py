"""What is asked and shown on a terminal, and only there; a disk without links is asked about once."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.simulator.spec import Passcode
from support.program import Program
from support.runs import assert_is_the_phone, assert_sealed
from support.screens import Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")

# Put before everything in the child: its file system then answers as FAT does.
NO_LINKS = """
import errno, os
def refuse(*_, **__):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
os.link = refuse
try:
    import fcntl
    fcntl.ioctl = refuse
except ImportError:
    pass
"""


@pytest.fixture
def no_links(tmp_path: Path) -> dict[str, str | None]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NO_LINKS)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def test_copies_are_asked_about_once(program: Program, no_links: dict[str, str | None]) -> None:
    program.now(environment=no_links)
    # Nobody to ask: the option is named, with figures.
    refused = program.now(environment=no_links, code=14).result
    assert "--copies" in str(refused["hint"])
    assert "bytes" in str(refused["message"])

    terminal = Terminal(program, "now", environment=no_links)
    terminal.answer("Copy", "n")
    terminal.end(14)
    assert len(program.snapshots) == 1

    terminal = Terminal(program, "now", environment=no_links)
    terminal.answer("Copy", "y")
    assert "Backed up and checked" in terminal.end(0)

    program.phone.change(changed=1)
    result = program.now(environment=no_links).result
    assert int(str(result["carried_files"])) > 10
    assert_is_the_phone(str(result["path"]), program.phone)
    assert_sealed(str(result["path"]))
    assert program.left == []


def test_the_clock_of_a_silent_phase(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = program.phone
    phone.passcode = Passcode(kind="answered")
    ask = phone.ask_passcode

    def ask_until_the_clock_shows(pause: Callable[[float], None]) -> bool:
        # The owner waits until the terminal shows a time, however busy the computer is.
        def wait(_seconds: float) -> None:
            while not re.search(
                r"Waiting for the passcode: +\d+:\d\d|Waiting for you: +\d+:\d\d", terminal.shown
            ):
                pause(0.05)

        return ask(wait)

    monkeypatch.setattr(phone, "ask_passcode", ask_until_the_clock_shows)
    terminal = Terminal(program, "now")
    out = terminal.end(0)
    assert "Enter the passcode on the iPhone" in terminal.shown
    assert "Backed up and checked" in out
    assert "\x1b" not in out
    assert max(len(line) for line in out.splitlines() if "/" not in line) <= 80
