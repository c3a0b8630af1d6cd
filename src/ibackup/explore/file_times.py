"""The times of extracted files."""

import math
import os
import sys
from typing import NamedTuple

_SECOND = 1_000_000_000
# The times, in seconds since 1970, that file systems can store: 1901 (scanned pictures are older than
# computers) to 2445.
_EARLIEST = 0 if sys.platform == "win32" else -(1 << 31)
_LATEST = 15_000_000_000


class Times(NamedTuple):
    """Seconds since 1970; ``born`` is 0 if unknown."""

    modified: float
    born: float = 0


def as_ns(seconds: float) -> int:
    """Nanoseconds, within the range of every file system."""
    seconds = min(max(seconds, _EARLIEST), _LATEST)
    if isinstance(seconds, int):  # as a phone writes them
        return seconds * _SECOND
    whole = math.floor(seconds)
    return whole * _SECOND + round(
        (seconds - whole) * _SECOND
    )  # a float does not have enough digits for all of it


def set_times(target: int | str, times: Times) -> None:
    """Set the times of an open file or a path, as far as the system can.

    The creation time can be set only on macOS and Windows.

    Raises:
        OSError: the file system refuses.
    """
    modified = as_ns(times.modified)
    if sys.platform == "win32":
        if isinstance(target, str):
            os.utime(target, ns=(modified, modified))
            born = as_ns(times.born)
            if born:
                _set_birth(target, born)
        return
    if sys.platform == "darwin":
        born = as_ns(times.born)
        if 0 < born < modified:
            # A file is never newer than its last change: setting an earlier change also moves its creation
            # time there.
            os.utime(target, ns=(born, born))
    os.utime(target, ns=(modified, modified))


if sys.platform == "win32":

    def _set_birth(path: str, born: int) -> None:
        """Set the creation time with a system call that Python lacks; best effort."""
        import ctypes
        from ctypes import wintypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateFileW.restype = wintypes.HANDLE
        kernel.CreateFileW.argtypes = [
            *(wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID),
            *(wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE),
        ]
        kernel.SetFileTime.argtypes = [wintypes.HANDLE, wintypes.LPVOID, wintypes.LPVOID, wintypes.LPVOID]
        kernel.CloseHandle.argtypes = [wintypes.HANDLE]
        write_attributes, share_all, open_existing = 0x100, 7, 3
        handle = kernel.CreateFileW(path, write_attributes, share_all, None, open_existing, 0, None)
        if handle == wintypes.HANDLE(-1).value:
            return
        try:
            # FILETIME: 100 nanoseconds since 1601
            ticks = born // 100 + 116_444_736_000_000_000
            stamp = wintypes.FILETIME(ticks & 0xFFFFFFFF, ticks >> 32)
            kernel.SetFileTime(handle, ctypes.byref(stamp), None, None)
        finally:
            kernel.CloseHandle(handle)
