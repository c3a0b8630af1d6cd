"""What a backup is, as far as a restore has to know it before anything is sent."""

import plistlib
from dataclasses import dataclass
from datetime import datetime

from ibackup.errors import NotABackup
from ibackup.manifest import plists
from ibackup.manifest.backup import INFO, Backup
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.rows import Kind, Row

_CLOUD_CONFIGURATION = (
    "SysSharedContainerDomain-systemgroup.com.apple.configurationprofiles",
    "Library/ConfigurationProfiles/CloudConfigurationDetails.plist",
)
_LARGEST_CONFIGURATION = 1 << 20


@dataclass(frozen=True, slots=True)
class Contents:
    """Facts about a backup; texts come from outside, and are empty when nothing tells.

    Attributes:
        made: of when its data is, UTC.
        supervised: it is of a supervised phone; None when nothing tells.
        apps: bundle identifiers of the apps in it.
        files, bytes: the phone's files, and their size on the phone; None while the backup is locked.
    """

    udid: str
    device_name: str
    product_type: str
    ios_version: str
    made: datetime | None
    encrypted: bool
    supervised: bool | None
    apps: tuple[str, ...]
    files: int | None
    bytes: int | None


def read(backup: Backup) -> Contents:
    """Look into a backup. Raises NotABackup: it is damaged beyond restoring, or was never finished."""
    try:
        if not backup.status.is_finished:
            raise NotABackup(
                "This backup was never finished.",
                why="Its Status.plist does not say that it is.",
                hint="Restore another one: `ibackup list`.",
            )
        info, manifest = backup.info, backup.manifest
        lockdown = manifest.lockdown
        files, bytes_ = _count(backup) if backup.unlocked else (None, None)
        return Contents(
            udid=backup.udid,
            device_name=info.device_name or lockdown.device_name,
            product_type=info.product_type or lockdown.product_type,
            ios_version=info.product_version or lockdown.product_version,
            made=backup.status.date or manifest.date or info.last_backup_date,
            encrypted=backup.is_encrypted,
            supervised=_supervised(backup) if backup.unlocked else None,
            apps=manifest.applications,
            files=files,
            bytes=bytes_,
        )
    except FormatError as error:
        raise NotABackup(
            "This backup cannot be restored as it is.",
            why=error.message,
            hint="`ibackup verify` says what is wrong with it. Restore another one: `ibackup list`.",
        ) from error


def _count(backup: Backup) -> tuple[int, int]:
    """How many files, and how many bytes; a row that cannot be used is for verify to name."""
    files = bytes_ = 0
    for row in backup.rows.rows():
        if isinstance(row, Row) and row.kind is Kind.FILE:
            files += 1
            bytes_ += row.record().size
    return files, bytes_


def _supervised(backup: Backup) -> bool | None:
    try:
        entry = backup.entry(*_CLOUD_CONFIGURATION)
        if entry is None:
            return None
        with entry.open() as source:
            data = source.read(_LARGEST_CONFIGURATION)
        return plists.Fields.parse(data, "CloudConfigurationDetails.plist").flag("IsSupervised")
    except (FormatError, OSError):
        return None  # nothing tells; the phone itself decides


def apps_to_install(backup: Backup, only: tuple[str, ...]) -> bytes | None:
    """RestoreApplications.plist: the apps in Info.plist, or some of them; None when there is none.

    Raises FormatError.
    """
    info = plists.load(backup.read(INFO), part=INFO)
    found = info.get("Applications") if isinstance(info, dict) else None
    if not isinstance(found, dict):
        return None
    wanted = {name: about for name, about in found.items() if not only or name in only}
    return plistlib.dumps(wanted) if wanted else None
