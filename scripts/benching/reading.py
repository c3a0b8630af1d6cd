"""The races without a phone: proving a backup, taking its files out, and starting up."""

import contextlib
import glob
import os
import shutil
import sys
from collections.abc import Callable, Iterator

from benching.backups import backup_contenders, mixed
from benching.measure import ContenderFailed, run
from benching.peers import mvt_ios
from benching.phones import serving, spec
from benching.racing import IBACKUP, OURS, Contender, Race, Scale, fresh

PASSWORD = "bench"
_HERE = os.path.dirname(os.path.abspath(__file__))


@contextlib.contextmanager
def verify_full(folder: str, scale: Scale) -> Iterator[Race]:
    """Verify full, 1.3 GB in 8,100 files."""
    snapshot, environment = _snapshot(folder, spec(mixed(scale)))
    contenders = [Contender(OURS, [*IBACKUP, "--store", _store(folder), "verify"], environment)]
    if (program := shutil.which("sha256sum")) is not None:
        contenders.append(Contender("sha256sum -c", [program, "--quiet", "-c", "SHA256SUMS"], cwd=snapshot))
    yield Race(contenders)


@contextlib.contextmanager
def verify_quick(folder: str, scale: Scale) -> Iterator[Race]:
    """Verify quick, a manifest of 1,000,000 rows."""
    backup = os.path.join(folder, "many")
    make = [sys.executable, os.path.join(_HERE, "make_backup.py"), backup, str(scale.of(1_000_000))]
    run(make, {}, log=os.path.join(folder, "make.log"))
    reader = [sys.executable, os.path.join(_HERE, "readers.py"), "plistlib", backup]
    ours = [*IBACKUP, "verify", backup, "--level", "quick"]
    yield Race([Contender(OURS, ours, _home(folder)), Contender("plistlib loop", reader)])


@contextlib.contextmanager
def extract(folder: str, scale: Scale) -> Iterator[Race]:
    """Extract and decrypt, 1.3 GB in 8,100 files."""
    snapshot, environment = _snapshot(folder, spec(mixed(scale), password=PASSWORD))
    backup = _backup_in(snapshot)
    environment = {**environment, "IBACKUP_PASSWORD": PASSWORD}
    target = os.path.join(folder, "out")
    command = [*IBACKUP, "extract", backup, "--all", "--to", target]
    files = scale.of(8_000) + scale.of(100)
    check = _has_files(target, files)
    contenders = [Contender(OURS, command, environment, prepare=fresh(target), check=check)]
    for name in ("iphone_backup_decrypt", "pyiosbackup"):
        reader = [sys.executable, os.path.join(_HERE, "readers.py"), name, backup, PASSWORD, target]
        contenders.append(Contender(name, reader, prepare=fresh(target), check=check))
    if (mvt := mvt_ios()) is not None:
        command = [mvt, "decrypt-backup", "--destination", target, backup]
        mvt_environment = {**_home(folder), "MVT_IOS_BACKUP_PASSWORD": PASSWORD}
        contenders.append(Contender("mvt-ios", command, mvt_environment, prepare=fresh(target), check=check))
    yield Race(contenders)


@contextlib.contextmanager
def start_up(folder: str, _scale: Scale) -> Iterator[Race]:
    """Start-up."""
    home = _home(folder)
    commands = [
        ("ibackup --help", [*IBACKUP, "--help"]),
        ("ibackup --version", [*IBACKUP, "--version"]),
        ("ibackup list", [*IBACKUP, "--store", _store(folder), "list"]),
        ("ibackup status", [*IBACKUP, "--store", _store(folder), "status"]),
        ("pymobiledevice3 --help", [sys.executable, "-m", "pymobiledevice3", "--help"]),
    ]
    _snapshot(folder, spec())
    yield Race([Contender(name, command, home) for name, command in commands])


def _home(folder: str) -> dict[str, str]:
    home = os.path.join(folder, "home")
    os.makedirs(home, exist_ok=True)
    return {"HOME": home, "TMPDIR": folder}


def _store(folder: str) -> str:
    return os.path.join(folder, "ours", "store")


def _snapshot(folder: str, description: str) -> tuple[str, dict[str, str]]:
    """Back a phone up with ibackup; the snapshot's folder, and the environment to run in."""
    with serving(description, folder) as phone:
        ours = backup_contenders(folder, phone, full=True)[0]
        ours.prepare()
        run(ours.command, ours.environment, log=os.path.join(folder, "first.log"))
    (found,) = glob.glob(os.path.join(glob.escape(_store(folder)), "*", "snapshots", "*"))
    return found, _home(folder)


def _backup_in(snapshot: str) -> str:
    (found,) = (entry.path for entry in os.scandir(snapshot) if entry.is_dir())
    return found


def _has_files(folder: str, least: int) -> Callable[[], None]:
    def check() -> None:
        count = sum(len(names) for _, _, names in os.walk(folder))
        if count < least:
            raise ContenderFailed(f"{folder} has {count:,} files, not {least:,}")

    return check
