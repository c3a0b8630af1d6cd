"""SIGKILL for the whole program at random moments, again and again on one store."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from harness.rig import LONG, Bench, Rig
from harness.wire import Wire, tapped

pytestmark = [
    pytest.mark.promise("The last good backup survives anything"),
    pytest.mark.timeout(0 if LONG else 600),
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does"),
]


def test_killed_at_random_moments(phones: Rig) -> None:
    rng = random.Random(11)
    killed = 0
    with phones.bench("one") as bench:
        for _ in range(150 if LONG else 3):
            bench.phone.change(changed=1, seed=rng.randrange(1000))
            before = bench.pictures()
            killed += kill_once(bench, rng)
            bench.check(before)
            if rng.random() < 0.5:
                bench.recover(bench.pictures())
            for snapshot in bench.snapshots[:-2]:
                bench.folder.discard(snapshot.path)
        bench.recover(bench.pictures())
    assert killed


def kill_once(bench: Bench, rng: random.Random) -> bool:
    """Run the program and kill it a moment after the phone said its n-th word; False when it was through before."""
    command = [sys.executable, "-m", "ibackup", "--store", str(bench.path), "now", "--patience", "0s"]
    number, pause = rng.randrange(1, 90), rng.choice([0.0, 0.0, 0.002, 0.02, 0.1])
    with tapped(Wire()) as wire:
        process = subprocess.Popen(
            command,
            env=os.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )

        def kill(at: int) -> None:
            if at == number:
                time.sleep(pause)
                process.kill()

        wire.wanted = kill
        _, said = process.communicate(timeout=500)
    assert b"Traceback" not in said, said.decode()
    assert process.returncode in {0, -signal.SIGKILL}
    return process.returncode != 0
