"""The figures of ``ibackup mount`` by FUSE: how long a listing takes, and how fast a film is read."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import IO

from benching.measure import MIB, MemoryWatch
from benching.phones import spec
from benching.plain_backup import PlainBackup
from benching.racing import IBACKUP, Scale
from benching.reading import PASSWORD, backup_in, snapshot_of

_FILES, _APPS, _IN_A_FOLDER = 300_000, 40, 100
_FILM = 4 * 1024 * MIB
_BLOCK = 1024 * 1024
_RUNS = 3


def report(folder: str, scale: Scale) -> Iterator[str]:
    """A mounted backup: `ls -lR` of 300,000 files, and a film of 4 GiB."""
    if not os.path.exists("/dev/fuse"):
        yield "This needs FUSE."
        return
    plain = os.path.join(folder, "plain")
    made = PlainBackup(plain)
    for number in range(scale.of(_FILES)):
        place = number // _APPS // _IN_A_FOLDER
        made.list_only(f"AppDomain-org.example.app{number % _APPS}", f"Documents/{place}/{number}.dat")
    film = os.path.join(folder, "film")
    size = scale.of(_FILM)
    with open(film, "wb") as file:
        block = os.urandom(_BLOCK)
        file.writelines(block for _ in range(size // _BLOCK))
    made.take("MediaDomain", "film.mov", film)
    made.finish()
    environment = {"HOME": folder, "IBACKUP_STATE_DIR": os.path.join(folder, "state")}
    yield "| what | | most memory MiB |"
    yield "|---|--:|--:|"
    with _mounted(plain, folder, environment) as (at, watch):
        for which in ("first", "second"):
            took = _timed(["ls", "-lR", at])
            yield _row(f"`ls -lR` of {scale.of(_FILES):,} files, the {which} time", f"{took:.1f} s", watch)
        shown = os.path.join(at, "Files", "MediaDomain", "film.mov")
        yield _row("a film, plain, by `dd bs=1M`", _rate(shown, "dd", "bs=1M", "status=none"), watch)
        yield _row("a film, plain, by `cat`", _rate(shown, "cat"), watch)
    phone = spec(big_file=size, password=PASSWORD, rounds=1000)
    snapshot, home = snapshot_of(folder, phone)
    environment |= {**home, "IBACKUP_PASSWORD": PASSWORD}
    with _mounted(backup_in(snapshot), folder, environment) as (at, watch):
        found = max(
            (os.path.join(above, name) for above, _, names in os.walk(at) for name in names),
            key=os.path.getsize,
        )
        yield _row("a film, decrypted, by `dd bs=1M`", _rate(found, "dd", "bs=1M", "status=none"), watch)
        yield _row("a film, decrypted, by `cat`", _rate(found, "cat"), watch)


@contextlib.contextmanager
def _mounted(backup: str, folder: str, environment: Mapping[str, str]) -> Iterator[tuple[str, MemoryWatch]]:
    at = os.path.join(folder, "mnt")
    command = [*IBACKUP, "mount", backup, "--at", at]
    log = os.path.join(folder, "mount.log")
    with (
        open(log, "wb") as err,
        subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=err
        ) as process,
    ):
        if process.stdout is None or not process.stdout.readline():
            with open(log, encoding="utf-8") as said:
                sys.exit(said.read())
        with MemoryWatch(process.pid) as watch:
            try:
                yield at, watch
            finally:
                process.terminate()
                process.wait()


def _timed(command: list[str], stdin: IO[bytes] | None = None) -> float:
    start = time.monotonic()
    with open(os.devnull, "wb") as sink:
        subprocess.run(command, stdin=stdin, stdout=sink, check=True)
    return time.monotonic() - start


def _rate(path: str, *command: str) -> str:
    """The least and the median of some runs of a program that reads the file, of which the system keeps nothing."""
    rates = []
    for _ in range(_RUNS):
        with open(path, "rb") as film:
            os.posix_fadvise(film.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            rates.append(os.path.getsize(path) / _timed([*command], film) / 1e6)
    return f"{min(rates):,.0f}, median {statistics.median(rates):,.0f} MB/s"


def _row(what: str, figure: str, watch: MemoryWatch) -> str:
    return f"| {what} | {figure} | {watch.most / MIB:.0f} |"
