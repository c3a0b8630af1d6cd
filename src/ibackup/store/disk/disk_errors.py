"""File system errors in words that help: an OSError turned into an error of the error tree."""

import contextlib
import errno
from collections.abc import Iterator

from ibackup.base import disks
from ibackup.base.errors import IbackupError, NoRoom

_WHY = {
    errno.EROFS: (
        "It is on a file system that is mounted read-only.",
        "Mount it writable, or choose another folder with --store.",
    ),
    errno.EACCES: (
        ("You do not have permission to write there."),
        ("Change the permissions, or choose another folder with --store."),
    ),
    errno.EPERM: (
        ("You do not have permission to write there."),
        ("Change the permissions, or choose another folder with --store."),
    ),
    errno.EIO: (
        "The disk answered with an input/output error.",
        "The disk or its cable may be failing: check the system log, and keep a second copy elsewhere.",
    ),
    errno.ENOTDIR: ("Part of its path is not a folder.", "Choose another folder with --store."),
    errno.ELOOP: ("There is a link where none is allowed.", "Find out what it is, and move it away."),
}
_FORBIDDEN = {errno.EACCES, errno.EPERM}


def disk_error(what: str, error: OSError, *, reading: bool = False) -> IbackupError:
    """The error of the tree for a file system error.

    Args:
        what: a sentence.
        error: the file system's error.
        reading: nothing was to be changed.
    """
    where = f" ({error.filename!r})" if error.filename else ""
    if error.errno == errno.EFBIG:
        return disks.too_large(error, what)
    if disks.is_full(error):
        return NoRoom(
            what,
            why=f"The disk is full, or you have reached your quota{where}.",
            hint="Free some space on it, then run the command again. Your snapshots are unchanged.",
        )
    if reading and error.errno in _FORBIDDEN:
        return IbackupError(
            what,
            why=f"You do not have permission to read it{where}.",
            hint="Change the permissions, or choose another folder with --store.",
        )
    why, hint = _WHY.get(error.errno or 0, (f"The system reported: {error.strerror or error}{where}.", ""))
    return IbackupError(what, why=why, hint=hint or "Run the command again. Your snapshots are unchanged.")


@contextlib.contextmanager
def telling(what: str, *, reading: bool = False) -> Iterator[None]:
    """Turn an OSError inside into an error of the tree; see ``disk_error``."""
    try:
        yield
    except OSError as error:
        raise disk_error(what, error, reading=reading) from error
