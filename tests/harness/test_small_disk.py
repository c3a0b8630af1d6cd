"""A real disk of a few megabytes that fills up in the middle of a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.rig import LONG

pytestmark = [
    pytest.mark.promise("The last good backup survives anything"),
    pytest.mark.timeout(0 if LONG else 600),
]

IN_A_NAMESPACE = 'mount --make-rprivate / && mount -t tmpfs -o size=24m tmpfs "$1" && shift && exec "$@"'


def can_mount(folder: Path) -> bool:
    """Whether this user may mount something that only a process of its own sees."""
    command = ["unshare", "--mount", "sh", "-c", IN_A_NAMESPACE, "sh", str(folder), "true"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def test_the_disk_fills_up(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("mounts as Linux does")
    if not can_mount(tmp_path):
        if os.environ.get("IBACKUP_PEERS_REQUIRED") and os.geteuid() == 0:
            pytest.fail("no small disk can be mounted")
        pytest.skip("only root mounts a small disk")
    rounds = 60 if LONG else 2
    command = [
        sys.executable,
        "-m",
        "harness.small_disk",
        str(tmp_path),
        "7" if not LONG else "8",
        str(rounds),
    ]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", IN_A_NAMESPACE, "sh", str(tmp_path), *command],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("exit") == rounds
