"""The figures of second copies: a night in which nothing changed, and its proofs, with a large store."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benching.measure import MIB, ContenderFailed, Cost, MemoryWatch, cpu_seconds, run
from benching.racing import IBACKUP, Scale

_HERE = os.path.dirname(os.path.abspath(__file__))
_FILES, _SIZE = 300_000, 32_768
_PASSWORD = "Feldhase 12 Bergahorn"


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a run cost in all its processes together, and the part of it that followed when it began to prove."""

    whole: Cost
    proof: Cost


def report(folder: str, scale: Scale) -> Iterator[str]:
    """Second copies, a night of 300,000 files in which nothing changed."""
    restic = shutil.which("restic")
    if restic is None or not os.path.isdir("/proc/self"):
        yield "This needs restic, and Linux."
        return
    store = os.path.join(folder, "store")
    make = [
        sys.executable,
        os.path.join(_HERE, "make_copied_store.py"),
        store,
        str(scale.of(_FILES)),
        str(_SIZE),
    ]
    run(make, {"PYTHONPATH": os.path.dirname(_HERE)}, log=os.path.join(folder, "make.log"))
    where = {name: os.path.join(folder, "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    where |= {"IBACKUP_STORE": store, "IBACKUP_STATE_DIR": os.path.join(folder, "state")}
    repository, password = os.path.join(folder, "copy"), os.path.join(folder, "password")
    with open(password, "w", encoding="utf-8") as file:
        file.write(_PASSWORD)
    add = [*IBACKUP, "copy", "add", "usb", "--to", repository, "--copy-password-file", password]
    run(add, where, log=os.path.join(folder, "add.log"))
    yield "| what | wall s | CPU s | all processes MiB |"
    yield "|---|--:|--:|--:|"
    copy = [*IBACKUP, "copy", "run", "usb", "--json"]
    yield _row("first copy, proven in full", _measured(copy, where).whole)
    later = f"{store}.later"
    (name,) = os.listdir(later)
    (phone,) = (each for each in os.listdir(store) if os.path.isdir(os.path.join(store, each)))
    os.rename(os.path.join(later, name), os.path.join(store, phone, "snapshots", name))
    night = _measured(copy, where)
    yield _row("a night: one more snapshot in which nothing changed, copied and proven", night.whole)
    yield _row("of it, the proofs", night.proof)
    check = [restic, "-r", repository, "--password-file", password, "check", "--read-data"]
    read = run(
        check, {"RESTIC_CACHE_DIR": os.path.join(folder, "cache")}, log=os.path.join(folder, "check.log")
    )
    yield _row("`restic check --read-data` on the same repository", read)


def _row(what: str, cost: Cost) -> str:
    return f"| {what} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.memory / MIB:.0f} |"


def _measured(command: Sequence[str], environment: Mapping[str, str]) -> _Measured:
    """Run ibackup with --json. Raises ContenderFailed."""
    began = time.monotonic()
    with (
        subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
        MemoryWatch(process.pid) as watch,
    ):
        proof_began = cpu_before = 0.0
        last = ""
        assert process.stdout is not None
        for last in process.stdout:
            event = json.loads(last)
            if event.get("event") == "phase" and event.get("phase") == "verify" and not proof_began:
                proof_began, cpu_before = time.monotonic(), cpu_seconds(process.pid, children=True)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall, cpu = time.monotonic(), used.ru_utime + used.ru_stime
    most = watch.most
    if process.returncode:
        raise ContenderFailed(last)
    proof = Cost(wall - proof_began, cpu - cpu_before, most)
    return _Measured(Cost(wall - began, cpu, most), proof)
