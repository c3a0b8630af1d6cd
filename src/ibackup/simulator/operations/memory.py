"""What the phone's backup process keeps between connections, for as long as it lives."""

import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass

from ibackup.simulator.keybags import Keybag
from ibackup.simulator.phone import VirtualPhone

_KEY = "mobilebackup2"


@dataclass(frozen=True)
class Snapshot:
    """An upload that was broken off: what was sent, by a Manifest.db under construction.

    Attributes:
        uuid: the UUID in the Status.plist that was sent with it.
        path: the database.
        keybag: under which the files were sent.
        encrypted: whether they were encrypted.
    """

    uuid: str
    path: str
    keybag: Keybag
    encrypted: bool


class BackupMemory:
    """The process's memory, with a folder for databases that goes when it goes.

    Attributes:
        snapshot: the upload to resume, if any.
    """

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="virtual-iphone-")
        self._count = 0
        self.snapshot: Snapshot | None = None
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def fresh_path(self) -> str:
        """Where a file may be made that is not there yet."""
        self._count += 1
        return os.path.join(self._folder, f"{self._count}.db")

    def discard(self, path: str) -> None:
        """Delete a file of this folder, and what SQLite may have put beside it."""
        for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
            if os.path.exists(name):
                os.remove(name)


def memory_of(phone: VirtualPhone) -> BackupMemory:
    """The memory of this phone's backup process."""
    with phone.lock:
        memory = phone.memory.get(_KEY)
        if not isinstance(memory, BackupMemory):
            memory = phone.memory[_KEY] = BackupMemory()
        return memory


def forget(phone: VirtualPhone) -> None:
    """Let the backup process die, as a restart of the phone does: a broken upload then starts over."""
    with phone.lock:
        phone.memory.pop(_KEY, None)
