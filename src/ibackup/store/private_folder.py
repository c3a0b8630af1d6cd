"""A folder beside the phones' for what is fetched and removed again; what a crash left of one goes next time."""

import contextlib
import os
import secrets
from collections.abc import Iterator

from ibackup.base import held
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.lock import PhoneLock, live_holder

_PREFIX = "copy-fetched-"
_LOCK = ".lock"


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


def _sweep(parent: str) -> None:
    """Remove what no run holds any more. Raises OSError."""
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        if not name.startswith(_PREFIX) or not os.path.isdir(path) or live_holder(path + _LOCK):
            continue
        held.remove_tree(path)
        with contextlib.suppress(FileNotFoundError):
            held.unlink(path + _LOCK)
