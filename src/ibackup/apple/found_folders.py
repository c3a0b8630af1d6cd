"""Backup folders found on a disk, and what each shows at a glance."""

import contextlib
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from ibackup.apple import recognising
from ibackup.apple.format_errors import FormatError
from ibackup.apple.plists import InfoPlist, StatusPlist
from ibackup.base.errors import IbackupError, NotABackup
from ibackup.base.identities import JOINERS

MANIFEST, DATABASE, LEGACY_DATABASE = "Manifest.plist", "Manifest.db", "Manifest.mbdb"
INFO, STATUS = "Info.plist", "Status.plist"
UNDER_WAY = "Snapshot"
LEGACY_MAGIC = b"mbdb\x05\x00"
_NAMED = 5
_OF_APPLE = "Backup"  # Apple's programs keep backups in a folder with this name, in MobileSync


class Opened(Protocol):
    """A backup, as far as a glance needs it."""

    @property
    def udid(self) -> str:
        """The identifier of its phone."""

    @property
    def info(self) -> InfoPlist:
        """Its Info.plist. Raises FormatError."""

    @property
    def status(self) -> StatusPlist:
        """Its Status.plist. Raises FormatError."""

    @property
    def is_encrypted(self) -> bool:
        """Whether it is encrypted, from Manifest.plist. Raises FormatError."""


Opener = Callable[[str], AbstractContextManager[Opened]]
"""Opens the backup in exactly the given folder."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What a backup says about itself; what it does not say is empty or None.

    Attributes:
        path: its folder.
        udid: the phone's identifier.
        made: when it was made, UTC.
        encrypted: whether it needs a password.
    """

    path: str
    udid: str
    device_name: str = ""
    product_type: str = ""
    ios_version: str = ""
    made: datetime | None = None
    encrypted: bool | None = None

    @property
    def label(self) -> str:
        """The folder's name, with the phone and the date of the backup."""
        about = [self.device_name, f"{self.made.astimezone():%Y-%m-%d %H:%M}" if self.made else ""]
        told = ", ".join(filter(None, about))
        name = os.path.basename(self.path)
        return f"{name} ({told})" if told else name


def find(folder: str, opened: Opener) -> str:
    """The backup folder to use: the given one, or the only one in it.

    Args:
        folder: where to look.
        opened: opens one of several backups, to describe it in the error.

    Raises:
        NotABackup: it is not a backup, cannot be read, or contains several.
    """
    try:
        whole = looks_like_one(folder)
        other = recognising.other_format(folder)
        if whole and not other:
            return folder
    except OSError as error:
        raise folder_error(folder, error) from None
    found = [] if whole else inside(folder)
    if not found and not whole:
        kept = os.path.join(folder, _OF_APPLE)
        found = inside(kept) if os.path.isdir(kept) else []
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(glance(path, opened).label for path in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise NotABackup(
            f"{folder} contains {len(found)} backups.",
            why=f"They are {named}{more}.",
            hint="Choose one of them.",
        )
    other = other or recognising.place(folder) or recognising.part_of(folder, (MANIFEST, DATABASE))
    other = other or recognising.renamed(folder) or recognising.packed(folder)
    if other:
        raise NotABackup(f"{folder} is {other.what}.", hint=other.hint)
    raise NotABackup(
        f"{folder} is not a backup.",
        why="It has no Manifest.plist and no Manifest.db, and no folder in it has them.",
        hint="A backup is a folder named by the phone's identifier, with Info.plist, Manifest.plist, Manifest.db and "
        "up to 256 folders named 00 to ff. Finder keeps them in ~/Library/Application Support/MobileSync/Backup.",
    )


def inside(folder: str) -> list[str]:
    """The backups in a folder, by name. Raises NotABackup: it cannot be read."""
    try:
        with os.scandir(folder) as listing:
            folders = sorted(entry.path for entry in listing if entry.is_dir())
        return [path for path in folders if looks_like_one(path)]
    except OSError as error:
        raise folder_error(folder, error) from None


def glance(path: str, opened: Opener) -> Glance:
    """What a backup folder says about itself, without its manifest; never raises because of its contents."""
    name = os.path.basename(os.path.abspath(path))
    try:
        with opened(path) as backup:
            said = Glance(path, backup.udid)
            with contextlib.suppress(FormatError):
                info = backup.info
                said = replace(
                    said,
                    device_name=_shown(info.device_name or info.display_name),
                    product_type=_shown(info.product_type),
                    ios_version=_shown(info.product_version),
                    made=_plausible(info.last_backup_date),
                )
            with contextlib.suppress(FormatError):
                said = replace(said, made=_plausible(backup.status.date) or said.made)
            with contextlib.suppress(FormatError):
                said = replace(said, encrypted=backup.is_encrypted)
            return replace(said, udid=_shown(said.udid))
    except (IbackupError, OSError):
        return Glance(path, name)


def size_of(path: str) -> int:
    """Bytes of all files below a folder. Links count only themselves; unreadable files count as 0."""
    total = 0
    for top, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(top, name)).st_size
    return total


def _shown(text: str) -> str:
    return "".join(char for char in text[:100] if char.isprintable() or char in JOINERS)


def _plausible(moment: datetime | None) -> datetime | None:
    """A time that can be shown in any time zone."""
    if moment is None or not 1980 <= moment.year <= 2100:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def looks_like_one(folder: str) -> bool:
    """Whether a folder contains what every backup has. Raises OSError."""
    names = set(os.listdir(folder))
    if not names.isdisjoint((MANIFEST, DATABASE, LEGACY_DATABASE)) or names.issuperset((INFO, STATUS)):
        return True
    below = os.path.join(folder, UNDER_WAY)
    lists = (os.path.join(below, name) for name in (DATABASE, LEGACY_DATABASE))
    return UNDER_WAY in names and any(map(os.path.isfile, lists))


def folder_error(path: str, error: OSError, platform: str = sys.platform) -> NotABackup:
    """The error for a folder that cannot be read, with the way out if there is one."""
    if isinstance(error, FileNotFoundError):
        return NotABackup(f"There is no folder {path}.", hint="Check the path; is the disk connected?")
    if isinstance(error, NotADirectoryError):
        other = recognising.file(path)
        return NotABackup(f"{path} is {other.what}.", hint=other.hint)
    if isinstance(error, PermissionError) and platform == "darwin":
        return NotABackup(
            f"macOS does not let this program read {path}.",
            why="Programs need Full Disk Access to see the backups that Finder makes.",
            hint="Open System Settings, Privacy & Security, Full Disk Access, allow the terminal that you use, quit "
            "the terminal and open it again.",
        )
    if isinstance(error, PermissionError):
        return NotABackup(
            f"{path} cannot be read.",
            why="Another user owns it, or its permissions do not allow you to read it.",
            hint="Run this as the user who made the backup.",
        )
    return NotABackup(f"{path} cannot be read.", why=f"{error.strerror or error}.", hint="Check the disk.")
