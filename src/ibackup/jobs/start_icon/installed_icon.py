"""Puts the start icon where the system keeps them."""

import os
import sys
from collections.abc import Sequence

from ibackup.base import programs
from ibackup.base.errors import IbackupError
from ibackup.jobs.start_icon import icon_linux, icon_macos, icon_windows
from ibackup.jobs.start_icon.icon_types import StartIcon
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling


def icon_here(command: Sequence[str], picture: bytes) -> StartIcon:
    """The start icon of this system; see ``icon`` of each."""
    if sys.platform == "darwin":
        return icon_macos.icon(command, picture)
    if sys.platform == "win32":
        return icon_windows.icon(command, picture)
    return icon_linux.icon(command, picture)


def install(icon: StartIcon) -> None:
    """Write it; one that is there is replaced.

    Raises:
        IbackupError: it cannot be written, or the system's program for it failed.
    """
    for each in icon.files:
        with telling(f"The start icon {each.path!r} could not be written."):
            os.makedirs(os.path.dirname(each.path), exist_ok=True)
            durable.write_file(each.path, each.data, mode=each.mode)
    if icon.command:
        _run(icon)


def _run(icon: StartIcon) -> None:
    done = programs.run(*icon.command, variables=dict(icon.environment))
    if done.code:
        raise IbackupError(
            "The start icon could not be made.",
            why=f"({done.err.strip()[:200]})",
            hint="Start `ibackup open` from a terminal.",
        )
