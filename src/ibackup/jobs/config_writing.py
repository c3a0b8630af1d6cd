"""Changes the config file, and leaves alone what it does not change."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ibackup.base.errors import IbackupError, UsageError
from ibackup.config import config_file
from ibackup.config.config_changes import ConfigChange, changed
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.system_lock import changing
from ibackup.store.records.used_stores import state_dir


def rewrite(path: Path, change: Callable[[str], str]) -> bool:
    """Replace the config file by what ``change`` makes of its text; returns whether that was something else.

    Args:
        path: of the file; a missing one counts as empty and is created.
        change: may raise UsageError.

    Raises:
        IbackupError: it cannot be read or written.
    """
    with telling(f"The config file {str(path)!r} could not be written."), _changing_config():
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


@contextlib.contextmanager
def _changing_config() -> Iterator[None]:
    """Hold the lock of all config files, which is not beside them: that folder is the user's."""
    with contextlib.suppress(OSError):
        durable.make_dir(state_dir(), parents=True)
    with changing(os.path.join(state_dir(), "config")):
        yield


def change_config(path: Path, changes: Sequence[ConfigChange], seen: str | None = None) -> bool:
    """Change keys of the config file, and leave the rest unchanged; returns whether anything changed.

    Args:
        path: of the file, which need not exist.
        changes: what to change.
        seen: the ``config_mark`` of the file that the user looked at.

    Raises:
        UsageError: a key may be changed in the file only, the result would be no valid config file, or someone changed
            the file meanwhile.
        IbackupError: it could not be written.
    """

    def make(before: str) -> str:
        if seen is not None and seen != _mark(before):
            raise UsageError(
                "The config file has changed in the meantime.",
                why="Nothing was saved, so that the other change is not lost.",
                hint="Look at the settings again, then change them.",
            )
        after = changed(before, changes)
        config_file.parse(after, path)
        return after

    return rewrite(path, make)


def config_mark(path: Path) -> str:
    """Changes with the text of the config file. Raises IbackupError."""
    with telling(f"The config file {str(path)!r} could not be read."):
        return _mark(path.read_text(encoding="utf-8") if path.exists() else "")


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
