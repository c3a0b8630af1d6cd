"""Run programs and say what they cost: time on the clock, time on the processors, memory."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MIB = 1 << 20
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class ContenderFailed(Exception):
    """A program of a race did not do its work, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: seconds on the clock, seconds on the processors, most bytes of memory at a time."""

    wall: float
    cpu: float
    memory: int


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    log: str,
    cwd: str | None = None,
    codes: tuple[int, ...] = (0,),
) -> Cost:
    """Run a program to its end, with the children it waits for.

    Args:
        command: the program and its arguments.
        environment: what is added to this process's own.
        log: the file that takes all it prints, and is shown when it fails.
        cwd: where it runs.
        codes: the exit codes that are a success.

    Raises:
        ContenderFailed: it ended with another one.
    """
    with open(log, "wb") as out:
        began = time.monotonic()
        child = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            _, status, used = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        wall = time.monotonic() - began
    child.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in codes:
        with open(log, encoding="utf-8", errors="replace") as text:
            last = "".join(text.readlines()[-15:])
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise ContenderFailed(f"{' '.join(command)}: {name}\n{last}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * _MAXRSS_UNIT)


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure on its own; of the memory the most."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.memory for cost in costs),
    )


def cpu_seconds(pid: int) -> float:
    """The processor time that a running process has used so far; 0 where the system does not say."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as source:
            fields = source.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
