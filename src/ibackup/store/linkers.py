"""Three ways to have a file of a finished snapshot in the working copy too, the cheapest first.

A reflink shares the blocks and nothing else. A hard link is the same file under two names; that is safe because
nothing ever opens an existing file for writing. A copy is the last resort and has to be asked for.
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

from ibackup.store import durable

Folder = int | str  # a descriptor where the system has dir_fd, else a path

HAS_DIR_FD = os.link in os.supports_dir_fd and os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_LINK_ITSELF = os.link in os.supports_follow_symlinks
_FICLONE = 0x40049409
_CLONE_NOFOLLOW = 1
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

# How a file system says that it cannot do this at all, rather than that something went wrong. EPERM is what
# FAT answers to link(2), EMLINK that one file has all the links it may have.
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
    """Whether an error means that this way is not to be had for this file, while another may be."""
    return error.errno in CANNOT or getattr(error, "winerror", None) in _WINDOWS_CANNOT


def place(folder: Folder, name: str) -> tuple[str, int | None]:
    """The path and ``dir_fd`` by which an os call reaches a name in a folder."""
    return (name, folder) if isinstance(folder, int) else (os.path.join(folder, name), None)


class Linker(Protocol):
    """A way to have a file twice; ``name`` is a name for people."""

    name: ClassVar[str]

    def carry(self, source: Folder, target: Folder, name: str) -> bytes | None:
        """Have ``name`` of the one folder in the other too, a link not followed, its time kept.

        Returns:
            The SHA-256 of the content where this way had to read it all, else None.

        Raises:
            OSError: ``cannot`` tells whether another way may do.
        """
        ...


class Reflink:
    """Share the blocks (btrfs, XFS, bcachefs, APFS); both files may then change on their own."""

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
    """Make a new file from an old one by a function of their descriptors; nothing is left when it fails."""
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
            with contextlib.suppress(OSError):  # the first error is the one to tell
                os.unlink(path, dir_fd=at)
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
