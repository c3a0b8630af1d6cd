"""Where the indexes of one phone in one store are kept: in the user's cache, readable for that user alone.

Each set of keys has a file of its own. What is there is only a cache: a file that cannot be used is made again.
"""

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Collection, Iterator
from typing import BinaryIO, Final

from ibackup.base import held, slices
from ibackup.base.errors import IbackupError, PhoneBusy
from ibackup.base.events import Note, Observer
from ibackup.base.user_cache import cache_dir
from ibackup.search.index_container import (
    ContainerReader,
    ContainerWriter,
    IndexNotKept,
    IndexUnusable,
    keeping,
)
from ibackup.search.snapshot_index import SnapshotIndex
from ibackup.store.disk import durable
from ibackup.store.disk.lock import PhoneLock

_FOLDER: Final = "search"
_ENDING, _NEW = ".index", ".new"
_LOCK: Final = "lock"


class KeptIndexes:
    """The indexes of one phone in one store.

    Args:
        store: id of the store.
        udid: of the phone.
    """

    def __init__(self, store: str, udid: str) -> None:
        self._folder = os.path.join(cache_dir(), _FOLDER, _short(f"{store} {udid}".encode()))

    @contextlib.contextmanager
    def lock(self, observe: Observer) -> Iterator[None]:
        """Keep other searches from writing; waits for one that does.

        Raises:
            IndexNotKept: nothing can be written there.
        """
        with keeping():
            durable.make_dir(self._folder, parents=True)
        lock = PhoneLock(os.path.join(self._folder, _LOCK))
        said = False
        while True:
            try:
                lock.acquire()
                break
            except PhoneBusy:
                if not said:
                    observe(Note("Another search is reading these snapshots; this one waits for it."))
                said = True
                time.sleep(slices.SLICE_S / 2)
            except IbackupError as error:
                raise IndexNotKept(error.message) from error
        try:
            self._sweep()
            yield
        finally:
            lock.release()

    def open(
        self, keybag: bytes | None, secret: bytes | None
    ) -> "tuple[SnapshotIndex, ContainerReader] | None":
        """An index and what its texts are read from; None if there is none that can be used.

        Args:
            keybag: of the backups; None for those that are not encrypted.
            secret: from their opened keys.
        """
        try:
            reader = self.reader(keybag, secret)
        except (IndexUnusable, OSError):
            return None
        try:
            return SnapshotIndex(reader.image(), reader), reader
        except (IndexUnusable, OSError):
            reader.close()
            return None

    def reader(self, keybag: bytes | None, secret: bytes | None) -> ContainerReader:
        """The file of an index, opened. Raises IndexUnusable, OSError."""
        source = open(self._path(keybag), "rb", buffering=0)  # noqa: SIM115 - the reader closes it
        try:
            return ContainerReader(source, secret)
        except BaseException:
            source.close()
            raise

    def begin(self, secret: bytes | None) -> "NewFile":
        """Begin a new file. Raises IndexNotKept."""
        with keeping():
            return NewFile(os.path.join(self._folder, f"{secrets.token_hex(8)}{_NEW}"), secret)

    def put(self, new: "NewFile", keybag: bytes | None) -> None:
        """Give a finished file its name. No earlier one may be open. Raises IndexNotKept."""
        with keeping():
            held.replace(new.path, self._path(keybag))

    def forget_others(self, keybags: Collection[bytes | None]) -> None:
        """Remove the indexes of keys that no snapshot has any more."""
        kept = {os.path.basename(self._path(keybag)) for keybag in keybags}
        with contextlib.suppress(OSError):
            for name in os.listdir(self._folder):
                if name.endswith(_ENDING) and name not in kept:
                    held.unlink(os.path.join(self._folder, name))

    def _path(self, keybag: bytes | None) -> str:
        return os.path.join(self._folder, f"{'plain' if keybag is None else _short(keybag)}{_ENDING}")

    def _sweep(self) -> None:
        """Remove what a killed run left."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._folder):
                if name.endswith(_NEW):
                    held.unlink(os.path.join(self._folder, name))


class NewFile:
    """A file that is being written under a name of its own."""

    def __init__(self, path: str, secret: bytes | None) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._target: BinaryIO = open(os.open(path, flags, 0o600), "w+b")  # noqa: SIM115 - closed by close or drop
        durable.make_own(self._target.fileno())
        self.writer = ContainerWriter(self._target, secret)

    def finish(self, image: bytes) -> None:
        """Write the rest. Raises IndexNotKept."""
        self.writer.finish(image)
        with keeping():
            self._target.close()

    def drop(self) -> None:
        """Remove it."""
        with contextlib.suppress(OSError):
            self._target.close()
        with contextlib.suppress(OSError):
            held.unlink(self.path)


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]
