"""Three ways to put a file of a finished snapshot into the working copy, the cheapest first.

A reflink shares only the blocks. A hard link is the same file under two names; that is safe because nothing
ever opens an existing file for writing. A copy is the last resort and must be requested.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable
from typing import ClassVar, Protocol

from ibackup.base import held
from ibackup.store.disk import durable

Folder = int | str  # a descriptor if the system has dir_fd, otherwise a path

HAS_DIR_FD = os.link in os.supports_dir_fd and os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_LINK_ITSELF = os.link in os.supports_follow_symlinks
_FICLONE = 0x40049409
_CLONE_NOFOLLOW = 1
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

# Errors that mean that a file system cannot do this at all. EPERM is FAT's answer to link(2); EMLINK means
# that one file has reached its limit of links.
CANNOT = frozenset(
    [
        errno.EPERM,
        errno.ENOTSUP,
        errno.EOPNOTSUPP,
        errno.ENOSYS,
        errno.EXDEV,
        errno.EINVAL,
        errno.ENOTTY,
        errno.EMLINK,
    ]
)
_WINDOWS_CANNOT = {1, 17, 50, 1142}  # invalid function, not same device, not supported, too many links


def cannot(error: OSError) -> bool:
    """Whether an error means that this way is unavailable for this file, but another may work."""
    return error.errno in CANNOT or getattr(error, "winerror", None) in _WINDOWS_CANNOT


def place(folder: Folder, name: str) -> tuple[str, int | None]:
    """The path and ``dir_fd`` by which an os call reaches a name in a folder."""
    return (name, folder) if isinstance(folder, int) else (os.path.join(folder, name), None)


class Linker(Protocol):
    """One way to have a file twice; ``name`` is its name for people."""

    name: ClassVar[str]

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        """Put ``name`` from one folder into the other too, with its time; links are not followed.

        Returns:
            The SHA-256 of the content if this way had to read all of it, otherwise None.

        Raises:
            OSError: ``cannot`` decides whether another way may work.
        """
        ...


class Reflink:
    """Share the blocks (btrfs, XFS, bcachefs, APFS); both files can then change independently."""

    name: ClassVar[str] = "reflinks"

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        """See ``Linker``."""
        if sys.platform == "darwin":
            _clonefile(source, target, name)
            return None
        if not sys.platform.startswith("linux"):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        import fcntl

        def share(old: int, new: int) -> None:
            fcntl.ioctl(new, _FICLONE, old)

        _fill(source, target, name, share)
        return None


class HardLink:
    """The same file under a second name."""

    name: ClassVar[str] = "hard links"

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        """See ``Linker``."""
        if isinstance(source, int) and isinstance(target, int):
            os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
            return None
        old, new = place(source, name)[0], place(target, name)[0]
        if _LINK_ITSELF:
            os.link(old, new, follow_symlinks=False)
        else:
            os.link(old, new)
        return None


class Copy:
    """A second file with the same content, hashed on the way."""

    name: ClassVar[str] = "copies"

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        """See ``Linker``."""
        digest = hashlib.sha256()

        def copy(old: int, new: int) -> None:
            buffer = memoryview(bytearray(1024 * 1024))
            while size := os.readv(old, [buffer]) if hasattr(os, "readv") else _readinto(old, buffer):
                digest.update(buffer[:size])
                rest = buffer[:size]
                while rest:
                    rest = rest[os.write(new, rest) :]

        _fill(source, target, name, copy)
        return digest.digest()


def _readinto(fd: int, buffer: memoryview) -> int:
    data = os.read(fd, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def _fill(source: Folder, target: Folder, name: str, fill: Callable[[int, int], None]) -> None:
    """Make a new file from an old one with a function on their descriptors; if it fails, nothing is left."""
    path, at = place(source, name)
    old = os.open(path, _READ, dir_fd=at)
    try:
        found = os.fstat(old)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        path, at = place(target, name)
        new = os.open(path, _CREATE, 0o600, dir_fd=at)
        try:
            try:
                fill(old, new)
                if os.utime in os.supports_fd:
                    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
            finally:
                os.close(new)
            if os.utime not in os.supports_fd:
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
        except BaseException:
            with contextlib.suppress(OSError):  # report the first error
                held.unlink(path, dir_fd=at)
            raise
    finally:
        os.close(old)


def _clonefile(source: Folder, target: Folder, name: str) -> None:
    """macOS: a new file that shares all blocks, with the old one's time and mode."""
    function = durable.libc("clonefileat")
    if function is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    here = -2  # AT_FDCWD
    old, old_at = place(source, name)
    new, new_at = place(target, name)
    failed = function(
        ctypes.c_int(here if old_at is None else old_at),
        os.fsencode(old),
        ctypes.c_int(here if new_at is None else new_at),
        os.fsencode(new),
        ctypes.c_uint32(_CLONE_NOFOLLOW),
    )
    if failed:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
