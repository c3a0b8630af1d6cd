"""A plain backup folder that is written file by file, faster than a backup would be."""

import os
import plistlib
import shutil
from datetime import UTC, datetime

from ibackup.apple.file_ids import file_id_of
from ibackup.simulator import keybags
from ibackup.simulator.hostfiles import WrittenManifestPlist, WrittenStatusPlist, about_phone
from ibackup.simulator.mbfile_records import MBFileRecord, encode
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.written_manifest_db import ManifestWriter, WrittenRow

WHEN = 1_700_000_000
"""The time of every file, in Unix seconds."""


class PlainBackup:
    """A finished, unencrypted backup, once ``finish`` was called; the folder must not exist before."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        os.makedirs(folder)
        for number in range(256):
            os.makedirs(os.path.join(folder, f"{number:02x}"))
        self._writer = ManifestWriter(os.path.join(folder, "Manifest.db"))
        self._known: set[tuple[str, str]] = set()

    def add(self, domain: str, path: str, data: bytes) -> str:
        """Add a file with these bytes; return where it is."""
        place = self._row(domain, path, len(data))
        with open(place, "wb") as file:
            file.write(data)
        return place

    def link(self, domain: str, path: str, source: str) -> None:
        """Add a file that has the bytes of one that was added before."""
        os.link(source, self._row(domain, path, os.path.getsize(source)))

    def take(self, domain: str, path: str, source: str) -> None:
        """Move a file that was made elsewhere into the backup."""
        shutil.move(source, self._row(domain, path, os.path.getsize(source)))

    def list_only(self, domain: str, path: str) -> None:
        """List a file that is not there, for readers that only look at the list."""
        self._row(domain, path, 1)

    def finish(self) -> None:
        """Write the list and the plists."""
        self._writer.finish({})
        write_plists(self._folder, VirtualPhone(PhoneSpec()))

    def _row(self, domain: str, path: str, size: int) -> str:
        """List a file and the folders above it; return where its bytes belong."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            if (domain, above) not in self._known:
                self._known.add((domain, above))
                record = _record(above, 0, 0o40755)
                self._writer.add(WrittenRow(file_id_of(domain, above), domain, above, 2, record))
        file_id = file_id_of(domain, path)
        self._writer.add(WrittenRow(file_id, domain, path, 1, _record(path, size, 0o100644)))
        return os.path.join(self._folder, file_id[:2], file_id)


def write_plists(folder: str, phone: VirtualPhone) -> None:
    """The three plists of a finished, unencrypted backup."""
    keybag = keybags.mint(None, seed=b"bench", rounds=1).data
    rest = about_phone(phone.spec, phone.domain(), passcode=False)
    manifest = WrittenManifestPlist(encrypted=False, keybag=keybag, manifest_key=None, rest=rest)
    status = WrittenStatusPlist(uuid="A", backup_state="new", snapshot_state="finished", full=True)
    info = {
        "Target Identifier": phone.udid,
        "Unique Identifier": phone.udid,
        "Serial Number": phone.spec.serial,
        "Last Backup Date": datetime.now(UTC).replace(tzinfo=None),
    }
    for name, data in (
        ("Status.plist", status.dump()),
        ("Manifest.plist", manifest.dump()),
        ("Info.plist", plistlib.dumps(info)),
    ):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


def _record(path: str, size: int, mode: int) -> bytes:
    return encode(
        MBFileRecord(
            path=path,
            size=size,
            mode=mode,
            inode=1,
            uid=501,
            gid=501,
            modified=WHEN,
            changed=WHEN,
            birth=WHEN,
            protection_class=3 if size else 0,
        )
    )
