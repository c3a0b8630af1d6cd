"""Snapshots on disk: the store, its phones, their snapshots, and the working copy of the run under way.

No run ever writes to a finished snapshot. A run clones the newest one that is not known to be damaged into a
working copy, has the phone update that, seals it, makes it durable and renames it to its final name.

The names below are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from ibackup import lazily

if TYPE_CHECKING:
    from ibackup.store.phone_folder import LeftOver as LeftOver
    from ibackup.store.phone_folder import PhoneFolder as PhoneFolder
    from ibackup.store.proofs import Proof as Proof
    from ibackup.store.proofs import Proofs as Proofs
    from ibackup.store.seen import Seen as Seen
    from ibackup.store.snapshot import BrokenSnapshot as BrokenSnapshot
    from ibackup.store.snapshot import Draft as Draft
    from ibackup.store.snapshot import Snapshot as Snapshot
    from ibackup.store.snapshot import SnapshotMeta as SnapshotMeta
    from ibackup.store.snapshot import Unreadable as Unreadable
    from ibackup.store.space import free_bytes as free_bytes
    from ibackup.store.store import Store as Store
    from ibackup.store.working import WorkingCopy as WorkingCopy

_HOMES = {
    "BrokenSnapshot": "snapshot",
    "Draft": "snapshot",
    "LeftOver": "phone_folder",
    "PhoneFolder": "phone_folder",
    "Proof": "proofs",
    "Proofs": "proofs",
    "Seen": "seen",
    "Snapshot": "snapshot",
    "SnapshotMeta": "snapshot",
    "Store": "store",
    "Unreadable": "snapshot",
    "WorkingCopy": "working",
    "free_bytes": "space",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list all the same

__getattr__ = lazily.names(__name__, _HOMES)
