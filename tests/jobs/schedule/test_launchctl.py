"""A launchd that takes its time: what it was told to forget is still there for a while, and it refuses meanwhile."""

import json
import sys
from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError
from ibackup.jobs.schedule import launchd
from ibackup.jobs.schedule.launchd import Launchd
from ibackup.jobs.schedule.schedule_types import ScheduledCommand

JOB = ScheduledCommand(time(21, 30), ("/opt/python", "-m", "ibackup", "nightly"))
LABEL = "ibackup.nightly"
# As launchctl(1): `bootout` of what it does not know ends with 3, `bootstrap` of what is there with 5.
PROGRAM = """
import json, plistlib, sys
state = json.load(open(STATE))
verb, *words = sys.argv[1:]
state["asked"].append(verb)
code = 0
if verb == "bootout":
    code = 0 if state["loaded"] else 3
    if state["loaded"]:
        state["stays"] -= 1
        state["loaded"] = state["stays"] >= 0
elif verb == "bootstrap":
    if state["loaded"] or state["refuses"] > 0:
        state["refuses"] -= 1
        code = 5
        print("Bootstrap failed: 5: Input/output error", file=sys.stderr)
    else:
        state["loaded"] = plistlib.load(open(words[1], "rb"))["Label"] == LABEL
elif verb == "print" and "/ibackup." in words[0]:
    code = 0 if state["loaded"] else 113
json.dump(state, open(STATE, "w"))
sys.exit(code)
"""

Launchctl = Callable[..., Callable[[], dict[str, object]]]


@pytest.fixture
def launchctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launchctl:
    """Puts a launchctl into PATH; gives what looks at its state."""
    if sys.platform == "win32":
        pytest.skip("makes a program as POSIX does")
    monkeypatch.setattr(launchd, "_PAUSE_S", 0.01)

    def make(*, loaded: bool = False, stays: int = 0, refuses: int = 0) -> Callable[[], dict[str, object]]:
        state = tmp_path / "state.json"
        state.write_text(json.dumps({"loaded": loaded, "stays": stays, "refuses": refuses, "asked": []}))
        program = tmp_path / "bin" / "launchctl"
        program.parent.mkdir()
        program.write_text(f"#!{sys.executable}\nSTATE, LABEL = {str(state)!r}, {LABEL!r}\n{PROGRAM}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        return lambda: json.loads(state.read_text())

    return make


def test_it_is_asked_again(launchctl: Launchctl, home: Path) -> None:
    state = launchctl(loaded=True, stays=2, refuses=2)
    Launchd().install(JOB)
    assert state()["loaded"]
    found = Launchd().find()
    assert found is not None
    assert (found.at, found.problem) == (time(21, 30), "")


def test_what_it_keeps_refusing_is_reported_and_left_as_it_was(launchctl: Launchctl, home: Path) -> None:
    launchctl(refuses=1000)
    with pytest.raises(IbackupError, match="Input/output error"):
        Launchd().install(JOB)
    assert not (home / "Library/LaunchAgents/ibackup.nightly.plist").exists()


def test_a_list_that_launchd_has_not_loaded_starts_nothing(launchctl: Launchctl, home: Path) -> None:
    launchctl()
    (piece,) = Launchd().pieces(JOB)
    Path(piece.place).parent.mkdir(parents=True)
    Path(piece.place).write_text(piece.content, encoding="utf-8")
    found = Launchd().find()
    assert found is not None
    assert "not loaded" in found.problem
    assert Launchd().remove()
    assert not Path(piece.place).exists()
