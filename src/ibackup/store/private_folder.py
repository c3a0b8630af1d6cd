"""Folders beside the phones' for what is fetched.

What a crash left of a private one goes next time. What an interruption left of a continued one goes after a week.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator

from ibackup.base import held
from ibackup.base.errors import DamageFound, UsageError
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.lock import PhoneLock, live_holder

_PREFIX = "copy-fetched-"
_CONTINUED = "copy-continued-"
_LOCK = ".lock"
_KEPT_S = 7 * 24 * 3600.0


@contextlib.contextmanager
def private_folder(parent: str) -> Iterator[str]:
    """A new, empty folder that only this user can read, on the disk of ``parent``; removed at the end.

    Raises:
        IbackupError: it cannot be made, or what an earlier run left cannot be removed.
    """
    with telling(f"The folder '{parent}' could not be used."):
        durable.make_dir(parent, parents=True)
        _sweep(parent)
    path = os.path.join(parent, f"{_PREFIX}{secrets.token_hex(6)}")
    # The lock comes first and goes last, so that no other run takes the folder for left over.
    try:
        with PhoneLock(path + _LOCK):
            try:
                with telling(f"There is no place for what is fetched in '{parent}'."):
                    durable.make_dir(path)
                yield path
            finally:
                with contextlib.suppress(OSError):
                    held.remove_tree(path)
    finally:
        with contextlib.suppress(OSError):
            held.unlink(path + _LOCK)


def continued_path(parent: str, name: str) -> str:
    """Where ``continued_folder`` makes the folder with this name."""
    return os.path.join(parent, _CONTINUED + name)


@contextlib.contextmanager
def continued_folder(parent: str, name: str) -> Iterator[str]:
    """The same, with what an earlier run left in it. It stays if this run is interrupted, too.

    It is removed after a success, and after a DamageFound or UsageError, since those would come again.

    Raises:
        PhoneBusy: another run uses it.
        IbackupError: as for a private one.
    """
    path = continued_path(parent, name)
    with telling(f"The folder '{parent}' could not be used."):
        durable.make_dir(parent, parents=True)
        _sweep(parent, path)
    ended = False
    try:
        with PhoneLock(path + _LOCK):
            try:
                with telling(f"There is no place for what is fetched in '{parent}'."):
                    durable.make_dir(path)
                yield path
                ended = True
            except (DamageFound, UsageError):
                ended = True
                raise
            finally:
                with contextlib.suppress(OSError):
                    ended = ended or not os.listdir(path)
                    if ended:
                        held.remove_tree(path)
    finally:
        if ended:
            with contextlib.suppress(OSError):
                held.unlink(path + _LOCK)


def _sweep(parent: str, wanted: str = "") -> None:
    """Remove what no run holds any more, and nobody may continue. Raises OSError."""
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        if not name.startswith((_PREFIX, _CONTINUED)) or not os.path.isdir(path) or path == wanted:
            continue
        if live_holder(path + _LOCK) or (name.startswith(_CONTINUED) and not _is_old(path)):
            continue
        held.remove_tree(path)
        with contextlib.suppress(FileNotFoundError):
            held.unlink(path + _LOCK)


def _is_old(path: str) -> bool:
    """Whether the last run that used a folder ended long ago: it touches its lock to the end."""
    try:
        used = os.stat(path + _LOCK).st_mtime
    except FileNotFoundError:
        used = os.stat(path).st_mtime
    return abs(time.time() - used) > _KEPT_S
