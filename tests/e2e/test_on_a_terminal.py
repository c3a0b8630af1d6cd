"""What is asked and shown on a terminal, and only there; a disk without links is asked about once."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator import Passcode
from support.program import NEVER, Program
from support.runs import SMALL, assert_is_the_phone, assert_sealed

if sys.platform != "win32":
    import pty

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")

MakeProgram = Callable[..., Program]

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


class Terminal:
    """A program whose input and messages are a terminal; what it showed is kept."""

    def __init__(
        self, program: Program, *arguments: str, environment: dict[str, str | None] | None = None
    ) -> None:
        self._master, slave = pty.openpty()
        self.shown = ""
        self._answered = 0
        self._changed = threading.Condition()
        try:
            self._process = program.start(*arguments, environment=environment, stdin=slave, stderr=slave)
        finally:
            os.close(slave)
        self._program = program
        self._reader = threading.Thread(target=self._read, name="terminal")
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:  # Linux says so when the other end is closed
                data = b""
            with self._changed:
                self.shown += data.decode(errors="replace")
                self._changed.notify_all()
            if not data:
                return

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, after the last one that was answered, and answer it."""
        with self._changed:
            assert self._changed.wait_for(lambda: question in self.shown[self._answered :], 30), self.shown
            self._answered = self.shown.index(question, self._answered) + len(question)
        os.write(self._master, text.encode() + b"\n")

    def end(self, code: int) -> str:
        """Wait for its end; what it printed as its answer."""
        out, _ = self._process.communicate(timeout=60)
        self._reader.join()
        os.close(self._master)
        self._program.forget(self._process)
        assert self._process.returncode == code, self.shown
        for word in NEVER:
            assert word not in self.shown
        return out


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


def test_the_clock_of_a_silent_phase(make_program: MakeProgram) -> None:
    program = make_program(
        replace(SMALL, passcode=Passcode(kind="answered", delay_s=1.2), scan_s=0.5, latency_s=0.001)
    )
    terminal = Terminal(program, "now")
    out = terminal.end(0)
    assert "Enter the passcode on the iPhone" in terminal.shown
    assert "0:01" in terminal.shown
    assert "Backed up and checked" in out
    assert "\x1b" not in out
    assert max(len(line) for line in out.splitlines() if "/" not in line) <= 80
