"""Backups onto a real disk of one kind: run as a program, in a mount namespace of its own.

    python -m harness.real_disk FOLDER SHARING

FOLDER is an empty folder on that disk; SHARING says how snapshots share files there: ``reflinks``, ``links`` or
``copies``. Any promise that does not hold ends it with a traceback.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from harness.rig import TINY, Bench, rig
from harness.wire import Wire, tapped
from ibackup.apple.verify.findings import Level
from ibackup.base.errors import ConnectionLost
from ibackup.jobs.keeping.importing import ImportRequest, adopt
from ibackup.jobs.keeping.publishing import publish
from ibackup.jobs.proving.backup_proof import prove
from ibackup.simulator.spec import DomainSpec
from ibackup.store.store import Store
from ibackup.store.work.cloning import NoLinks
from support.runs import Told, assert_is_the_phone, assert_sealed

SPEC = replace(
    TINY,
    domains=(
        DomainSpec(name="HomeDomain", count=7, min_size=1, max_size=3000),
        DomainSpec(name="CameraRollDomain", count=5, min_size=200_000, max_size=300_000),
    ),
)


def unchanged(one: Path, other: Path) -> list[Path]:
    """Large files that two backup folders hold alike, below the first."""
    large = [path for path in one.glob("??/*") if path.stat().st_size >= 200_000]
    twins = [(path, other / path.relative_to(one)) for path in large]
    return [path for path, twin in twins if twin.exists() and twin.read_bytes() == path.read_bytes()]


def shares_blocks(path: Path) -> bool:
    """Whether a file's blocks belong to another file as well, by the word of e2fsprogs."""
    with path.open("rb") as file:
        os.fsync(file.fileno())  # blocks are given out when they are written
    done = subprocess.run(["filefrag", "-v", str(path)], check=True, capture_output=True, text=True)
    return "shared" in done.stdout


def how_shared(one: Path, other: Path) -> str:
    """How two backup folders share the large files that both hold."""
    files = unchanged(one, other)
    assert files
    inodes = [(path.stat().st_ino, (other / path.relative_to(one)).stat().st_ino) for path in files]
    if all(first == second for first, second in inodes):
        return "links"
    assert all(first != second for first, second in inodes)
    try:
        return "reflinks" if all(map(shares_blocks, files)) else "copies"
    except subprocess.CalledProcessError:
        return "copies"  # a file system that cannot even tell


def check(bench: Bench, snapshot_id: str) -> Path:
    """A snapshot is whole by its seal, by another reader and by our own proof; its backup folder."""
    path = bench.path / bench.phone.udid / "snapshots" / snapshot_id
    assert_sealed(path)
    snapshot = next(each for each in bench.snapshots if each.id == snapshot_id)
    assert prove(snapshot.backup_path, Level.FULL, snapshot=snapshot).good
    return path / bench.phone.udid


def main() -> None:
    """A first backup, one that breaks and is continued, one that shares files, and what goes in and out."""
    disk, sharing = Path(sys.argv[1]), sys.argv[2]
    copies = sharing == "copies" or None
    with rig(disk, SPEC) as phones, phones.bench() as bench:
        first = check(bench, bench.now().snapshot)
        before = bench.pictures()
        phones.use(bench.phone)
        if sharing == "copies":
            assert isinstance(bench.attempt(), NoLinks)  # nothing takes its full size again unasked
        with tapped(Wire(40, "before")):
            assert isinstance(bench.attempt(copies=copies), ConnectionLost)
        assert bench.pictures() == before
        second = check(bench, bench.now(copies=copies).snapshot)
        assert bench.pictures().items() >= before.items()
        assert_is_the_phone(second.parent, bench.phone)
        found = how_shared(first, second)
        assert found == sharing, found

        published = publish(bench.snapshots[-1], str(disk / "Backup"))
        found = how_shared(second, Path(published.path))
        assert found == ("reflinks" if sharing == "reflinks" else "copies"), found
        assert published.cloned == (sharing == "reflinks")
        other = Store.open(disk / "another store", create=True)
        adopted = adopt(ImportRequest(other, published.path, settled=True))
        assert adopted.cloned == (sharing == "reflinks")
        told = Told()
        Store.open(disk / "another store", create=True, observer=told)
        assert len([text for text in told.cautions if text.startswith("Others on this computer")]) <= 1
        found = how_shared(second, Path(adopted.snapshot.backup_path))
        assert found == ("reflinks" if sharing == "reflinks" else "copies"), found

        bench.folder.discard(bench.snapshots[0].path)
        assert not first.exists()
        check(bench, second.parent.name)
    sys.stdout.write("held\n")


if __name__ == "__main__":
    main()
