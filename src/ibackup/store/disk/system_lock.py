"""Locks that the system itself guards, and a short one around each change of a small record.

``flock`` (``LockFileEx`` on Windows) tells apart threads and programs of one computer, and ends with its holder. Some
network file systems do not have it.
"""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator

from ibackup.store.disk import durable

_GUARD_AT = 1 << 30  # Windows locks are mandatory, so the locked byte is far behind the record
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_LONGEST_WAIT_S, _LOOK_AGAIN_S = 10.0, 0.02


def try_to_lock(fd: int) -> bool | None:
    """Ask the system for the lock: True we have it, False someone else has it, None the system cannot do that here."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(fd, _GUARD_AT, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return False if error.errno in {errno.EACCES, errno.EDEADLK} else None
        return True
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}:
            return False
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


@contextlib.contextmanager
def changing(record: str) -> Iterator[None]:
    """Keep other threads and programs out, while this one reads a small record, changes it and writes it.

    Without it, one of two changes at the same moment would be lost. One thread cannot take it twice. Where no lock is
    possible, or someone keeps it for 10 seconds, this continues without it: a record must not stop a backup.

    Args:
        record: its path, in a folder that exists. The lock is a file beside it.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(OSError):
            fd = os.open(f"{record}.lock", flags, 0o600)
            opened.callback(os.close, fd)
            durable.make_own(fd)  # another run must be able to open it too
            end = time.monotonic() + _LONGEST_WAIT_S
            while try_to_lock(fd) is False and time.monotonic() < end:
                time.sleep(_LOOK_AGAIN_S)
        yield
