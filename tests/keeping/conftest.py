"""A virtual iPhone with a store, and backups of it by a program that we did not write."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibackup.simulator import PhoneSpec, VirtualPhone
from support.runs import SMALL, Lab, plugging_in

MakeLab = Callable[..., Lab]
Peer = Callable[..., str]


@pytest.fixture
def make_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeLab]:
    """Gives a function that plugs in the phone of a spec; no thread is left when the test is over."""
    with plugging_in(tmp_path, monkeypatch) as plug_in:

        def make(spec: PhoneSpec = SMALL, *, store: str = "store") -> Lab:
            return plug_in(lambda stack: Lab(tmp_path / store, stack, VirtualPhone(spec)))

        yield make


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """The small phone and an empty store."""
    return make_lab()


@pytest.fixture
def idevicebackup2(require_tool: Callable[[str], str]) -> Peer:
    """Runs idevicebackup2 and gives what it says."""
    program = require_tool("idevicebackup2")

    def call(*arguments: str | Path, code: int = 0) -> str:
        done = subprocess.run(
            [program, *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        text = done.stdout + done.stderr
        assert done.returncode == code, text[-3000:]
        return text

    return call
