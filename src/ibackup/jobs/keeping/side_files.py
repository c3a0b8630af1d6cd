"""Info.plist and Status.plist for a backup that lost its own: neither holds data of the phone."""

import plistlib
import uuid
from datetime import datetime

from ibackup.apple.backup import INFO, STATUS, Backup
from ibackup.apple.format_errors import FormatError
from ibackup.apple.plists import InfoPlist, StatusPlist

NO_INFO = InfoPlist.parse(plistlib.dumps({}))
"""What a backup without a readable one says there."""

_ITUNES = "12.9.0"


def lost(backup: Backup) -> tuple[str, ...]:
    """Which of the two are missing or cannot be read."""
    found = []
    for name, read in ((INFO, lambda: backup.info), (STATUS, lambda: backup.status)):
        try:
            read()
        except FormatError:
            found.append(name)
    return tuple(found)


def info_of(backup: Backup) -> InfoPlist:
    """What Info.plist says; empty where it says nothing."""
    try:
        return backup.info
    except FormatError:
        return NO_INFO


def status_of(backup: Backup) -> StatusPlist | None:
    """What Status.plist says; None where it cannot be read."""
    try:
        return backup.status
    except FormatError:
        return None


def made(name: str, backup: Backup, udid: str, date: datetime) -> bytes:
    """One of the two, from what Manifest.plist says.

    Args:
        name: which one.
        backup: with a readable Manifest.plist.
        udid: the phone's.
        date: when the backup was made, UTC.

    Raises FormatError.
    """
    plain_date = date.replace(tzinfo=None, microsecond=0)
    if name == STATUS:
        values: dict[str, object] = {
            "BackupState": "new",
            "Date": plain_date,
            "IsFullBackup": True,
            "SnapshotState": "finished",
            "UUID": str(uuid.uuid4()).upper(),
            "Version": "2.4" if backup.flat else "3.3",
        }
        return plistlib.dumps(values, fmt=plistlib.FMT_BINARY)
    lockdown = backup.manifest.lockdown
    told = {
        "Build Version": lockdown.build_version,
        "Device Name": lockdown.device_name,
        "Display Name": lockdown.device_name,
        "Product Type": lockdown.product_type,
        "Product Version": lockdown.product_version,
        "Serial Number": lockdown.serial_number,
    }
    return plistlib.dumps(
        {key: text for key, text in told.items() if text}
        | {
            "GUID": uuid.uuid4().hex.upper(),
            "Installed Applications": list(backup.manifest.applications),
            "Last Backup Date": plain_date,
            "Target Identifier": udid,
            "Target Type": "Device",
            "Unique Identifier": udid.upper(),
            "iTunes Version": _ITUNES,
        }
    )
