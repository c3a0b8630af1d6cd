"""Race ibackup against the tools people would use instead, on the virtual iPhone, and print tables of ratios.

Each program and the phone run in their own processes. The whole process counts, from start to end, so ibackup's time
includes its clone, check, seal and sync. Runs alternate, and the tables show medians. No test depends on any of it.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from benching import backups, copying, fleets, installing, mounting, reading, viewing
from benching.goals import GOALS
from benching.goals import table as goals_table
from benching.measure import ContenderFailed
from benching.peers import MVT
from benching.racing import Line, Scale, Start, hold, remarks, table

QUICK = 20

RACES: dict[str, Start] = {
    "full": backups.full_mixed,
    "small": backups.full_small,
    "incremental": backups.incremental,
    "restore": backups.restore,
    "verify-full": reading.verify_full,
    "verify-quick": reading.verify_quick,
    "records": reading.known_records,
    "records-odd": reading.odd_records,
    "extract": reading.extract,
    "extract-busy": reading.extract_busy,
    "search": reading.search,
    "export-messages": reading.export_messages,
    "export-contacts": reading.export_contacts,
    "photos": reading.list_photos,
    "rate": backups.rate,
    "growth": backups.growth,
    "memory-file": backups.memory_large_file,
    "memory-rows": backups.memory_many_rows,
    "start": reading.start_up,
}

REPORTS: dict[str, Callable[[str, Scale], Iterator[str]]] = {
    "view": viewing.report,
    "copies": copying.report,
    "mount": mounting.report,
    "fleet": fleets.report,
    "fleet-nights": fleets.report_nights,
    "install": installing.report,
}
"""What is measured alone, since no other program does the same work."""


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("races", nargs="*", metavar="RACE", help=f"which races [all]: {', '.join(_names())}")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each program [3; 1 with --quick]")
    parser.add_argument(
        "--dir", metavar="FOLDER", help="where to write everything [/dev/shm, else a temporary folder]"
    )
    parser.add_argument("--quick", action="store_true", help=f"one {QUICK}th of the size, under two minutes")
    parser.add_argument("--scale", type=int, default=1, metavar="N", help="one N-th of the size")
    parser.add_argument(
        "--virtual", action="store_true", help="the virtual iPhone for every race, not the prepared one"
    )
    parser.add_argument(
        "--goals",
        action="store_true",
        help="the races that docs/performance.md has goals for, and their table",
    )
    given = parser.parse_args()
    if given.goals and not given.races:
        given.races = list(dict.fromkeys(goal.race for goal in GOALS))
    given.runs = given.runs or (1 if given.quick else 3)
    if unknown := set(given.races) - set(_names()):
        parser.error(f"no such race: {', '.join(sorted(unknown))}; there are {', '.join(_names())}")
    return given


def _names() -> list[str]:
    return [*RACES, *REPORTS]


def about_machine() -> Iterator[str]:
    """What the figures depend on."""
    yield f"- {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores: {_cpu()}"
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    yield f"- load of the last 1, 5, 15 minutes: {load}"
    yield f"- {MVT.replace('==', ' ')}, in an environment of its own"
    names = ["ibackup", "pymobiledevice3", "cryptography", "iphone_backup_decrypt", "pyiosbackup"]
    yield f"- Python {platform.python_version()}, {', '.join(f'{name} {_version(name)}' for name in names)}"
    if (program := shutil.which("idevicebackup2")) is not None:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        yield f"- {done.stdout.strip()}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as source:
            return next(line.partition(":")[2].strip() for line in source if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def title(name: str) -> str:
    """The first line of what a race says of itself."""
    what = RACES.get(name) or REPORTS[name]
    return (what.__doc__ or name).splitlines()[0].rstrip(".")


def hold_one(start: Start, runs: int, scale: Scale, where: str | None) -> list[Line]:
    """Set a race up, hold it and print what came of it."""
    with (
        tempfile.TemporaryDirectory(prefix="ibackup-bench-", dir=where) as folder,
        start(folder, scale) as race,
    ):
        lines = hold(race, runs, folder)
        print("\n".join([*table(lines), "", *remarks(race, lines)]), flush=True)
    return lines


def report(name: str, scale: Scale, where: str | None) -> list[Line]:
    """Measure something and print it; there are no lines of contenders."""
    with tempfile.TemporaryDirectory(prefix="ibackup-bench-", dir=where) as folder:
        for line in REPORTS[name](folder, scale):
            print(line, flush=True)
    return []


def main() -> int:
    """Hold the races; 1 when a contender failed."""
    given = arguments()
    scale = Scale(given.scale * (QUICK if given.quick else 1), given.virtual)
    where = given.dir or ("/dev/shm" if os.path.isdir("/dev/shm") else None)
    print("\n".join(about_machine()), flush=True)
    failed = False
    held: dict[str, list[Line]] = {}
    for name in given.races or _names():
        size = f" (sizes and counts divided by {scale.divisor})" if scale.divisor > 1 else ""
        print(f"\n### {title(name)}{size}\n", flush=True)
        try:
            lines = (
                hold_one(RACES[name], given.runs, scale, where)
                if name in RACES
                else report(name, scale, where)
            )
        except ContenderFailed as error:
            print(f"It could not be set up: {error}", flush=True)
            failed = True
        else:
            held[name] = lines
            failed = failed or any(line.failed for line in lines)
    if given.goals:
        print("\n".join(["", "### Goals", "", *goals_table(held)]), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
