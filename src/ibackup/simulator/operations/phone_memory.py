"""What the phone's backup process keeps between connections while it lives."""

import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass

from ibackup.simulator.keybags import PhoneKeybag
from ibackup.simulator.virtual_phone import BACKUP_PROCESS, VirtualPhone


@dataclass(frozen=True)
class PhoneSnapshot:
    """An interrupted upload: the sent files, in a Manifest.db under construction.

    Attributes:
        uuid: the UUID in the Status.plist that was sent with it.
        path: the database.
        keybag: the keybag under which the files were sent.
        encrypted: whether they were encrypted.
    """

    uuid: str
    path: str
    keybag: PhoneKeybag
    encrypted: bool


class BackupMemory:
    """The process's memory, with a folder for databases that is deleted with it.

    Attributes:
        snapshot: the upload to resume, if any.
    """

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="virtual-iphone-")
        self._count = 0
        self.snapshot: PhoneSnapshot | None = None
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def fresh_path(self) -> str:
        """A path for a new file."""
        self._count += 1
        return os.path.join(self._folder, f"{self._count}.db")

    def discard(self, path: str) -> None:
        """Delete a file of this folder, and the files that SQLite may have put beside it."""
        for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
            if os.path.exists(name):
                os.remove(name)


def memory_of(phone: VirtualPhone) -> BackupMemory:
    """The memory of this phone's backup process."""
    with phone.lock:
        memory = phone.memory.get(BACKUP_PROCESS)
        if not isinstance(memory, BackupMemory):
            memory = phone.memory[BACKUP_PROCESS] = BackupMemory()
        return memory
