"""Which computer this is, and when it was last started."""

import ctypes
import ctypes.util
import functools
import hashlib
import os
import platform
import sys
import time
import uuid

_CLOCK_SLACK_S = 60


@functools.cache
def name() -> str:
    """The computer's name, for people to read."""
    return platform.node() or "unknown"


@functools.cache
def machine() -> str:
    """An opaque text that stays the same on this computer and differs on another computer with the same name."""
    known = ""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            with open(path, encoding="ascii") as source:
                known = source.read(256).strip()
        except (OSError, ValueError):
            continue  # try the next place; only Linux has these files
        if known:
            break
    return hashlib.sha256(f"ibackup {known or uuid.getnode()}".encode()).hexdigest()[:16]


@functools.cache
def boot_id() -> str:
    """What distinguishes this boot from every other: an id, or else ``time:`` and the start time."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
            return source.read(64).strip()
    except (OSError, ValueError):
        pass  # not Linux
    if sys.platform == "darwin":
        found = _sysctl("kern.bootsessionuuid")
        if found:
            return found
    return f"time:{int(time.time() - _uptime())}"


def same_boot(one: str, other: str) -> bool:
    """Whether two boot ids mean the same start; start times may differ by a minute, because clocks are adjusted."""
    if one.startswith("time:") and other.startswith("time:"):
        try:
            return abs(int(one[5:]) - int(other[5:])) <= _CLOCK_SLACK_S
        except ValueError:
            return False
    return bool(one) and one == other


def alive(pid: int) -> bool:
    """Whether a process with this id runs here; True if that is unknown."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _alive_on_windows(pid: int) -> bool:
    """Windows' own check, because os.kill would end the process there."""
    still_active, query_limited, no_such_process = 259, 0x1000, 87
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined, unused-ignore]
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    kernel.GetExitCodeProcess.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_ulong)]
    handle = kernel.OpenProcess(query_limited, False, pid)
    if not handle:
        # A process of another user or a service cannot be inspected, but it runs.
        return bool(ctypes.get_last_error() != no_such_process)  # type: ignore[attr-defined, unused-ignore]
    code = ctypes.c_ulong()
    known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return not known or code.value == still_active


def _sysctl(key: str) -> str:
    """A text value from macOS's kernel, or an empty text."""
    library = ctypes.util.find_library("c")
    if library is None:
        return ""
    buffer = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t(len(buffer))
    failed = ctypes.CDLL(library).sysctlbyname(
        key.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return "" if failed else buffer.value.decode("ascii", "replace")


def _uptime() -> float:
    """Seconds since the computer started, according to the monotonic clock."""
    return time.monotonic()
