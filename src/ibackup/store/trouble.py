"""What a file system says, in words that help: an OSError turned into the error tree."""

import contextlib
import errno
from collections.abc import Iterator

from ibackup.errors import IbackupError, NoRoom

_FULL = {errno.ENOSPC, errno.EFBIG} | {getattr(errno, "EDQUOT", errno.ENOSPC)}
_WHY = {
    errno.EROFS: (
        "It lies on a file system that is mounted read-only.",
        "Mount it writable, or use another --store.",
    ),
    errno.EACCES: ("You may not write there.", "Give yourself the right to, or use another --store."),
    errno.EPERM: ("You may not write there.", "Give yourself the right to, or use another --store."),
    errno.EIO: (
        "The disk answered with an input/output error.",
        "The disk or its cable may be failing: look at the system log, and keep a second copy elsewhere.",
    ),
    errno.ENOTDIR: ("Something on the way there is not a folder.", "Use another --store."),
    errno.ELOOP: ("There is a link where none may be.", "Look at what it is, and move it away."),
}
_WINDOWS_FULL = {112, 39}  # ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL


def disk_error(what: str, error: OSError) -> IbackupError:
    """The error of the tree for what a file system said; ``what`` is a sentence."""
    where = f" ({error.filename!r})" if error.filename else ""
    if error.errno in _FULL or getattr(error, "winerror", None) in _WINDOWS_FULL:
        return NoRoom(
            what,
            why=f"The disk is full, or your share of it is{where}.",
            hint="Make room on it and run the command again; no finished snapshot was touched.",
        )
    why, hint = _WHY.get(error.errno or 0, (f"The system said: {error.strerror or error}{where}.", ""))
    return IbackupError(
        what, why=why, hint=hint or "Run the command again; no finished snapshot was touched."
    )


@contextlib.contextmanager
def telling(what: str) -> Iterator[None]:
    """Turn an OSError inside into an error of the tree that begins with ``what``, a sentence."""
    try:
        yield
    except OSError as error:
        raise disk_error(what, error) from error
