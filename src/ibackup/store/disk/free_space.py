"""How much space an ordinary user has, in bytes."""

import ctypes
import ctypes.util
import os
import shutil
import sys


def free_bytes(path: str | os.PathLike[str]) -> int:
    """Bytes that can be written below ``path``; on macOS including what it would purge for important data.

    Raises:
        OSError: the folder does not exist.
    """
    if not hasattr(os, "statvfs"):
        return shutil.disk_usage(path).free
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    if sys.platform == "darwin":
        return max(free, _free_for_important_data(os.fsencode(path)))
    return free


def _free_for_important_data(path: bytes) -> int:
    """NSURLVolumeAvailableCapacityForImportantUsage, or 0 if it is unavailable.

    APFS counts files that it would purge (caches, local Time Machine snapshots) as used. With plain statvfs,
    the phone would refuse a disk that has enough space.
    """
    library = ctypes.util.find_library("CoreFoundation")
    if library is None:
        return 0
    try:
        core = ctypes.CDLL(library)
        core.CFURLCreateFromFileSystemRepresentation.restype = ctypes.c_void_p
        key = ctypes.c_void_p.in_dll(core, "kCFURLVolumeAvailableCapacityForImportantUsageKey")
    except (OSError, AttributeError, ValueError):
        return 0
    url = core.CFURLCreateFromFileSystemRepresentation(
        None, path, ctypes.c_long(len(path)), ctypes.c_bool(True)
    )
    if not url:
        return 0
    number = ctypes.c_void_p()
    value = ctypes.c_longlong(0)
    core.CFURLCopyResourcePropertyForKey.restype = ctypes.c_bool
    core.CFNumberGetValue.restype = ctypes.c_bool
    long_long = 11  # kCFNumberLongLongType
    if (
        core.CFURLCopyResourcePropertyForKey(ctypes.c_void_p(url), key, ctypes.byref(number), None)
        and number.value
    ):
        core.CFNumberGetValue(number, ctypes.c_long(long_long), ctypes.byref(value))
        core.CFRelease(number)
    core.CFRelease(ctypes.c_void_p(url))
    return value.value
