"""Tries what this user may do to a copy in a folder."""

import contextlib
import os
import tempfile
from collections.abc import Callable

from ibackup.copies.rights import own_object
from ibackup.copies.rights.copy_rights import RightsAnswer, RightsTrial, TriedAct
from ibackup.store.disk.disk_errors import telling


def try_in_folder(repository: str) -> RightsTrial:
    """Write a file of its own beside the data, write over it, remove it. Raises IbackupError: nothing can be added."""
    folder = os.path.join(repository, own_object.FOLDER)
    path = os.path.join(folder, own_object.NAME)
    if not os.path.lexists(path):
        with telling(f"Nothing can be written to '{folder}'."), open(path, "xb") as file:
            file.write(own_object.CONTENT)
    overwrite = _tried(lambda: _write_over(folder, path))
    remove = _tried(lambda: os.unlink(path))
    return RightsTrial(
        (TriedAct("overwrite", overwrite), TriedAct("remove", remove)),
        path if os.path.lexists(path) else "",
    )


def _write_over(folder: str, path: str) -> None:
    # In place first; then as a new file in its place, for which the rights to the folder count.
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        with open(fd, "wb") as file:
            file.write(own_object.OTHER_CONTENT)
        return
    fd, new = tempfile.mkstemp(prefix=f"{own_object.NAME}-", dir=folder)
    os.close(fd)
    try:
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


def _tried(act: Callable[[], None]) -> RightsAnswer:
    try:
        act()
    except OSError:
        return "refused"
    return "done"
