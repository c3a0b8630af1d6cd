"""Changes the config file, and leaves alone what it does not change."""

import os
from collections.abc import Callable
from pathlib import Path

from ibackup.base.errors import IbackupError
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling


def rewrite(path: Path, change: Callable[[str], str]) -> bool:
    """Replace the config file by what ``change`` makes of its text; returns whether that was something else.

    Args:
        path: of the file; a missing one counts as empty and is created.
        change: may raise UsageError.

    Raises:
        IbackupError: it cannot be read or written.
    """
    with telling(f"The config file {str(path)!r} could not be written."):
        try:
            before = path.read_text(encoding="utf-8") if path.exists() else ""
        except UnicodeDecodeError:
            raise IbackupError(
                f"The config file {str(path)!r} is not UTF-8.", hint="Save it as UTF-8."
            ) from None
        after = change(before)
        if after != before:
            # If the file is a link, for example into a folder of dot files, the link stays.
            target = os.path.realpath(path)
            durable.make_dir(os.path.dirname(target), parents=True)
            durable.write_file(target, after.encode())
    return after != before
