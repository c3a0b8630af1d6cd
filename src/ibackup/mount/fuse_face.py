"""The tree as a file system of the operating system, by FUSE."""

import contextlib
import ctypes
import errno
import io
import logging
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, BinaryIO, cast

from ibackup.base.errors import IbackupError
from ibackup.base.programs import installing
from ibackup.mount.mount_nodes import MountedFile, MountedLink, MountedNode
from ibackup.mount.path_lookup import PathLookup

if TYPE_CHECKING:
    from mfusepy import fuse_conn_info, fuse_file_info

MOUNT = "mfusepy>=3.1"  # the extra `mount`

_KEPT_S = 3600
"""How long the system remembers names and attributes: nothing in a snapshot ever changes."""
_MOST_READ = 1024 * 1024
_MOST_THREADS = 16  # whose buffers are kept; libfuse uses ten
_log = logging.getLogger("ibackup")


def why_no_fuse() -> str:
    """Why this computer cannot mount by FUSE, a sentence with what to do; empty if it can."""
    if find_spec("mfusepy") is None:
        return f"mfusepy (ibackup[mount]) is not installed. Install it: {installing(MOUNT)}"
    try:
        _load()
    except (OSError, AttributeError):
        return (
            "This computer has no FUSE. On Debian: apt install fuse3. On macOS: FUSE-T. On Windows: WinFsp."
        )
    if sys.platform == "linux" and not os.path.exists("/dev/fuse"):
        return "This computer's kernel has no /dev/fuse."
    return ""


def _load() -> None:
    """Load the library; libfuse 3 where there is one, since it reads in larger pieces."""
    if find_library("fuse3"):
        os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")
    import mfusepy  # noqa: F401


def serve_fuse(lookup: PathLookup, at: str, *, idle_s: float = 0.0, ready: Callable[[], object]) -> None:
    """Mount a tree until it is unmounted, or the program gets a signal that ends it.

    Args:
        lookup: the tree.
        at: an empty folder.
        idle_s: unmount after so many seconds without use; 0: never.
        ready: called once it is mounted.

    Raises:
        IbackupError: the system refuses.
    """
    _load()
    import mfusepy

    # What it logs of an error of ours is a traceback, which the standard logger would print.
    logging.getLogger("fuse").addHandler(logging.NullHandler())
    logging.getLogger("fuse").propagate = False
    face = _Face(lookup, ready)
    signals = [each for each in (signal.SIGTERM, getattr(signal, "SIGHUP", None)) if each is not None]
    before = {each: signal.signal(each, signal.SIG_DFL) for each in signals}  # libfuse's own then unmount
    idle = _Idle(face, at, idle_s)
    try:
        mfusepy.FUSE(face, at, raw_fi=True, foreground=True, **mount_options())
    except RuntimeError:
        if face.was_mounted:  # a signal ended it
            return
        raise IbackupError(
            f"The system refused to mount at {at!r}.",
            why="What it said is shown above.",
            hint="On Linux you need the program fusermount3 (package fuse3).",
        ) from None
    finally:
        idle.stop()
        face.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def mount_options(platform: str = sys.platform) -> dict[str, object]:
    """What each system's library knows: libfuse; FUSE-T and macFUSE; WinFsp."""
    options: dict[str, object] = {"fsname": "ibackup", "ro": True}
    if platform == "linux":
        return options | {
            "subtype": "ibackup",
            "nosuid": True,
            "nodev": True,
            "noexec": True,
            "entry_timeout": _KEPT_S,
            "attr_timeout": _KEPT_S,
            "ac_attr_timeout": _KEPT_S,
            "kernel_cache": True,
            "max_read": _MOST_READ,
        }
    options["volname"] = "ibackup"
    if platform == "win32":  # without them root owns the files, and nobody on Windows is root; -1: who mounts
        options |= {"uid": -1, "gid": -1}
    return options


class _Idle:
    """Unmounts after a time without use."""

    def __init__(self, face: "_Face", at: str, seconds: float) -> None:
        self._face = face
        self._at = at
        self._seconds = seconds
        self._over = threading.Event()
        if seconds:
            threading.Thread(target=self._watch, name="ibackup idle mount", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        from ibackup.mount.unmounting import unmount

        while not self._over.wait(min(self._seconds / 4, 10.0)):
            if time.monotonic() - self._face.used >= self._seconds and not self._face.is_reading:
                with contextlib.suppress(IbackupError):  # a terminal is in it, so it is in use
                    unmount(self._at)


class _OpenFile:
    """A file that programs read. The system asks for pieces from several threads, and not in their order.

    Attributes:
        size: bytes that it has.
    """

    def __init__(self, stream: BinaryIO) -> None:
        # A buffer would be filled and thrown away for each piece.
        raw = stream.detach() if isinstance(stream, io.BufferedReader) else cast("io.BufferedIOBase", stream)
        self._stream: io.RawIOBase | io.BufferedIOBase = raw
        self._lock = threading.Lock()
        self.size = self._stream.seek(0, os.SEEK_END)

    def read_into(self, start: int, piece: memoryview) -> int:
        """Fill a piece, and return how much of it; less only at the end. Raises OSError.

        If the file became shorter, that is an error too: it would look like its end.
        """
        wanted, filled = min(len(piece), self.size - start), 0
        with self._lock:
            self._stream.seek(start)
            while filled < wanted:
                got = self._stream.readinto(piece[filled:wanted])
                if not got:
                    raise OSError(errno.EIO, "the file has become shorter")
                filled += got
        return filled

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._stream.close()


class _Face:
    """mfusepy calls this, from any thread; a method's errors become numbers for the system."""

    use_ns = True

    def __init__(self, lookup: PathLookup, ready: Callable[[], object]) -> None:
        self._lookup = lookup
        self._ready = ready
        self._files: dict[int, _OpenFile] = {}
        self._buffers: dict[int, bytearray] = {}
        self._numbers = count(1)
        self._owner = {"st_uid": os.getuid(), "st_gid": os.getgid()} if hasattr(os, "getuid") else {}
        self.used = time.monotonic()
        self.was_mounted = False

    @property
    def is_reading(self) -> bool:
        return bool(self._files)

    def init_with_config(self, connection: "fuse_conn_info | None", _config: object) -> None:
        if connection is not None and hasattr(connection, "max_read"):
            connection.max_read = _MOST_READ  # libfuse 3 wants it here as well as in the options
        self.was_mounted = True
        self._ready()

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def getattr(self, path: str, _handle: object = None) -> dict[str, int]:
        return self._attributes(self._node(path))

    def readdir(self, path: str, _handle: int) -> Iterator[tuple[str, dict[str, int], int]]:
        self.used = time.monotonic()
        with _as_numbers(path):
            children = self._lookup.children(path)
        if children is None:
            raise OSError(errno.ENOTDIR, path)
        yield ".", {"st_mode": stat.S_IFDIR}, 0
        yield "..", {"st_mode": stat.S_IFDIR}, 0
        for name, node in children.items():
            yield name, {"st_mode": _mode(node)}, 0

    def readlink(self, path: str) -> str:
        node = self._node(path)
        if not isinstance(node, MountedLink):
            raise OSError(errno.EINVAL, path)
        return node.target

    def open(self, path: str, info: "fuse_file_info") -> int:
        node = self._node(path)
        if not isinstance(node, MountedFile):
            raise OSError(errno.EISDIR, path)
        if info.flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, path)
        with _as_numbers(path):
            file = _OpenFile(node.open())
        info.fh = next(self._numbers)
        # The system cuts reads at the size that it was told, unless it is to ask each time.
        info.direct_io = file.size != node.size
        info.keep_cache = file.size == node.size
        self._files[info.fh] = file
        return 0

    def read(
        self, path: str, size: int, offset: int, info: "fuse_file_info"
    ) -> "ctypes.Array[ctypes.c_char]":
        self.used = time.monotonic()
        with _as_numbers(path):
            buffer = self._buffer(size)
            got = self._files[info.fh].read_into(offset, memoryview(buffer)[:size])
            return (ctypes.c_char * got).from_buffer(buffer)

    def _buffer(self, size: int) -> bytearray:
        """Of this thread, which uses it until it is asked again: new memory for each piece would take twice as long."""
        thread = threading.get_ident()
        known = self._buffers.get(thread)
        if known is None or len(known) < size:
            if len(self._buffers) >= _MOST_THREADS:
                self._buffers.clear()
            known = self._buffers[thread] = bytearray(size)
        return known

    def release(self, _path: str, info: "fuse_file_info") -> int:
        file = self._files.pop(info.fh, None)
        if file is not None:
            file.close()
        return 0

    def statfs(self, _path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 255}

    def _node(self, path: str) -> MountedNode:
        self.used = time.monotonic()
        with _as_numbers(path):
            node = self._lookup.find(path)
        if node is None:
            raise OSError(errno.ENOENT, path)
        return node

    def _attributes(self, node: MountedNode) -> dict[str, int]:
        modified = node.modified * 10**9
        size = node.size if isinstance(node, MountedFile) else 0
        return {
            "st_mode": _mode(node),
            "st_nlink": 1,
            "st_size": size,
            "st_blocks": -(-size // 512),
            "st_mtime": modified,
            "st_ctime": modified,
            "st_atime": modified,
            **self._owner,
        }


def _mode(node: MountedNode) -> int:
    if isinstance(node, MountedFile):
        return stat.S_IFREG | 0o400
    return stat.S_IFLNK | 0o777 if isinstance(node, MountedLink) else stat.S_IFDIR | 0o500


class _as_numbers:  # noqa: N801 - used like a function; a generator would cost a fifth of a listing
    """Turns errors of a backup into what a program gets: an input/output error; the log has the reason."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, IbackupError):
            _log.warning("A file of the mounted backup cannot be read: %s", error.message)
            raise OSError(errno.EIO, self._path) from error
        if isinstance(error, OSError) and not error.errno:
            raise OSError(errno.EIO, self._path) from error
