"""The limit on open files: raised as far as the system allows, and divided among users.

macOS starts programs with a limit of 256, fewer than the folders of one backup. Windows has no limit that matters here.
"""

import contextlib
import errno
import os

from ibackup.base.errors import IbackupError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

TOO_MANY = frozenset([errno.EMFILE, errno.ENFILE])
_ENOUGH = 4096  # macOS refuses more than 10,240, whatever limit it reports
_LEAST = 40  # the folders on the way to two files, and some more
_WITHOUT_LIMIT = 8192  # Windows' own


class TooManyOpen(IbackupError):
    """The system opens no more files. This says nothing about the file itself."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            "The computer does not let ibackup open more files.",
            why=f"It reports: {error.strerror or os.strerror(error.errno or errno.EMFILE)}.",
            hint="Close other programs, or raise the limit (`ulimit -n 4096` in this terminal), and try again.",
        )


def raise_limit() -> None:
    """Raise the limit of this process and its children to what a backup needs."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):  # callers stay within the limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def share(most: int, *, owners: int = 1) -> int:
    """How many files one of several owners may keep open: at most ``most``, and half of the limit in total."""
    if resource is None:
        soft = _WITHOUT_LIMIT
    else:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return most
    return max(_LEAST, min(most, soft // (2 * owners)))
