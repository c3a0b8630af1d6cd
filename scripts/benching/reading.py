"""The races without a phone: proving a backup, taking its files out, and starting up."""

import contextlib
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

from benching.backups import backup_contenders, mixed
from benching.make_messages import RARE
from benching.measure import ContenderFailed, run
from benching.peers import mvt_ios
from benching.phones import serving, spec
from benching.racing import IBACKUP, OURS, Contender, Race, Scale, fresh

PASSWORD = "bench"
_HERE = os.path.dirname(os.path.abspath(__file__))
_IMPORTS = {"PYTHONPATH": os.path.dirname(_HERE)}
"""So that a program of this folder finds the others."""


@contextlib.contextmanager
def verify_full(folder: str, scale: Scale) -> Iterator[Race]:
    """Verify full, 1.3 GB in 8,100 files."""
    snapshot, environment = snapshot_of(folder, spec(mixed(scale)))
    contenders = [Contender(OURS, [*IBACKUP, "--store", _store(folder), "verify"], environment)]
    if (program := shutil.which("sha256sum")) is not None:
        contenders.append(Contender("sha256sum -c", [program, "--quiet", "-c", "SHA256SUMS"], cwd=snapshot))
    yield Race(contenders)


@contextlib.contextmanager
def verify_quick(folder: str, scale: Scale) -> Iterator[Race]:
    """Verify quick, a manifest of 1,000,000 rows."""
    backup = os.path.join(folder, "many")
    make = [sys.executable, os.path.join(_HERE, "make_backup.py"), backup, str(scale.of(1_000_000))]
    run(make, _IMPORTS, log=os.path.join(folder, "make.log"))
    reader = [sys.executable, os.path.join(_HERE, "readers.py"), "plistlib", backup]
    ours = [*IBACKUP, "verify", backup, "--level", "quick"]
    yield Race([Contender(OURS, ours, _home(folder)), Contender("plistlib loop", reader)])


@contextlib.contextmanager
def known_records(folder: str, scale: Scale) -> Iterator[Race]:
    """Read 1,000,000 file records, as phones lay them out."""
    yield _records(folder, scale.of(1_000_000))


@contextlib.contextmanager
def odd_records(folder: str, scale: Scale) -> Iterator[Race]:
    """Read 200,000 file records of which no two are laid out alike."""
    yield _records(folder, scale.of(200_000), "shuffled")


def _records(folder: str, count: int, *how: str) -> Race:
    backup = os.path.join(folder, "records")
    make = [sys.executable, os.path.join(_HERE, "make_backup.py"), backup, str(count), *how]
    run(make, _IMPORTS, log=os.path.join(folder, "make.log"))
    readers = os.path.join(_HERE, "readers.py")
    return Race(
        [
            Contender(OURS, [sys.executable, readers, "ibackup", backup], _home(folder)),
            Contender("plistlib loop", [sys.executable, readers, "plistlib", backup]),
        ]
    )


@contextlib.contextmanager
def extract(folder: str, scale: Scale) -> Iterator[Race]:
    """Extract and decrypt, 1.3 GB in 8,100 files."""
    with _extraction(folder, scale) as race:
        mvt_environment = {**_home(folder), "MVT_IOS_BACKUP_PASSWORD": PASSWORD}
        ours = race.contenders[0]
        contenders = [*race.contenders]
        if (mvt := mvt_ios()) is not None:
            target, backup = ours.command[-1], ours.command[2]
            command = [mvt, "decrypt-backup", "--destination", target, backup]
            contenders.append(
                Contender("mvt-ios", command, mvt_environment, prepare=ours.prepare, check=ours.check)
            )
        yield Race(contenders)


@contextlib.contextmanager
def extract_busy(folder: str, scale: Scale) -> Iterator[Race]:
    """Extract and decrypt the same, while each core has another program's work too."""
    with _extraction(folder, scale) as race, contextlib.ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            hog = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(hog.kill)
        yield Race([each for each in race.contenders if each.name in {OURS, "iphone_backup_decrypt"}])


@contextlib.contextmanager
def _extraction(folder: str, scale: Scale) -> Iterator[Race]:
    snapshot, environment = snapshot_of(folder, spec(mixed(scale), password=PASSWORD))
    backup = backup_in(snapshot)
    environment = {**environment, "IBACKUP_PASSWORD": PASSWORD}
    target = os.path.join(folder, "out")
    command = [*IBACKUP, "extract", backup, "--all", "--to", target]
    files = scale.of(8_000) + scale.of(100)
    check = _has_files(target, files)
    contenders = [Contender(OURS, command, environment, prepare=fresh(target), check=check)]
    for name in ("iphone_backup_decrypt", "pyiosbackup"):
        reader = [sys.executable, os.path.join(_HERE, "readers.py"), name, backup, PASSWORD, target]
        contenders.append(Contender(name, reader, prepare=fresh(target), check=check))
    yield Race(contenders)


@contextlib.contextmanager
def search(folder: str, scale: Scale) -> Iterator[Race]:
    """Search 500,000 messages: the first time, and with the index that was kept."""
    backup = os.path.join(folder, "messages")
    log = os.path.join(folder, "make.log")
    make = [sys.executable, os.path.join(_HERE, "make_messages.py"), backup, str(scale.of(500_000))]
    run(make, _IMPORTS, log=log)
    cache = os.path.join(folder, "cache")
    environment = {**_home(folder), "XDG_CACHE_HOME": cache}
    run([*IBACKUP, "--store", _store(folder), "import", backup, "--settled"], environment, log=log)
    command = [*IBACKUP, "--store", _store(folder), "search", RARE, "--limit", "5"]
    yield Race(
        [
            Contender(f"{OURS}, first", command, environment, prepare=fresh(cache)),
            Contender(f"{OURS}, again", command, environment),
        ]
    )


@contextlib.contextmanager
def export_messages(folder: str, scale: Scale) -> Iterator[Race]:
    """Export 500,000 messages with 50,000 attachments; mvt only reads them."""
    backup = os.path.join(folder, "messages")
    make = [sys.executable, os.path.join(_HERE, "make_messages.py"), backup]
    counts = [str(scale.of(500_000)), str(scale.of(50_000))]
    run([*make, *counts], _IMPORTS, log=os.path.join(folder, "make.log"))
    target = os.path.join(folder, "out")
    command = [*IBACKUP, "export", backup, "--messages", "--to", target]
    contenders = [
        Contender(
            OURS, command, _home(folder), prepare=fresh(target), check=_has_files(target, scale.of(50_000))
        )
    ]
    if (mvt := mvt_ios()) is not None:
        for module in ("SMS", "SMSAttachments"):
            read = [mvt, "check-backup", "--output", target, "--module", module, backup]
            contenders.append(Contender(f"mvt-ios {module}", read, _home(folder), prepare=fresh(target)))
        read = [mvt, "check-backup", "--output", target, backup]
        contenders.append(Contender("mvt-ios, all it has", read, _home(folder), prepare=fresh(target)))
    yield Race(contenders)


@contextlib.contextmanager
def list_photos(folder: str, scale: Scale) -> Iterator[Race]:
    """List 100,000 photos with their albums."""
    backup = _contents(folder, "photos", scale.of(100_000))
    reader = [sys.executable, os.path.join(_HERE, "readers.py"), "photos", backup]
    yield Race([Contender(OURS, reader, _home(folder))])


@contextlib.contextmanager
def export_contacts(folder: str, scale: Scale) -> Iterator[Race]:
    """Export the contacts of 5,000 people, with pictures."""
    backup = _contents(folder, "contacts", scale.of(5_000))
    target = os.path.join(folder, "out")
    command = [*IBACKUP, "export", backup, "--contacts", "--to", target]
    yield Race([Contender(OURS, command, _home(folder), prepare=fresh(target))])


def _contents(folder: str, kind: str, count: int) -> str:
    """A backup that ``make_contents.py`` makes."""
    backup = os.path.join(folder, kind)
    make = [sys.executable, os.path.join(_HERE, "make_contents.py"), kind, backup, str(count)]
    run(make, _IMPORTS, log=os.path.join(folder, "make.log"))
    return backup


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
    snapshot_of(folder, spec())
    yield Race([Contender(name, command, home) for name, command in commands])


def _home(folder: str) -> dict[str, str]:
    home = os.path.join(folder, "home")
    os.makedirs(home, exist_ok=True)
    return {"HOME": home, "TMPDIR": folder}


def _store(folder: str) -> str:
    return os.path.join(folder, "ours", "store")


def snapshot_of(folder: str, description: str) -> tuple[str, dict[str, str]]:
    """Back a phone up with ibackup; the snapshot's folder, and the environment to run in."""
    with serving(description, folder) as phone:
        ours = backup_contenders(folder, phone, full=True)[0]
        ours.prepare()
        run(ours.command, ours.environment, log=os.path.join(folder, "first.log"))
    (found,) = glob.glob(os.path.join(glob.escape(_store(folder)), "*", "snapshots", "*"))
    return found, _home(folder)


def backup_in(snapshot: str) -> str:
    """The folder in Apple's format."""
    (found,) = (entry.path for entry in os.scandir(snapshot) if entry.is_dir())
    return found


def _has_files(folder: str, least: int) -> Callable[[], None]:
    def check() -> None:
        count = sum(len(names) for _, _, names in os.walk(folder))
        if count < least:
            raise ContenderFailed(f"{folder} has {count:,} files, not {least:,}")

    return check
