"""The place that ``--at`` names: a folder, or a drive letter of Windows."""

import os
import re
from collections.abc import Sequence

from ibackup.base.errors import IbackupError, UsageError
from ibackup.explore.target_folder import is_within

_DRIVE = re.compile(r"[A-Za-z]:")


def is_drive(at: str) -> bool:
    """Whether it is a drive letter with its colon."""
    return os.name == "nt" and _DRIVE.fullmatch(at) is not None


def full_place(at: str) -> str:
    """A place as it is written down: an absolute path without links, or a drive letter."""
    return at.upper() if is_drive(at) else os.path.realpath(os.path.expanduser(at))


def names_of(at: str) -> frozenset[str]:
    """How a place may have been written down, which may be a link by now."""
    if is_drive(at):
        return frozenset([full_place(at)])
    folder, name = os.path.split(os.path.abspath(os.path.expanduser(at)))
    return frozenset([full_place(at), os.path.join(os.path.realpath(folder), name)])


def prepare_place(at: str, keep_out: Sequence[str], *, makes_place: bool) -> bool:
    """Check a place, and make its folder if it is missing; whether that was so.

    Args:
        at: absolute.
        keep_out: folders in which nothing may be made.
        makes_place: mounting makes it, so it must not exist yet.

    Raises:
        UsageError: it cannot be this one.
        IbackupError: it cannot be made or read.
    """
    if is_drive(at):
        if os.path.exists(f"{at}\\"):
            raise UsageError(f"The drive {at} is already in use.", hint="Give a free one with --at.")
        return False
    if any(is_within(os.path.realpath(at), os.path.realpath(each)) for each in keep_out):
        raise UsageError(
            f"The folder {at!r} is in a backup or a store, which ibackup never changes.",
            hint="Choose another one with --at.",
        )
    if makes_place:
        if os.path.lexists(at):
            raise UsageError(
                f"There is already something at {at!r}.",
                hint="Give a name that does not exist yet: --at FOLDER.",
            )
        return False
    return _make(at)


def _make(at: str) -> bool:
    try:
        os.mkdir(at, 0o700)
        return True
    except FileExistsError:
        pass
    except OSError as error:
        raise IbackupError(
            f"The folder {at!r} could not be created: {error.strerror}.", hint="Choose another one with --at."
        ) from None
    try:
        is_empty = not os.listdir(at)
    except NotADirectoryError:
        raise UsageError(f"{at!r} is not a folder.", hint="Choose another one with --at.") from None
    except OSError as error:
        raise IbackupError(f"The folder {at!r} cannot be used: {error.strerror}.") from None
    if os.path.ismount(at):
        raise UsageError(
            f"Something is already mounted at {at!r}.",
            hint="Unmount it (`ibackup unmount`, if it is ours), or choose another folder with --at.",
        )
    if not is_empty:
        raise UsageError(f"The folder {at!r} is not empty.", hint="Choose an empty one with --at.")
    return False
