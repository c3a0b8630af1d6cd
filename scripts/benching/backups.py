"""The races for a phone: full and incremental backups by ibackup, libimobiledevice and pymobiledevice3."""

import contextlib
import glob
import os
import plistlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from benching.measure import ContenderFailed, run
from benching.phones import Domain, Phone, serving, spec
from benching.racing import IBACKUP, OURS, Contender, Race, Scale, fresh, nothing

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
APP = "AppDomain-com.example.app"
PHOTOS = "CameraRollDomain"


def mixed(scale: Scale) -> tuple[Domain, ...]:
    """1.3 GB in 8,100 files: 0 to 64 KiB, and 100 of 5 to 15 MB."""
    return (
        Domain(APP, scale.of(8_000), 0, 64 * KIB),
        Domain(PHOTOS, scale.of(100), 5_000_000, 15_000_000),
    )


@contextlib.contextmanager
def full_mixed(folder: str, scale: Scale) -> Iterator[Race]:
    """Full backup, 1.3 GB in 8,100 files."""
    with _full(folder, spec(mixed(scale)), scale, 1_300_000_000 // scale.divisor) as race:
        yield race


@contextlib.contextmanager
def full_small(folder: str, scale: Scale) -> Iterator[Race]:
    """Full backup, 50,000 files of 0 to 8 KiB."""
    with _full(folder, spec((Domain(APP, scale.of(50_000), 0, 8 * KIB),)), scale) as race:
        yield race


@contextlib.contextmanager
def _full(folder: str, description: str, scale: Scale, size: int = 0) -> Iterator[Race]:
    with serving(description, folder, virtual=scale.virtual) as phone:
        yield Race(backup_contenders(folder, phone, full=True), phone, size)


@contextlib.contextmanager
def incremental(folder: str, scale: Scale) -> Iterator[Race]:
    """Incremental backup of 300,000 files, nothing changed."""
    description = spec((Domain(APP, scale.of(300_000), 0, 1 * KIB),))
    with serving(description, folder, virtual=scale.virtual) as phone:
        ours, *others = backup_contenders(folder, phone, full=True)
        ours.prepare()
        run(ours.command, ours.environment, log=os.path.join(folder, "first.log"))
        for contender in others:
            contender.prepare()
            _take_over(os.path.join(folder, "ours", "store"), contender.command[-1])
        yield Race(backup_contenders(folder, phone, full=False), phone)


@contextlib.contextmanager
def restore(folder: str, scale: Scale) -> Iterator[Race]:
    """Restore, 1.3 GB in 8,100 files."""
    with serving(spec(mixed(scale)), folder) as phone:
        ours, *_ = backup_contenders(folder, phone, full=True)
        ours.prepare()
        log = os.path.join(folder, "first.log")
        run(ours.command, ours.environment, log=log)
        store = [*IBACKUP, "--store", os.path.join(folder, "ours", "store")]
        run([*store, "verify"], ours.environment, log=log)  # the others prove nothing before they begin
        (snapshot,) = glob.glob(os.path.join(glob.escape(folder), "ours", "store", "*", "snapshots", "*"))
        tools = {
            OURS: [*store, "restore", "--yes"],
            "idevicebackup2": [shutil.which("idevicebackup2") or "", "restore", "--system", snapshot],
            "pymobiledevice3": [sys.executable, "-m", "pymobiledevice3", "backup2", "restore", snapshot],
        }
        contenders = [Contender(name, line, ours.environment) for name, line in tools.items() if line[0]]
        yield Race(contenders, phone, 1_300_000_000 // scale.divisor)


@contextlib.contextmanager
def rate(folder: str, scale: Scale) -> Iterator[Race]:
    """The highest rate: 3 GB in 300 files, from a phone that never waits; "sink" throws all of it away."""
    domains = (Domain(PHOTOS, scale.of(300), 10_000_000, 10_000_000),)
    with serving(spec(domains), folder, virtual=scale.virtual) as phone:
        ours, *_ = backup_contenders(folder, phone, full=True)
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sink.py")
        sink = Contender("sink", [sys.executable, program], ours.environment)
        yield Race([ours, sink], phone, scale.of(300) * 10_000_000)


@contextlib.contextmanager
def growth(folder: str, scale: Scale) -> Iterator[Race]:
    """Growth: full backups of more and more files of 0 to 8 KiB."""
    with contextlib.ExitStack() as stack:
        contenders = []
        for factor in (1, 2, 4, 8):
            count = scale.of(50_000 * factor)
            place = os.path.join(folder, str(factor))
            os.mkdir(place)
            domains = (Domain(APP, count, 0, 8 * KIB),)
            phone = stack.enter_context(serving(spec(domains), place, virtual=scale.virtual))
            ours, *_ = backup_contenders(place, phone, full=True)
            contenders.append(replace(ours, name=f"ibackup, {count:,} files", size=count))
        yield Race(contenders)


@contextlib.contextmanager
def memory_large_file(folder: str, scale: Scale) -> Iterator[Race]:
    """Memory: a phone with a file of 6 GiB."""
    with serving(spec(big_file=6 * GIB // scale.divisor), folder) as phone:
        yield Race(backup_contenders(folder, phone, full=True)[:1], phone)


@contextlib.contextmanager
def memory_many_rows(folder: str, scale: Scale) -> Iterator[Race]:
    """Memory: a Manifest.db of 300,000 rows."""
    domains = (Domain(APP, scale.of(300_000), 0, 200),)
    with serving(spec(domains), folder, virtual=scale.virtual) as phone:
        yield Race(backup_contenders(folder, phone, full=True)[:1], phone)


def _take_over(store: str, folder: str) -> None:
    """Give a program the first backup that ibackup made; what no phone changes is shared."""
    (backup,) = glob.glob(os.path.join(glob.escape(store), "*", "snapshots", "*", "*", ""))
    for entry in os.scandir(backup):
        target = os.path.join(folder, os.path.basename(os.path.dirname(backup)), entry.name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if entry.is_dir():
            shutil.copytree(entry.path, target, copy_function=os.link)
        else:
            shutil.copy(entry.path, target)


def backup_contenders(folder: str, phone: Phone, *, full: bool) -> list[Contender]:
    """Whoever is installed, ibackup first, each with a folder of its own that is emptied before a full backup."""
    ours, debian, python = (os.path.join(folder, name) for name in ("ours", "debian", "python"))
    store = os.path.join(ours, "store")
    environment = {**phone.environment, "HOME": os.path.join(folder, "home"), "TMPDIR": folder}
    os.makedirs(environment["HOME"], exist_ok=True)
    commands = [(OURS, ours, [*IBACKUP, "--store", store, "now", "--new-store"])]
    if (program := shutil.which("idevicebackup2")) is not None:
        more = ["--full"] if full else []
        commands.append(("idevicebackup2", debian, [program, "backup", *more, debian]))
    command = [sys.executable, "-m", "pymobiledevice3", "backup2", "backup"]
    commands.append(("pymobiledevice3", python, [*command, *(["--full"] if full else []), python]))
    return [
        Contender(
            name,
            command,
            environment,
            # An incremental one needs what the first run left there.
            prepare=fresh(path) if full else nothing,
            check=_is_there(path, phone),
        )
        for name, path, command in commands
    ]


def _is_there(folder: str, phone: Phone) -> Callable[[], None]:
    """Checks that finished backups are below a folder, and in the newest as many files as the phone has, if it says."""

    def check() -> None:
        found = sorted(glob.glob(os.path.join(glob.escape(folder), "**", "Status.plist"), recursive=True))
        states = set()
        for path in found:
            with open(path, "rb") as file:
                states.add(plistlib.load(file)["SnapshotState"])
        if states != {"finished"}:
            raise ContenderFailed(f"{folder} holds no finished backup: {states or 'none at all'}")
        note = phone.last_note()
        newest = os.path.dirname(found[-1])
        count = sum(len(names) for place, _, names in os.walk(newest) if place != newest)
        if note is not None and count != note.files:
            raise ContenderFailed(f"{newest} has {count:,} files, and the phone {note.files:,}")

    return check
