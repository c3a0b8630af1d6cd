"""Where Finder, iTunes and the Apple Devices app look for backups."""

import ntpath
import os
import posixpath
import sys
from collections.abc import Mapping

from ibackup.base.errors import UsageError

_NO_DEFAULT = "Choose the folder for the backup with --to."


def finder_folders(platform: str = sys.platform, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The folders on this system, with the one used today first; may be empty."""
    if platform == "darwin":
        home = environ.get("HOME", "")
        return (posixpath.join(home, "Library/Application Support/MobileSync/Backup"),) if home else ()
    if platform == "win32":
        profile, roaming = environ.get("USERPROFILE", ""), environ.get("APPDATA", "")
        found = []
        if profile:  # Apple Devices, and iTunes from the Microsoft Store
            found.append(ntpath.join(profile, "Apple", "MobileSync", "Backup"))
        if roaming:  # iTunes from Apple's own installer
            found.append(ntpath.join(roaming, "Apple Computer", "MobileSync", "Backup"))
        return tuple(found)
    return ()


def finder_folder(platform: str = sys.platform, environ: Mapping[str, str] = os.environ) -> str:
    """The default folder: the first that exists; on macOS even if it does not exist.

    Raises:
        UsageError: this system has none, or no program of Apple's has created it yet.
    """
    folders = finder_folders(platform, environ)
    if not folders:
        raise UsageError(
            "This system has no folder in which Apple's programs look for backups.", hint=_NO_DEFAULT
        )
    for folder in folders:
        if os.path.isdir(folder):
            return folder
    if platform == "darwin":
        return folders[0]
    raise UsageError(
        "Neither Apple Devices nor iTunes has created its backup folder yet.",
        why=f"It would be {' or '.join(folders)}.",
        hint=f"Open the program once and connect the phone. {_NO_DEFAULT}",
    )
