"""Backups by a program that we did not write."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Peer = Callable[..., str]


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
