"""A person at a terminal: the program runs in a pseudo-terminal of 80 columns, and its keys are pressed."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, PASSWORD
from cli.screen import Screen
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.cloudspec import ICloudSpec
from ibackup.simulator.faults import SilentAfterBytes
from ibackup.simulator.spec import AppSpec, DomainSpec, Passcode
from ibackup.simulator.virtual_phone import VirtualPhone

if sys.platform == "win32":
    pytest.skip("Windows has no pty", allow_module_level=True)

import pty
import termios

Plug = Callable[..., list[VirtualPhone]]
SECONDS = 60
_IN_ITS_TERMINAL = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("ibackup", run_name="__main__", alter_sys=True)
"""


class Terminal:
    """One program in a terminal of its own."""

    def __init__(self, line: tuple[str, ...], *, stdout: int | None = None) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_ITS_TERMINAL, *line],
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.said = ""

    def wait_for(self, text: str) -> None:
        """Read until a text has come."""
        deadline = time.monotonic() + SECONDS
        while text not in self.said:
            assert time.monotonic() < deadline, f"{text!r} did not come in: {self.said}"
            assert self._read(deadline - time.monotonic()), f"it ended without {text!r}: {self.said}"

    def wait_for_time(self, before: str) -> list[str]:
        """Read until a time stands after a text; gives the screen as it was then, though more may have come since."""
        deadline = time.monotonic() + SECONDS
        while (found := re.search(re.escape(before) + r"0:\d\d", self.said)) is None:
            assert time.monotonic() < deadline, f"no time came after {before!r} in: {self.said}"
            assert self._read(deadline - time.monotonic()), f"it ended without {before!r}: {self.said}"
        return Screen(80).feed(self.said[: found.end()]).lines()

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Read to the end; gives the exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline - time.monotonic()):
            assert time.monotonic() < deadline
        return self.process.wait(timeout=SECONDS)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(seconds, 0))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux's word for the end
            return False
        self.said += data.decode()
        return bool(data)

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return Screen(80).feed(self.said).lines()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@pytest.fixture
def in_terminal() -> Iterator[Callable[..., Terminal]]:
    with ExitStack() as stack:

        def start(*line: str | Path, stdout: int | None = None) -> Terminal:
            made = Terminal(tuple(str(word) for word in line), stdout=stdout)
            stack.callback(made.close)
            return made

        yield start


Start = Callable[..., Terminal]


def test_a_backup(in_terminal: Start, plugged: Plug, tmp_path: Path) -> None:
    passcode = Passcode(kind="answered", delay_s=5)
    photos = DomainSpec(name="CameraRollDomain", count=400, max_size=100)
    plugged(replace(ANN, passcode=passcode, scan_s=5, latency_s=0.002, batch_size=1, domains=(photos,)))
    terminal = in_terminal("now", "--store", tmp_path / "new")
    prompt, waiting = terminal.wait_for_time("Waiting for the passcode: ")[-2:]
    assert prompt == "Enter the passcode on the iPhone to start the backup."
    assert re.fullmatch(r"  Waiting for the passcode: 0:\d\d", waiting)
    terminal.wait_for_time("Preparing: ")
    terminal.wait_for("; normal, can take 20 minutes")
    terminal.wait_for("Receiving files.")
    assert terminal.end() == 0
    text = "\n".join(terminal.lines)
    # What moved is gone; each phase stands there once, on lines that fit.
    assert not re.search(r"\d:\d\d|%", text.partition("Backed up")[0])
    for line in (
        "Looking for the phone.",
        "Receiving files.",
        "Sealing it and writing it to the disk.",
    ):
        assert terminal.lines.count(line) == 1
    assert re.search(r"\|.*\| .* files?", terminal.said)  # there was a bar
    assert "\nBacked up and checked: " in text
    assert "\x1b[1mEnter the passcode" in terminal.said


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_no_colours_where_they_are_not_wanted(
    in_terminal: Start, anns: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    terminal = in_terminal("verify")
    assert terminal.end() == 0
    assert "\x1b[" in terminal.said
    monkeypatch.setenv(variable, {"NO_COLOR": "1", "TERM": "dumb"}[variable])
    for line in (("verify",), ("show", "1999")):
        terminal = in_terminal(*line)
        terminal.end()
        assert "\x1b" not in terminal.said
        if variable == "TERM":
            assert "\r" not in terminal.said.replace("\r\n", "\n")


def test_the_answer_goes_to_the_file_and_the_rest_to_the_screen(
    in_terminal: Start, anns: Path, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("wb") as out:
        terminal = in_terminal("verify", stdout=out.fileno())
        assert terminal.end() == 0
    said = (tmp_path / "out").read_text()
    assert said.startswith("Good: ")
    assert "\x1b" not in said
    assert "Good: " not in terminal.said
    assert terminal.lines[0].startswith("Verifying ")


def test_the_password_is_asked_for_and_not_echoed(in_terminal: Start, bobs: Path) -> None:
    terminal = in_terminal("verify", "--level", "deep")
    terminal.wait_for("Password of the encrypted backup (Return: continue without): ")
    terminal.press(f"{PASSWORD}\n")
    assert terminal.end() == 0
    assert PASSWORD not in terminal.said
    assert "A restore would have everything it needs." in " ".join(terminal.lines)


def test_return_continues_without_it(in_terminal: Start, bobs: Path) -> None:
    terminal = in_terminal("verify")
    terminal.wait_for("Password of the encrypted backup")
    terminal.press("\n")
    assert terminal.end() == 0
    assert "The phone's list of files is encrypted" in " ".join(terminal.lines)


@pytest.mark.parametrize("level", ["full", "deep"])
def test_a_wrong_password(in_terminal: Start, bobs: Path, level: str) -> None:
    terminal = in_terminal("verify", "--level", level)
    said = ""
    for _ in range(3):
        terminal.wait_for("without):")
        said, terminal.said = said + terminal.said, ""
        terminal.press("hunter2\n")
    assert terminal.end() == ExitCode.PASSWORD
    said += terminal.said
    assert "hunter2" not in said
    assert said.count("Try again.") == 2
    # The seal needs no password.
    assert "ibackup still checked everything that needs no password." in " ".join(said.split())


def test_the_third_try_is_the_right_one(in_terminal: Start, bobs: Path) -> None:
    terminal = in_terminal("verify", "--level", "deep")
    for typed in ("not it", "not this", PASSWORD):
        terminal.wait_for("without):")
        terminal.said = ""
        terminal.press(f"{typed}\n")
    assert terminal.end() == 0
    assert "A restore would have everything it needs." in terminal.said


def test_encryption_status_asks_for_the_password(in_terminal: Start, bobs: Path, plugged: Plug) -> None:
    plugged(BOB)
    terminal = in_terminal("encryption", "status")
    terminal.wait_for("without):")
    assert "Trying it" not in terminal.said
    terminal.press("not it\n")
    # What is typed before the prompt is thrown away.
    terminal.wait_for("Try again.\r\nPassword of the encrypted backup (Return: continue without):")
    terminal.press(f"{PASSWORD}\n")
    assert terminal.end() == 0
    assert "the password you gave opens it" in terminal.said


def test_json_asks_nothing_even_there(in_terminal: Start, bobs: Path) -> None:
    terminal = in_terminal("verify", "--json", "--level", "deep")
    assert terminal.end() == ExitCode.PASSWORD
    assert "(Return" not in terminal.said


def test_ctrl_c_at_the_prompt(in_terminal: Start, bobs: Path) -> None:
    terminal = in_terminal("verify")
    terminal.wait_for("Password of the encrypted backup")
    terminal.press("\x03")
    assert terminal.end() == ExitCode.INTERRUPTED
    assert terminal.lines[-2:] == ["ibackup: Interrupted.", "  Nothing was changed."]


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_an_interruption_in_the_middle(in_terminal: Start, plugged: Plug, tmp_path: Path, how: str) -> None:
    plugged(replace(BOB, backup_password=None, scan_s=60))
    terminal = in_terminal("now", "--store", tmp_path / "new")
    terminal.wait_for("Preparing: 0:01")
    if how == "Ctrl-C":
        terminal.press("\x03")
    else:
        terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == ExitCode.INTERRUPTED
    # The clock's line is gone, and what is left of it is not in the way.
    assert [line for line in terminal.lines if "Looking through" in line] == []
    assert "ibackup: Interrupted." in terminal.lines
    assert "Traceback" not in terminal.said


def test_a_phone_that_falls_silent_still_moves_the_line(
    in_terminal: Start, plugged: Plug, tmp_path: Path
) -> None:
    plugged(replace(ANN, faults=(SilentAfterBytes(count=60_000, seconds=2.5, times=1),)))
    terminal = in_terminal("now", "--store", tmp_path / "new")
    assert terminal.end() == 0
    assert "Backed up and checked" in terminal.said


SICK = replace(ANN, icloud=ICloudSpec(last_backup_days=20, account=True), cloud_backup=True)


def test_the_doctor_asks_what_would_change_its_answer(in_terminal: Start, plugged: Plug) -> None:
    plugged(SICK)
    terminal = in_terminal("doctor", "--offline")
    terminal.wait_for("below Back Up Now")
    terminal.wait_for("> ")
    terminal.press("1\n")
    assert terminal.end() == 0
    assert "iCloud Backup cannot run: iCloud storage is full." in terminal.said
    assert max(len(line) for line in terminal.lines) <= 80
    # What was said is remembered, so it is not asked again.
    again = in_terminal("doctor", "--offline")
    assert again.end() == 0
    assert "below Back Up Now" not in again.said


def test_enter_skips_and_two_questions_are_all(in_terminal: Start, plugged: Plug) -> None:
    plugged(
        replace(SICK, apps=(AppSpec(bundle_id="org.example.diary", name="Diary", data_size=12_000_000_000),))
    )
    terminal = in_terminal("doctor", "--offline")
    terminal.wait_for("> ")
    terminal.press("\n")
    terminal.wait_for("How much iCloud storage do you have?")
    terminal.wait_for("12 TB")
    terminal.press("99\n")
    terminal.wait_for("Enter a number from 1 to 6")
    terminal.press("1\n")
    assert terminal.end() == 0
    assert terminal.said.count("Return: skip") == 2


def test_a_phone_that_is_well_is_asked_nothing_about(in_terminal: Start, plugged: Plug) -> None:
    plugged(replace(SICK, icloud=ICloudSpec(last_backup_days=0.3)))
    terminal = in_terminal("doctor", "--offline")
    assert terminal.end() == 0
    assert "Return: skip" not in terminal.said
    assert "iCloud Backup works." in terminal.said


def test_the_page_for_support_asks_since_when_and_what_was_tried(
    in_terminal: Start, plugged: Plug, tmp_path: Path
) -> None:
    plugged(replace(SICK, cloud_backup=False))
    terminal = in_terminal("doctor", "--offline", "--packet", str(tmp_path / "page"))
    terminal.wait_for("How long has it failed")
    terminal.press("last week\n")
    terminal.wait_for("What did you try?")
    terminal.wait_for("> ")
    terminal.press("1 3\n")
    assert terminal.end() == 0
    page = (tmp_path / "page").read_text(encoding="utf-8")
    assert "You said: last week" in page
    assert "You said: restart, back-up-now" in page


def test_the_doctor_asks_once_for_the_password_of_an_encrypted_backup(
    in_terminal: Start, bobs: Path, plugged: Plug
) -> None:
    plugged(replace(BOB, cloud_backup=False))
    for keys, read in (("\n", False), (f"{PASSWORD}\n", True)):
        terminal = in_terminal("doctor", "--offline")
        terminal.wait_for("Password of the encrypted backup")
        terminal.press(keys)
        assert terminal.end() == 0
        assert terminal.said.count("Password of the encrypted backup") == 1
        assert PASSWORD not in terminal.said
        said = " ".join(terminal.lines)
        assert "iCloud Backup cannot run: it is switched off." in said
        assert ("is encrypted, and ibackup does not have its password" in said) != read
    terminal = in_terminal("doctor", "--offline")
    terminal.wait_for("Password of the encrypted backup")
    terminal.press("not it\n")
    terminal.wait_for("Try again.\r\nPassword of the encrypted backup")
    terminal.press(f"{PASSWORD}\n")
    assert terminal.end() == 0
    assert "Reading the local backup" in " ".join(terminal.lines)


def test_which_of_two_phones(in_terminal: Start, store: Path, plugged: Plug) -> None:
    terminal = in_terminal("show")
    terminal.wait_for("Which one?")
    assert terminal.lines[:3] == ["Several phones have snapshots here:", f"  1  {ANN.name}", "  2  Bob"]
    for typed in ("3", "0", "Bob", "²"):
        terminal.press(f"{typed}\n")
        terminal.wait_for("That is not in the range: type a number from 1 to 2.\r\nWhich one?")
    terminal.press("2\n")
    assert terminal.end() == 0
    assert "Bob, iPad13,1" in "\n".join(terminal.lines)
    plugged(BOB, ANN)
    terminal = in_terminal("now")
    terminal.wait_for("Which one?")
    assert terminal.lines[:3] == ["Several phones are connected:", f"  1  {ANN.name}", "  2  Bob"]
    terminal.press("1\n")
    assert terminal.end() == 0
    assert len(os.listdir(store / ANN.udid / "snapshots")) == 3
    terminal = in_terminal("doctor", "--offline")
    terminal.wait_for("Which one?")
    assert terminal.lines[:3] == ["Several phones are connected:", f"  1  {ANN.name}", "  2  Bob"]
    terminal.press("1\n")
    terminal.wait_for("iCloud Backup")
