"""Readers of backups that we did not write. Neither lets go of what it opens by itself; these contexts do."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from iphone_backup_decrypt import EncryptedBackup
from pyiosbackup import Backup


@contextmanager
def by_pyiosbackup(folder: Path, password: str | None = None) -> Iterator[Backup]:
    """A backup as pyiosbackup reads it; its decrypted copy of Manifest.db is removed at the end."""
    backup = Backup.from_path(folder, password or "")
    try:
        yield backup
    finally:
        database = backup._manifest_db
        database._conn.close()
        os.unlink(database.path)


@contextmanager
def by_iphone_backup_decrypt(folder: Path, password: str) -> Iterator[EncryptedBackup]:
    """An encrypted backup as iphone_backup_decrypt reads it."""
    backup = EncryptedBackup(backup_directory=str(folder), passphrase=password)
    try:
        yield backup
    finally:
        # The second call, when the object goes, has to find nothing left to do.
        backup._cleanup()
        backup._temporary_folder = backup._temp_manifest_db_conn = None


def mvt_ios() -> str:
    """The path of mvt's program, which has an environment of its own; skips the test where it is not installed."""
    peers = Path(__file__).parents[2] / ".venv-peers" / ("Scripts" if sys.platform == "win32" else "bin")
    found = shutil.which("mvt-ios", path=str(peers)) or shutil.which("mvt-ios")
    if found is None:
        pytest.skip("mvt-ios is not there; `scripts/bench export-messages --quick` installs it")
    return found
