"""The backup password in a program of its own: asked on a terminal, shown to no other process, killed in the middle."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from ibackup.simulator.spec import Passcode
from support.program import MakeProgram
from support.runs import SMALL, assert_is_the_phone, assert_sealed
from support.screens import Terminal

OLD, NEW = "Zaunkönig-MARKED-4711", "Wiedehopf-MARKED-1848"
ENCRYPTED = replace(SMALL, backup_password=OLD)


def file(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text + "\n", "utf-8")
    path.chmod(0o600)
    return str(path)


class Watcher:
    """Looks into every process that there is, again and again: command lines, and what children were given."""

    def __init__(self, *secrets: str) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        self._stop = threading.Event()
        self.seen: list[str] = []
        self.looked = 0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        data = (process / name).read_bytes()
                    except OSError:
                        continue
                    self.looked += name == "environ"
                    if any(secret in data for secret in self._secrets):
                        self.seen.append(f"{process.name} {name}")
            time.sleep(0.005)


@pytest.mark.promise("No secret leaks")
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
def test_no_process_shows_it(make_program: MakeProgram) -> None:
    program = make_program(replace(ENCRYPTED, passcode=Passcode(kind="answered", delay_s=0.4)))
    old, new = file(program.folder, "old", OLD), file(program.folder, "new", NEW)
    log = ["-v", "--log-file", str(program.folder / "log")]
    with Watcher(OLD, NEW) as watcher:
        done = [
            program.now("--password-file", old),
            program.run(
                "encryption",
                "change",
                "--password-command",
                f"cat {old}",
                "--new-password-command",
                f"cat {new}",
                *log,
            ),
            program.run("encryption", "off", "--yes", "--password-file", new, *log),
            program.run("encryption", "on", "--new-password-file", old, *log),
        ]
    assert watcher.looked > 100
    assert watcher.seen == []
    for each in done:
        assert OLD not in each.out + each.err
        assert NEW not in each.out + each.err
    for path in program.folder.rglob("*"):
        if path.is_file() and path.name not in ("old", "new"):
            data = path.read_bytes()
            assert OLD.encode() not in data, path
            assert NEW.encode() not in data, path
    assert program.phone.backup_password == OLD
    assert (program.folder / "log").read_text("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_asked_twice_on_a_terminal(make_program: MakeProgram) -> None:
    program = make_program(SMALL)
    terminal = Terminal(program, "encryption", "on")
    terminal.answer("New backup password", "Hafenmole Distel 31")
    terminal.answer("Repeat the password", "Hafenmole Distel 13")
    terminal.answer("New backup password", "")
    terminal.answer("New backup password", "Hafenmole Distel 31")
    terminal.answer("Repeat the password", "Hafenmole Distel 31")
    terminal.answer("Is it written down?", "y")
    terminal.end(0)
    assert "The two passwords differ." in terminal.shown
    assert "An empty password" in terminal.shown
    assert "nobody can open the backups" in " ".join(terminal.shown.split())
    assert "Hafenmole" not in terminal.shown
    assert program.phone.backup_password == "Hafenmole Distel 31"


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_weak_one_is_taken_back(make_program: MakeProgram) -> None:
    program = make_program(SMALL)
    terminal = Terminal(program, "encryption", "on")
    terminal.answer("New backup password", "123456")
    terminal.answer("Repeat the password", "123456")
    terminal.answer("Use it anyway?", "n")
    terminal.end(130)
    assert "only digits" in terminal.shown
    assert "Nothing was changed" in " ".join(terminal.shown.split())
    assert program.phone.backup_password is None


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_it_has_to_be_on_paper_or_in_the_keychain_first(
    make_program: MakeProgram, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = make_program(SMALL)
    terminal = Terminal(program, "encryption", "on")
    terminal.answer("New backup password", NEW)
    terminal.answer("Repeat the password", NEW)
    terminal.answer("Is it written down?", "n")
    terminal.end(130)
    assert program.phone.backup_password is None

    ring = tmp_path_factory.mktemp("ring") / "ring.json"
    environment: dict[str, str | None] = {
        "PYTHON_KEYRING_BACKEND": "support.keyrings.FileKeyring",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "TEST_KEYRING": str(ring),
    }
    terminal = Terminal(program, "encryption", "on", environment=environment)
    terminal.answer("New backup password", NEW)
    terminal.answer("Repeat the password", NEW)
    terminal.answer("Keep it in this computer's keychain (keyrings FileKeyring)?", "")
    assert "It is in the keychain" in terminal.end(0)
    assert NEW not in terminal.shown
    assert program.phone.backup_password == NEW
    assert NEW in ring.read_text()
    assert program.now(environment=environment).result["checked"] == "manifest"

    terminal = Terminal(program, "encryption", "off", environment=environment)
    terminal.answer("Switch encryption off?", "n")
    terminal.end(130)
    assert program.phone.backup_password == NEW


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")
def test_killed_in_the_middle(make_program: MakeProgram, tmp_path_factory: pytest.TempPathFactory) -> None:
    """At the moment when the phone has the new password, and the backup here is still under the old one."""
    program = make_program(ENCRYPTED)
    old, new = file(program.folder, "old", OLD), file(program.folder, "new", NEW)
    environment: dict[str, str | None] = {
        "PYTHON_KEYRING_BACKEND": "support.keyrings.FileKeyring",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "TEST_KEYRING": str(tmp_path_factory.mktemp("ring") / "ring.json"),
    }
    program.now("--password-file", old)
    program.run("encryption", "keychain", "--password-file", old, environment=environment)
    program.phone.passcode = Passcode(kind="answered", delay_s=0.3)
    process = program.start("encryption", "change", "--new-password-file", new, environment=environment)
    real = program.phone.notify

    def notify(name: str) -> None:
        if name == "com.apple.mobile.backup.domain_changed":
            os.kill(process.pid, signal.SIGKILL)
        real(name)

    program.phone.notify = notify  # type: ignore[method-assign]
    process.communicate(timeout=500)
    program.forget(process)
    assert process.returncode == -signal.SIGKILL
    program.phone.notify = real  # type: ignore[method-assign]
    program.phone.passcode = Passcode()
    assert program.phone.backup_password == NEW
    result = program.now(environment=environment).result
    assert result["checked"] == "manifest"
    assert program.left == []
    for path in program.snapshots:
        assert_sealed(path)
    assert_is_the_phone(str(result["path"]), program.phone, NEW)
    verified = program.run("encryption", "status", "--json", environment=environment).result
    assert verified["password_opens"] is True
