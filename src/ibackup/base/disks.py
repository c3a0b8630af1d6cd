"""What a disk's format allows: its name, and the largest file size; and whether the disk is full."""

import ctypes
import errno
import os
import re
import sys
from typing import Final

from ibackup.base.errors import NoRoom

FULL_ERRNOS: Final = frozenset([errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)])
_WINDOWS_FULL: Final = frozenset([112, 39])  # ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL
_FAT: Final = frozenset(["vfat", "msdos", "fat", "fat12", "fat16", "fat32"])
_OCTAL = re.compile(r"\\([0-7]{3})")  # how mountinfo writes spaces
_MAC_TYPE: Final = slice(72, 88)  # of struct statfs: f_fstypename


def file_system(path: str | os.PathLike[str]) -> str:
    """The type of a path's file system, as the system names it; empty if unknown."""
    place = os.path.realpath(path)
    try:
        if sys.platform == "win32":
            return _on_windows(place)
        return _on_mac(place) if sys.platform == "darwin" else _on_linux(place)
    except (OSError, AttributeError):
        return ""


def holds_large_files(path: str | os.PathLike[str]) -> bool:
    """Whether files of 4 GB and more are possible there, as far as is known."""
    return file_system(path).lower() not in _FAT


def is_full(error: OSError) -> bool:
    """Whether the disk is full, or someone's share of it."""
    return error.errno in FULL_ERRNOS or getattr(error, "winerror", None) in _WINDOWS_FULL


def too_large(error: OSError, what: str = "A file of the backup is too large for this disk.") -> NoRoom:
    """The error for a file that the disk's format, or a limit of the system, does not allow; not yet raised."""
    said = error.strerror or type(error).__name__
    return NoRoom(
        what,
        why=(
            "This disk's format does not allow files above 4 GB (FAT32), or a system limit forbids it. The "
            f"system said: {said}."
        ),
        hint="Use a disk formatted as APFS, NTFS, ext4, Btrfs, XFS or exFAT. Finished snapshots are untouched.",
    )


def _on_linux(path: str) -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as source:
        lines = source.readlines()
    best, found = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        columns = before.split(" ")
        if len(columns) < 5 or not after:
            continue
        mount = _OCTAL.sub(lambda escape: chr(int(escape[1], 8)), columns[4])
        # Of several mounts on the same folder, the last one is visible.
        if len(mount) >= best and (path == mount or path.startswith(mount.rstrip("/") + "/")):
            best, found = len(mount), after.split(" ", 1)[0]
    return found


def _on_mac(path: str) -> str:
    library = ctypes.CDLL(None, use_errno=True)
    try:
        function = library["statfs$INODE64"]
    except AttributeError:  # Apple silicon has one kind of it only
        function = library["statfs"]
    answer = ctypes.create_string_buffer(4096)
    if function(os.fsencode(path), answer) != 0:
        return ""
    return answer.raw[_MAC_TYPE].partition(b"\0")[0].decode("ascii", "replace")


def _on_windows(path: str) -> str:
    if sys.platform != "win32":
        return ""
    kernel = ctypes.windll.kernel32
    volume, name = ctypes.create_unicode_buffer(1024), ctypes.create_unicode_buffer(64)
    if not kernel.GetVolumePathNameW(path, volume, len(volume)):
        return ""
    if not kernel.GetVolumeInformationW(volume, None, 0, None, None, None, name, len(name)):
        return ""
    return name.value
