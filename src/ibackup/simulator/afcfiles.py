"""The files that AFC shows: the media folder, in memory, with the lock on the sync file.

Paths are absolute, `/DCIM/100APPLE/IMG_0001.JPG`; they are normalised, and `..` never leaves the root.
"""

import posixpath
import threading
import time
from dataclasses import dataclass, field
from typing import Final

SYNC_LOCK: Final = "/com.apple.itunes.lock_sync"
MEDIA_FOLDERS: Final = (
    "/",
    "/Books",
    "/DCIM",
    "/DCIM/100APPLE",
    "/Downloads",
    "/iTunes_Control",
    "/PublicStaging",
)


@dataclass
class AfcFile:
    """A file, or a folder if `data` is None; times are nanoseconds since 1970."""

    data: bytearray | None = field(default_factory=bytearray)
    modified_ns: int = 0
    born_ns: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder."""
        return self.data is None


class AfcError(Exception):
    """An AFC operation failed.

    Attributes:
        status: the AFC status code.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"AFC status {status}")
        self.status = status


UNKNOWN: Final = 1
BAD_HEADER: Final = 2
READ_ERROR: Final = 4
INVALID: Final = 7
NOT_FOUND: Final = 8
IS_FOLDER: Final = 9
DENIED: Final = 10
EXISTS: Final = 16
WOULD_BLOCK: Final = 19
FOLDER_NOT_EMPTY: Final = 33


class AfcTree:
    """The media folder, or another folder. Safe to use from every thread.

    Args:
        made_at: Unix time at which its first files were made.
        folders: the folders that exist from the start.
        lock_file: whether the sync lock's file exists from the start.
    """

    def __init__(
        self, made_at: int, *, folders: tuple[str, ...] = MEDIA_FOLDERS, lock_file: bool = True
    ) -> None:
        self.lock = threading.RLock()
        self._nodes: dict[str, AfcFile] = {}
        self._exclusive: dict[str, object] = {}
        self._shared: dict[str, set[object]] = {}
        self._made_ns = made_at * 1_000_000_000
        for folder in folders:
            self._nodes[folder] = AfcFile(None, self._made_ns, self._made_ns)
        if lock_file:
            self.write(SYNC_LOCK, b"")

    def write(self, path: str, data: bytes) -> None:
        """Write a file and make the folders above it, as the owner does: locks are not checked."""
        path = normal(path)
        with self.lock:
            parent = posixpath.dirname(path)
            while parent not in self._nodes:
                self._nodes[parent] = AfcFile(None, self._made_ns, self._made_ns)
                parent = posixpath.dirname(parent)
            self._nodes[path] = AfcFile(bytearray(data), self._made_ns, self._made_ns)

    def read(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            AfcError: there is no such file.
        """
        with self.lock:
            node = self.node(path)
            if node.data is None:
                raise AfcError(IS_FOLDER)
            return bytes(node.data)

    def paths(self) -> list[str]:
        """Every path, sorted."""
        with self.lock:
            return sorted(self._nodes)

    def node(self, path: str) -> AfcFile:
        """The file or folder at `path`.

        Raises:
            AfcError: there is none.
        """
        node = self._nodes.get(normal(path))
        if node is None:
            raise AfcError(NOT_FOUND)
        return node

    def names(self, path: str) -> list[str]:
        """The names in a folder, `.` and `..` first."""
        with self.lock:
            if not self.node(path).is_folder:
                raise AfcError(READ_ERROR)
            here = normal(path)
            inside = [posixpath.basename(each) for each in self._nodes if _parent(each) == here]
            return [".", "..", *sorted(inside)]

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it. An existing folder is fine, as on a phone."""
        with self.lock:
            here, now = normal(path), time.time_ns()
            missing = []
            while here not in self._nodes:
                missing.append(here)
                here = posixpath.dirname(here)
            if not self._nodes[here].is_folder:
                raise AfcError(EXISTS)
            for each in missing:
                self._nodes[each] = AfcFile(None, now, now)

    def open_file(self, path: str, *, create: bool, truncate: bool) -> AfcFile:
        """The file at `path`, made or emptied as asked.

        Raises:
            AfcError: it is a folder, or neither the file nor its parent folder exists.
        """
        with self.lock:
            path = normal(path)
            node = self._nodes.get(path)
            if node is None:
                if not create or not self.node(posixpath.dirname(path)).is_folder:
                    raise AfcError(NOT_FOUND)
                now = time.time_ns()
                node = self._nodes[path] = AfcFile(bytearray(), now, now)
            if node.data is None:
                raise AfcError(IS_FOLDER)
            if truncate:
                node.data.clear()
                node.modified_ns = time.time_ns()
            return node

    def remove(self, path: str, *, contents: bool = False) -> None:
        """Remove a file or an empty folder; with `contents`, also a folder that is not empty."""
        with self.lock:
            path = normal(path)
            self.node(path)
            below = [each for each in self._nodes if each.startswith(path + "/")]
            if path == "/":
                raise AfcError(DENIED)
            if below and not contents:
                raise AfcError(FOLDER_NOT_EMPTY)
            for each in (path, *below):
                del self._nodes[each]

    def rename(self, source: str, target: str) -> None:
        """Move a file, or a folder with its contents; an existing target file is replaced."""
        with self.lock:
            source, target = normal(source), normal(target)
            self.node(source)
            if source == "/" or target.startswith(source + "/") or not self.node(_parent(target)).is_folder:
                raise AfcError(INVALID)
            if target in self._nodes and self._nodes[target].is_folder:
                raise AfcError(EXISTS)
            moved = [each for each in self._nodes if each == source or each.startswith(source + "/")]
            for each in moved:
                self._nodes[target + each.removeprefix(source)] = self._nodes.pop(each)

    def take_lock(self, path: str, owner: object, *, exclusive: bool) -> bool:
        """Lock a file for `owner`; False if another owner's lock is in the way."""
        with self.lock:
            path = normal(path)
            holder = self._exclusive.get(path, owner)
            others = self._shared.get(path, set()) - {owner}
            if holder is not owner or (exclusive and others):
                return False
            if exclusive:
                self._exclusive[path] = owner
            else:
                self._exclusive.pop(path, None)
                self._shared.setdefault(path, set()).add(owner)
            return True

    def drop_lock(self, path: str, owner: object) -> bool:
        """Release `owner`'s lock; False if it had none."""
        with self.lock:
            path = normal(path)
            held = self._exclusive.get(path) is owner or owner in self._shared.get(path, ())
            if self._exclusive.get(path) is owner:
                del self._exclusive[path]
            self._shared.get(path, set()).discard(owner)
            return held

    def lock_holder(self, path: str = SYNC_LOCK) -> object | None:
        """The owner of the exclusive lock."""
        with self.lock:
            return self._exclusive.get(normal(path))


def normal(path: str) -> str:
    """The one spelling of a path."""
    return posixpath.normpath("/" + path.strip("/"))


def _parent(path: str) -> str:
    return "" if path == "/" else posixpath.dirname(path)
