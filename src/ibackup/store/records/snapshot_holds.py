"""Holds a snapshot against prune while something outside of the phone's lock reads it, for example a copy of hours.

A hold is a lock file beside the proofs. What a crash leaves of one holds nothing.
"""

import contextlib
import os
from collections.abc import Iterator

from ibackup.base import held
from ibackup.base.errors import UsageError
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.lock import PhoneLock, live_holder

_MARK = ".held-"


@contextlib.contextmanager
def hold(proofs_path: str, snapshot_id: str, snapshot_path: str, by: str) -> Iterator[None]:
    """Keep a snapshot while this lasts.

    Args:
        proofs_path: the folder of the proofs.
        snapshot_id: the snapshot.
        snapshot_path: its folder.
        by: who holds it, in a few letters; one holder of a name at a time.

    Raises:
        UsageError: it has just been removed.
        PhoneBusy: another run of the same name holds it.
    """
    path = os.path.join(proofs_path, f"{snapshot_id}{_MARK}{by}")
    with telling("The snapshot could not be held."):
        durable.make_dir(proofs_path)
    with PhoneLock(path):
        try:
            # A prune renames first and then looks for holds; this does the reverse, so one of the two notices.
            if not os.path.isdir(snapshot_path):
                raise UsageError(
                    f"Snapshot {snapshot_id} has just been removed.",
                    hint="`ibackup list` shows the remaining ones.",
                )
            yield
        finally:
            with contextlib.suppress(OSError):
                held.unlink(path)


def holds(proofs_path: str, snapshot_id: str) -> bool:
    """Whether someone holds a snapshot. Raises OSError."""
    try:
        names = os.listdir(proofs_path)
    except FileNotFoundError:
        return False
    mine = (name for name in names if name.startswith(snapshot_id + _MARK))
    return any(live_holder(os.path.join(proofs_path, name)) is not None for name in mine)


def clear(proofs_path: str, snapshot_id: str) -> None:
    """Remove what crashes left of holds on a snapshot that is gone. Raises OSError."""
    for name in os.listdir(proofs_path):
        if name.startswith(snapshot_id + _MARK):
            with contextlib.suppress(FileNotFoundError):
                held.unlink(os.path.join(proofs_path, name))
