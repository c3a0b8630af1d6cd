"""A working copy as the phone sees it, for backups and for password changes."""

from typing import TypeVar

from ibackup.base.events import Observer
from ibackup.device.folder.working_files import WorkingFiles
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.work.working_copy import WorkingCopy

Files = TypeVar("Files", bound=WorkingFiles)


def open_to_phone(kind: type[Files], working: WorkingCopy, udid: str, observe: Observer) -> Files:
    """The files of a working copy, for a phone to read and write; a context manager.

    Args:
        kind: what the phone may do.
        working: where everything is stored and made durable.
        udid: as the phone spells it.
        observe: gets warnings.
    """
    return kind(
        working.root,
        working.staging,
        udid,
        working.ledger,
        free_space=lambda: free_bytes(working.path),
        ready=working.complete,
        barrier=working.barrier,
        settled=working.settled,
        checkpoint=working.checkpoint,
        observer=observe,
        keeps=working.folder.lock_descriptors,
    )
