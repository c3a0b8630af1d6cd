"""The facts about a backup that a restore needs before sending anything."""

import contextlib
import plistlib
from dataclasses import dataclass
from datetime import datetime

from ibackup.apple import mixture, plists
from ibackup.apple.backup import INFO, STATUS, Backup
from ibackup.apple.format_errors import NOT_DAMAGED, FormatError
from ibackup.apple.rows import Kind, Row
from ibackup.base.errors import NotABackup, NotRestorable

_CLOUD_CONFIGURATION = (
    "SysSharedContainerDomain-systemgroup.com.apple.configurationprofiles",
    "Library/ConfigurationProfiles/CloudConfigurationDetails.plist",
)
_LARGEST_CONFIGURATION = 1 << 20


_MADE_BY_IMPORT = {
    INFO: f"A phone needs {INFO}, which is missing. `ibackup import` creates it: import the backup and restore the new "
    "snapshot.",
    STATUS: f"A phone needs {STATUS}, which is missing or damaged. `ibackup import --settled` creates it if all files "
    "on the list are there: import the backup and restore the new snapshot.",
}
"""What helps a backup that lost a file that can be made from the rest."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Facts about a backup; texts come from outside, and are empty if unknown.

    Attributes:
        made: the date of its data, UTC.
        supervised: it is from a supervised phone; None if unknown.
        installs: it has what a phone needs to install these apps again.
        files, bytes: the phone's files, and their size on the phone; None while the backup is locked.
    """

    udid: str
    device_name: str
    product_type: str
    ios_version: str
    made: datetime | None
    encrypted: bool
    supervised: bool | None
    installs: bool
    files: int | None
    bytes: int | None


def read(backup: Backup) -> Contents:
    """Read the facts of a backup. Raises NotABackup: it is damaged beyond restoring, or was never finished."""
    _refuse_rearranged(backup)
    try:
        if not backup.status.is_finished:
            raise NotABackup(
                "This backup was never finished.",
                why="Its Status.plist does not say that it is.",
                hint="Restore another one: `ibackup list`.",
            )
        if backup.unlocked:
            _refuse_mixture(backup)
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
            installs=apps_to_install(backup, ()) is not None,
            files=files,
            bytes=bytes_,
        )
    except FormatError as error:
        raise NotABackup(
            "This backup cannot be restored unchanged.",
            why=error.message,
            hint=_MADE_BY_IMPORT.get(
                error.part,
                "`ibackup verify` says what is wrong with it. Restore another one: `ibackup list`.",
            ),
        ) from error


def _refuse_rearranged(backup: Backup) -> None:
    """Raise NotRestorable where another program moved or renamed the files: a phone asks for them by their places."""
    if backup.rearranged is not None:
        raise NotRestorable(
            "This backup cannot be restored as it is; no file is lost.",
            why=f"Another program changed where its files are: they {backup.rearranged.what}. A phone does not find "
            "them.",
            hint="`ibackup verify` on the folder says where they belong; `ibackup extract` takes them out.",
        )


def _refuse_mixture(backup: Backup) -> None:
    """Raise NotRestorable where another program decrypted files, or put parts of different backups together."""
    found = mixture.look(backup)
    if found is not None:
        raise NotRestorable(
            "This backup cannot be restored.",
            why=f"{found.file}: {found.text}. A phone cannot read it so.",
            hint=f"{NOT_DAMAGED if found.locked else '`ibackup extract` takes its files out.'} To restore a phone, use "
            "another backup: `ibackup list`.",
        )


def _count(backup: Backup) -> tuple[int, int]:
    """How many files, and how many bytes; unusable rows are left to verify."""
    files = bytes_ = 0
    for row in backup.rows.rows():
        if isinstance(row, Row) and row.kind is Kind.FILE:
            files += 1
            with contextlib.suppress(FormatError):
                bytes_ += max(0, row.glance()[0])
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
        return None  # unknown; the phone itself decides


def apps_to_install(backup: Backup, only: tuple[str, ...]) -> bytes | None:
    """RestoreApplications.plist: the apps in Info.plist, or some of them; None if there is none.

    Raises FormatError.
    """
    info = plists.load(backup.read(INFO), part=INFO)
    found = info.get("Applications") if isinstance(info, dict) else None
    if not isinstance(found, dict):
        return None
    wanted = {name: about for name, about in found.items() if not only or name in only}
    return plistlib.dumps(wanted) if wanted else None
