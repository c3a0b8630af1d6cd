"""A recorded session, played to ibackup again and to programs that we did not write."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, UnreadableFile
from ibackup.simulator.spec import Passcode
from support.program import MakeProgram, Program
from support.runs import SMALL

Tool = Callable[[str], str]
ASKING = replace(SMALL, ios_version="27.0", passcode=Passcode(kind="answered", delay_s=0.01))


@contextmanager
def replaying(program: Program, trace: Path, *options: str) -> Iterator[list[str]]:
    """A phone that plays a trace is the one that the program finds; afterwards what was told of it."""
    process = program.start("simulator", "replay", str(trace), *options)
    told: list[str] = []
    assert process.stdout is not None
    line = process.stdout.readline()
    address = re.search(r"USBMUXD_SOCKET_ADDRESS=(\S+)", line)
    assert address is not None, line
    before = program.environment["USBMUXD_SOCKET_ADDRESS"]
    program.environment["USBMUXD_SOCKET_ADDRESS"] = address[1]
    try:
        yield told
    finally:
        program.environment["USBMUXD_SOCKET_ADDRESS"] = before
        process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)
        done = program.finish(process)
        told.append(" ".join(done.err.split()))


def recorded(program: Program, name: str = "trace", code: int = 0) -> Path:
    trace = program.folder / name
    program.now("--record", str(trace), code=code)
    return trace


def test_a_whole_run_is_played_to_ibackup(make_program: MakeProgram) -> None:
    program = make_program(ASKING)
    program.phone.files.write("HomeDomain", "Library/locked", b"in use")
    program.phone.set_faults(UnreadableFile(domain="HomeDomain", path="Library/locked", after=3))
    trace = recorded(program, code=3)
    (first,) = program.snapshots
    elsewhere = str(program.folder / "elsewhere")
    with replaying(program, trace) as told:
        done = program.now("--store", elsewhere, "--new-key", code=3)
        assert done.result["checked"] == "manifest"
        assert len(done.result["flawed"]) == 1  # type: ignore[arg-type]
        assert [bool(event.get("done")) for event in done.kinds("prompt")] == [False, True]
        program.run("verify", "--store", elsewhere, "--level", "full", code=None)
    assert "none of the computer's different from the trace" in told[0]
    # As many files of about the same size, and none of the names.
    (second,) = (Path(elsewhere) / done.result["udid"] / "snapshots").iterdir()  # type: ignore[operator]
    files = [
        sorted(path.stat().st_size for path in each.glob("*/[0-9a-f][0-9a-f]/*")) for each in (first, second)
    ]
    assert len(files[0]) == len(files[1])
    assert all(abs(a - b) <= a * 0.07 for a, b in zip(*files, strict=True))
    names = [{path.name for path in each.glob("*/[0-9a-f][0-9a-f]/*")} for each in (first, second)]
    assert not names[0] & names[1]
    meta = json.loads((second / "snapshot.json").read_text())
    assert meta["ios_version"] == "27.0"


def test_a_run_that_only_sends_what_is_new(program: Program) -> None:
    program.now()
    program.phone.change(added=4, changed=3, removed=2)
    trace = recorded(program)
    with replaying(program, trace) as told:
        done = program.now("--store", str(program.folder / "elsewhere"), "--new-key")
    assert done.result["checked"] == "manifest"
    # This computer has no earlier backup where the recorded one had.
    assert "where the trace has status 0" in told[0]


@pytest.mark.parametrize("name", ["lost", "refused"])
def test_what_failed_fails_again(program: Program, name: str) -> None:
    fault, code = {
        "lost": (DropInPhase(phase="uploading", after=2), 13),
        "refused": (
            ErrorCodeAt(where="end", code=105, text="Insufficient free disk space on drive to back up"),
            14,
        ),
    }[name]
    program.phone.set_faults(fault)
    trace = recorded(program, code=code)
    with replaying(program, trace):
        done = program.now("--store", str(program.folder / "elsewhere"), "--new-key", code=code)
    if name == "refused":
        assert done.result["error_code"] == 105


def test_the_password_and_a_restore(program: Program) -> None:
    password = program.folder / "password"
    password.write_text("Kurzhaar-Wisent 7\n")
    password.chmod(0o600)
    traces = {name: program.folder / f"{name}.trace" for name in ("on", "off", "restore")}
    program.now()
    program.run("restore", "--yes", "--record", str(traces["restore"]))
    here = ["--new-password-file", str(password), "--no-keychain"]
    program.run("encryption", "on", *here, "--record", str(traces["on"]))
    off = ["encryption", "off", "--yes", "--password-file", str(password)]
    program.run(*off, "--record", str(traces["off"]))
    elsewhere = program.folder / "elsewhere"
    with replaying(program, traces["off"]) as told:
        # Where no phone was met before, the one that plays the trace may be it.
        program.run(
            *off, "--store", str(elsewhere), environment={"IBACKUP_STATE_DIR": str(elsewhere / "state")}
        )
    assert "none of the computer's different from the trace" in told[0]
    (snapshot,) = program.snapshots
    with replaying(program, traces["restore"]) as told:
        (folder,) = (path for path in snapshot.iterdir() if path.is_dir())
        program.run("restore", str(folder), "--yes", "--skip-verify", "--new-key")
    assert "none of the computer's different from the trace" in told[0]


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("name", ["idevicebackup2", "pymobiledevice3"])
def test_a_whole_run_is_played_to_other_programs(
    make_program: MakeProgram, require_tool: Tool, name: str
) -> None:
    program = make_program(ASKING)
    trace = recorded(program)
    target = program.folder / "theirs"
    target.mkdir()
    command = {
        "idevicebackup2": lambda: [require_tool(name), "backup", str(target)],
        "pymobiledevice3": lambda: [sys.executable, "-m", name, "backup2", "backup", str(target)],
    }[name]()
    with replaying(program, trace) as told:
        environment = {key: value for key, value in program.environment.items() if key != "PYTHONWARNINGS"}
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=90, env=environment
        )
        assert done.returncode == 0, done
    assert "was played to its end" in told[0]
    (folder,) = target.iterdir()
    program.run("verify", str(folder), code=None)
    stored = list(folder.glob("[0-9a-f][0-9a-f]/*"))
    assert len(stored) == len(list(program.snapshots[0].glob("*/[0-9a-f][0-9a-f]/*")))


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"not json\n", b'{"trace":1,"command":"now"}\n', b"\0" * 5000]
)
def test_what_is_no_trace(program: Program, content: bytes) -> None:
    trace = program.folder / "trace"
    trace.write_bytes(content)
    done = program.run("simulator", "replay", str(trace), code=2)
    assert "is not a trace that can be played" in " ".join(done.err.split())
