"""What changed in backups with iOS 27: another index, `Containers`, inode numbers of 64 bits, more Digests."""

import plistlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.verify.findings import Level
from ibackup.jobs.proving.backup_proof import prove
from ibackup.simulator.spec import DomainSpec
from ibackup.vault.unlocker import Unlocker
from support.runs import PASSWORD, SMALL, Lab, assert_is_the_phone

NEW = ("MobileDeviceDomain", "NetworkDomain", "ProtectedDomain")
SPEC = replace(
    SMALL, ios_version="27.0", domains=(*SMALL.domains, *(DomainSpec(name=name, count=2) for name in NEW))
)


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_what_is_new_is_read(make_lab: Callable[..., Lab], password: str | None) -> None:
    lab = make_lab(replace(SPEC, backup_password=password))
    lab.now(password)
    lab.phone.change(added=1, changed=1, seed=1)
    result = lab.now(password)
    assert_is_the_phone(result.path, lab.phone, password)
    folder = Path(result.path) / lab.phone.udid
    assert "Containers" in plistlib.loads((folder / "Manifest.plist").read_bytes())
    with Backup.open(str(folder)) as backup:
        if password is not None:
            backup.unlock(password)
        entries = list(backup.entries())
        assert all(entry.record.inode >= 1 << 62 for entry in entries)
        digested = {entry.domain for entry in entries if entry.record.digest is not None}
        assert digested == {*NEW, "HomeDomain"}
        assert sum(entry.domain in NEW and entry.record.is_file for entry in entries) == 6
    snapshot = lab.snapshots[-1]
    assert prove(
        snapshot.backup_path, Level.DEEP, snapshot=snapshot, unlocker=Unlocker(lambda _: password)
    ).good


def test_the_indexes(make_lab: Callable[..., Lab]) -> None:
    for version, wanted, other in (
        ("27.0", "FilesDomainsRelativePathIdx", "FilesDomainIdx"),
        ("26.5", "FilesDomainIdx", "FilesDomainsRelativePathIdx"),
    ):
        lab = make_lab(replace(SMALL, ios_version=version), store=version)
        database = Path(lab.now().path) / lab.phone.udid / "Manifest.db"
        with sqlite3.connect(f"{database.as_uri()}?immutable=1", uri=True) as connection:
            names = {
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
            }
        connection.close()
        assert wanted in names
        assert other not in names
