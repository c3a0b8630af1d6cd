"""``ibackup demo`` and ``ibackup simulator``: everything without a phone."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Cli
from ibackup.base.exit_codes import ExitCode


@pytest.mark.slow
def test_the_demo_tells_its_story_in_order(tmp_path: Path) -> None:
    # Nothing of the user's plays a part.
    environment = {**os.environ, "IBACKUP_PASSWORD_FILE": "/nonexistent", "IBACKUP_STORE": "/nonexistent"}
    path = tmp_path / "out"
    with path.open("wb") as out:
        command = [sys.executable, "-m", "ibackup", "demo", "--keep", str(tmp_path / "kept")]
        done = subprocess.run(command, env=environment, stdout=out, stderr=out, check=False, timeout=500)
    text = path.read_text()
    assert done.returncode == 0, text
    story = [
        "$ ibackup devices",
        "$ ibackup now",
        "Looking for the phone.",
        "Backed up and checked: ",
        "$ ibackup now",
        "Starting from backup",
        "the rest was already here",
        "$ ibackup list",
        "$ ibackup verify latest",
        "Good: ",
        "One byte is damaged",
        "$ ibackup verify latest",
        "DAMAGED: ",
        "Photos: changed since it was backed up",
        "The demo worked",
        "damaged in both",
        'Its password is "demo".',
    ]
    place = 0
    for part in story:
        place = text.find(part, place)
        assert place >= 0, f"{part} is missing in:\n{text}"
    assert not set(text) & {"\x1b", "\r"}
    done_again = subprocess.run(
        [sys.executable, "-m", "ibackup", "list", "--store", str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "DAMAGED" in done_again.stdout


def test_a_demo_that_goes_wrong_says_so(
    ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    done = ibackup("demo", "--json")
    assert done.code == ExitCode.FAILED
    assert "`ibackup devices` ended with exit code 1, not 0" in str(done.result["message"])


Started = subprocess.Popen[str]


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[list[Started]]:
    """Simulators that are ended with the test."""
    running: list[Started] = []
    yield running
    for each in running:
        if each.poll() is None:
            each.kill()
        each.communicate()


def start(simulator: list[Started], *words: str) -> Started:
    process = subprocess.Popen(
        [sys.executable, "-m", "ibackup", "simulator", "run", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    simulator.append(process)
    return process


@pytest.mark.parametrize("how", ["port", "socket"])
def test_the_line_to_export_works(
    ibackup: Cli, simulator: list[Started], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (tmp_path / "spec.toml").write_text('name = "Mine"\n')
    words = ("--socket", str(tmp_path / "a socket")) if how == "socket" else ()
    process = start(simulator, "--spec", str(tmp_path / "spec.toml"), *words)
    assert process.stdout is not None
    names = ["USBMUXD_SOCKET_ADDRESS", "PYMOBILEDEVICE3_USBMUX"][: 2 if words else 1]
    lines = "".join(process.stdout.readline() for _ in names)
    printed = "".join(f'printf "%s\\n" "${name}"\n' for name in names)
    shell = subprocess.run(["sh", "-c", lines + printed], capture_output=True, text=True, check=True)
    values = shell.stdout.splitlines()
    monkeypatch.setenv(names[0], values[0])
    # pymobiledevice3 does not know the spelling that libusbmuxd wants for a socket.
    listed = subprocess.run(
        [sys.executable, "-m", "pymobiledevice3", "usbmux", "list"],
        env={**os.environ, **dict(zip(names, values, strict=True))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"DeviceName": "Mine"' in listed.stdout
    assert ibackup("devices").out.startswith("Mine: ")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=500)
    assert (process.returncode, out) == (0, "")
    assert err == 'The virtual iPhone "Mine" is connected. Ctrl-C ends it.\n'


def test_as_json(simulator: list[Started]) -> None:
    process = start(simulator, "--json")
    assert process.stdout is not None
    first = process.stdout.readline()
    assert '"event": "listening"' in first
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=500)
    assert (process.returncode, err) == (0, "")
    assert out.count("\n") == 1
    assert '"event": "result"' in out


def test_a_socket_with_too_long_a_name(ibackup: Cli, tmp_path: Path) -> None:
    done = ibackup("simulator", "run", "--socket", tmp_path / ("x" * 150))
    assert done.code == ExitCode.USAGE
    assert "too long" in done.flat_err


def test_a_port_that_is_taken(ibackup: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ibackup("simulator", "run", "--port", str(taken.getsockname()[1]))
    assert done.code == ExitCode.USAGE
    assert "ibackup cannot listen there" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('naem = "x"', "Did you mean 'name'?"),
        ("name = 1", "name must be a text"),
        ("name = ", "is not TOML"),
        ('[[faults]]\nfault = "DropAfterByte"', "Did you mean 'DropAfterBytes'?"),
    ],
)
def test_a_spec_that_is_wrong(ibackup: Cli, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(text)
    done = ibackup("simulator", "run", "--spec", path)
    assert done.code == ExitCode.USAGE
    assert said in done.flat_err
    assert ibackup("simulator", "run", "--json", "--spec", path).result["command"] == "simulator run"


def test_port_and_socket_exclude_each_other(ibackup: Cli) -> None:
    assert ibackup("simulator", "run", "--port", "0", "--socket", "/x").code == ExitCode.USAGE
