"""What the store knows about a snapshot and its backup does not: where nothing may be written, and what is damaged."""

import os

from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot


def guarded_folders(snapshot: Snapshot | None) -> tuple[str, ...]:
    """The snapshot and its store; a copy is in no store, whatever folder it is in."""
    if snapshot is None:
        return ()
    folder = PhoneFolder.holding(snapshot)
    return (snapshot.path, *([os.path.dirname(folder.path)] if folder is not None else []))


def known_damage(snapshot: Snapshot | None) -> frozenset[str]:
    """The stored files that verifications found damaged: taking a file out does not detect that."""
    folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
    return folder.proofs(snapshot.id).damaged if folder is not None and snapshot is not None else frozenset()
