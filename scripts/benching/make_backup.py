"""Write a plain backup folder of many empty files, faster than a backup would be; run as a program.

make_backup.py FOLDER COUNT
"""

import os
import plistlib
import sys
from datetime import UTC, datetime

from ibackup.simulator import PhoneSpec, VirtualPhone, keybags
from ibackup.simulator.content import FILE
from ibackup.simulator.hostfiles import ManifestPlist, Status, about_phone
from ibackup.simulator.manifest_db import ManifestWriter
from ibackup.simulator.operations.uploading import record_of, row_of
from ibackup.simulator.spec import DomainSpec


def make(folder: str, count: int) -> None:
    """A finished, unencrypted backup whose files have no bytes, so that only the manifest costs anything."""
    phone = VirtualPhone(
        PhoneSpec(domains=(DomainSpec(name="AppDomain-org.example", count=count, max_size=0),))
    )
    for number in range(256):
        os.makedirs(os.path.join(folder, f"{number:02x}"))
    writer = ManifestWriter(os.path.join(folder, "Manifest.db"))
    for entry in phone.files.entries(encrypted=False):
        row = row_of(entry, record_of(entry))
        writer.add(row)
        if entry.kind == FILE:
            path = os.path.join(folder, row.file_id[:2], row.file_id)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    writer.finish({})
    plists = {
        "Status.plist": Status(uuid="A", backup_state="new", snapshot_state="finished", full=True).dump(),
        "Manifest.plist": ManifestPlist(
            encrypted=False,
            keybag=keybags.mint(None, seed=b"bench", rounds=1).data,
            manifest_key=None,
            rest=about_phone(phone.spec, phone.domain(), passcode=False),
        ).dump(),
        "Info.plist": plistlib.dumps(
            {
                "Target Identifier": phone.udid,
                "Unique Identifier": phone.udid,
                "Serial Number": phone.spec.serial,
                "Last Backup Date": datetime.now(UTC).replace(tzinfo=None),
            }
        ),
    }
    for name, data in plists.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]))
