"""What people would write themselves, or take instead of ibackup, to read a backup; run as a program.

readers.py plistlib FOLDER            every record of Manifest.db through plistlib
readers.py ibackup FOLDER             every record of Manifest.db through ibackup's own reader
readers.py photos FOLDER              every picture and album, through ibackup's reader of libraries
readers.py iphone_backup_decrypt FOLDER PASSWORD TARGET
readers.py pyiosbackup FOLDER PASSWORD TARGET
"""

import os
import plistlib
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing


def with_plistlib(folder: str) -> int:
    """Parse each record, and do nothing with it."""
    path = os.path.join(folder, "Manifest.db")
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        for (blob,) in database.execute("SELECT file FROM Files"):
            plistlib.loads(blob)
    return 0


def with_ibackup(folder: str) -> int:
    """The same with ibackup's reader."""
    from ibackup.apple.mbfile import decode

    path = os.path.join(folder, "Manifest.db")
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        for (blob,) in database.execute("SELECT file FROM Files"):
            decode(blob)
    return 0


def list_photos(folder: str) -> int:
    """List every picture with its albums."""
    from ibackup.apple.backup import Backup
    from ibackup.contents.gaps import Gaps
    from ibackup.contents.photos.photo_library import PhotoLibrary

    with Backup.open(folder) as backup:
        library = PhotoLibrary.open(backup, Gaps())
        if library is None:
            return 1
        with library:
            pictures = sum(1 for asset in library.assets() if asset.albums)
            return int(not pictures or not library.albums)


def with_iphone_backup_decrypt(folder: str, password: str, target: str) -> int:
    """Decrypt every file into its domain's folder."""
    from iphone_backup_decrypt import EncryptedBackup

    backup = EncryptedBackup(backup_directory=folder, passphrase=password)
    count = backup.extract_files(
        domain_like="%", output_folder=target, preserve_folders=True, domain_subfolders=True
    )
    return int(not count)


def with_pyiosbackup(folder: str, password: str, target: str) -> int:
    """Decrypt every file into its domain's folder."""
    from pyiosbackup import Backup

    Backup.from_path(folder, password).unback(target)
    return 0


READERS: dict[str, Callable[..., int]] = {
    "ibackup": with_ibackup,
    "plistlib": with_plistlib,
    "photos": list_photos,
    "iphone_backup_decrypt": with_iphone_backup_decrypt,
    "pyiosbackup": with_pyiosbackup,
}

if __name__ == "__main__":
    sys.exit(READERS[sys.argv[1]](*sys.argv[2:]))
