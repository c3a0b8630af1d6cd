"""Backups onto a real disk that fills up in the middle: run as a program, in a mount namespace of its own.

    python -m harness.small_disk FOLDER SEED ROUNDS

FOLDER is an empty folder on a disk of some megabytes. Something else, a film that is copied there, takes the room at a
random message of the run. Prints a line for each round; every promise that does not hold ends it with a traceback.
"""

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness.rig import TINY, Bench, rig
from harness.wire import Wire, tapped
from ibackup.simulator.operations import backup_and_incremental
from ibackup.simulator.spec import DomainSpec
from support.storing import PROGRAM

SPEC = replace(
    TINY,
    domains=(
        DomainSpec(name="HomeDomain", count=12, min_size=1, max_size=9000),
        DomainSpec(name="CameraRollDomain", count=8, min_size=50_000, max_size=400_000),
    ),
)


def fill(path: Path, leave: int) -> None:
    """Take all room but so many bytes."""
    found = os.statvfs(path.parent)
    size = max(0, found.f_bavail * found.f_frsize - leave)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size) if size else None


def program(bench: Bench, *, storing: bool = False) -> subprocess.CompletedProcess[str]:
    """``ibackup now``, as its user has it; ``storing``: with a process that stores what arrives."""
    command = PROGRAM if storing else (sys.executable, "-m", "ibackup")
    return subprocess.run(
        [*command, "--store", str(bench.path), "now", "--patience", "0s"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def one_round(bench: Bench, film: Path, rng: random.Random, *, storing: bool) -> str:
    """One run that meets a full disk, and one that does not."""
    bench.phone.change(added=2, changed=2, seed=rng.randrange(1000))
    before = bench.pictures()
    number, leave = rng.randrange(1, 90), rng.choice([0, 4096, 65_536, 300_000, 900_000])
    with tapped(Wire()) as wire:
        wire.wanted = lambda at: fill(film, leave) if at == number else None
        done = program(bench, storing=storing)
    said = f"full at message {number:2}, {leave:7,} bytes left: exit {done.returncode}"
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in {0, 14}, f"{said}\n{done.stderr}"
    if done.returncode == 14:
        assert "disk is full" in done.stderr or "bytes" in done.stderr, done.stderr
    film.unlink(missing_ok=True)
    bench.check(before)
    bench.recover(bench.pictures())
    for snapshot in bench.snapshots[:-1]:
        bench.folder.discard(snapshot.path)  # the disk is small
    return said


def main() -> None:
    """Make the first backup, then as many rounds as asked for."""
    disk, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    with (
        rig(disk, SPEC) as phones,
        phones.bench() as bench,
        mock.patch.object(backup_and_incremental, "RESERVE", 0),
    ):
        assert program(bench).returncode == 0
        for number in range(rounds):
            said = one_round(bench, disk / "film", rng, storing=number % 2 == 0)
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
