"""Run programs and say what they cost: time on the clock, time on the processors, memory."""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

MIB = 1 << 20
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
_LOOK_EVERY_S = 0.05


class ContenderFailed(Exception):
    """A program of a race did not do its work, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took.

    Attributes:
        wall: seconds on the clock.
        cpu: seconds on the processors, with all children that were waited for.
        memory: the most bytes of memory at a time, in all processes together.
        ended: when it ended, by time.monotonic().
    """

    wall: float
    cpu: float
    memory: int
    ended: float = 0.0


class MemoryWatch:
    """Looks at the memory of a process and of all below it, from time to time while the block runs.

    Attributes:
        most: the most bytes at a time. What several of them share counts once, as far as the system tells.
    """

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        if os.path.isdir("/proc/self/task"):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _look(self) -> None:
        while True:
            sizes = [_resident(pid) for pid in _tree(self._pid)]
            together = sum(each.own for each in sizes) + max((each.shared for each in sizes), default=0)
            self.most = max(self.most, together, *(each.most for each in sizes))
            if self._ended.wait(_LOOK_EVERY_S):
                return


@dataclass(frozen=True, slots=True)
class _Resident:
    """Bytes of a process that are in memory: its own, what others may share, and the most that it ever had."""

    own: int
    shared: int
    most: int


def _tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as source:
                for child in source.read().split():
                    yield from _tree(int(child))
    except OSError:
        return


def _resident(pid: int) -> _Resident:
    sizes = dict.fromkeys(("RssAnon", "RssFile", "RssShmem", "VmHWM"), 0)
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as source:
            for line in source:
                name, _, value = line.partition(":")
                if name in sizes:
                    sizes[name] = int(value.split()[0]) * 1024
    except OSError:
        pass
    return _Resident(sizes["RssAnon"], sizes["RssFile"] + sizes["RssShmem"], sizes["VmHWM"])


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
            with MemoryWatch(child.pid) as watch:
                _, status, used = os.wait4(child.pid, 0)
                ended = time.monotonic()
        except BaseException:
            child.kill()
            child.wait()
            raise
    child.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in codes:
        with open(log, encoding="utf-8", errors="replace") as text:
            last = "".join(text.readlines()[-15:])
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise ContenderFailed(f"{' '.join(command)}: {name}\n{last}")
    # Linux counts in ru_maxrss what this process had when it started the program, so it is only the second choice.
    memory = watch.most or used.ru_maxrss * _MAXRSS_UNIT
    return Cost(ended - began, used.ru_utime + used.ru_stime, memory, ended)


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure on its own; of the memory the most."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.memory for cost in costs),
    )


def cpu_seconds(pid: int, *, children: bool = False) -> float:
    """The processor time that a running process has used so far; 0 where the system does not say.

    Args:
        pid: the process.
        children: with that of its children that have ended.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as source:
            fields = source.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if children else 13])) / os.sysconf("SC_CLK_TCK")
