"""SIGKILL at random moments, again and again on one store: for the whole program, or for the process that stores."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from harness.rig import LONG, Bench, Rig, leaves_nothing
from harness.wire import Wire, tapped
from ibackup.base.errors import IbackupError
from ibackup.device.folder.storing_process import StoringProcess
from support.storing import PROGRAM, at_once

pytestmark = [
    pytest.mark.promise("The last good backup survives anything"),
    pytest.mark.timeout(0 if LONG else 600),
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does"),
]


def test_killed_at_random_moments(phones: Rig) -> None:
    rng = random.Random(11)
    killed = 0
    with phones.bench("one") as bench:
        for number in range(150 if LONG else 3):
            bench.phone.change(changed=1, seed=rng.randrange(1000))
            before = bench.pictures()
            killed += kill_once(bench, rng, storing=number % 2 == 0)
            bench.check(before)
            if rng.random() < 0.5:
                bench.recover(bench.pictures())
            for snapshot in bench.snapshots[:-2]:
                bench.folder.discard(snapshot.path)
        bench.recover(bench.pictures())
    assert killed


def kill_once(bench: Bench, rng: random.Random, *, storing: bool) -> bool:
    """Run the program and kill it a moment after the phone said its n-th word; False when it was through before.

    Args:
        bench: where it runs.
        rng: decides when.
        storing: have a process store what arrives.
    """
    command = PROGRAM if storing else (sys.executable, "-m", "ibackup")
    number, pause = rng.randrange(1, 90), rng.choice([0.0, 0.0, 0.002, 0.02, 0.1])
    with tapped(Wire()) as wire:
        process = subprocess.Popen(
            [*command, "--store", str(bench.path), "now", "--patience", "0s"],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has such memory")
def test_the_storing_process_is_killed(phones: Rig) -> None:
    rng = random.Random(12)
    killed = 0
    with at_once():
        for number in range(1, 60) if LONG else (3,):
            for template in ("one", "empty"):
                with phones.bench(template) as bench:
                    killed += kill_the_process(bench, number, rng.choice([0.0, 0.0, 0.002, 0.02]))
    assert killed


def kill_the_process(bench: Bench, number: int, pause: float) -> bool:
    """Kill what stores at the phone's n-th word after it was started; whether that ended the run."""
    started: list[StoringProcess] = []
    words = 0
    begin = StoringProcess.__init__

    def note(process: StoringProcess, *how: Any) -> None:
        begin(process, *how)
        started.append(process)

    def kill(_at: int) -> None:
        nonlocal words
        words += bool(started)
        if words == number:
            time.sleep(pause)
            started[-1]._process.kill()

    before = bench.pictures()
    with tapped(Wire()) as wire, mock.patch.object(StoringProcess, "__init__", note):
        wire.wanted = kill
        with leaves_nothing(below=bench.path):
            error = bench.attempt()
    assert error is None or isinstance(error, IbackupError)
    assert error is None or "ended too early" in error.message
    bench.check(before)
    bench.recover(bench.pictures())
    return error is not None
