"""Makes files and folders that are private from the first moment and survive a power cut."""

import contextlib
import ctypes
import ctypes.util
import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterable

from ibackup.base import held
from ibackup.base.disks import file_system

_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_F_FULLFSYNC = 51
_AT_FDCWD = {"linux": -100, "darwin": -2}
_RENAME_NOREPLACE = 1
_RENAME_EXCL = 4

# File systems where syncfs(2) guarantees that all written data is on the disk. Network and FUSE file systems
# may only pass it on.
_LOCAL = frozenset(
    [
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "f2fs",
        "bcachefs",
        "jfs",
        "nilfs2",
        "zfs",
        "tmpfs",
        "vfat",
        "exfat",
    ]
)


def make_dir(path: str, *, parents: bool = False) -> bool:
    """Make a folder with mode 0700, whatever the umask; False if it already exists."""
    try:
        held.mkdir(path)
    except FileNotFoundError:
        if not parents:
            raise
        make_dir(os.path.dirname(path), parents=True)
        return make_dir(path)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
        return False
    if os.stat(path).st_mode & 0o777 != 0o700:
        set_mode(path, 0o700)
    return True


def set_mode(path: str, mode: int) -> bool:
    """Set a mode; False if the file system has no modes."""
    try:
        os.chmod(path, mode)
    except OSError as error:
        if not has_no_modes(error):
            raise
        return False
    return True


def has_no_modes(error: OSError) -> bool:
    """Whether a change of a mode failed because the file system has none: FAT, some shares and FUSE."""
    return error.errno in {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


def make_own(fd: int, mode: int = 0o600) -> None:
    """Give a new file its mode, whatever the umask."""
    if hasattr(os, "fchmod") and stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        try:
            os.fchmod(fd, mode)
        except OSError as error:
            if not has_no_modes(error):
                raise


def write_file(path: str, data: bytes, *, mode: int = 0o600) -> None:
    """Write a small file: under a new name first, then on the disk, then renamed over the old one."""
    folder, name = os.path.split(path)
    fresh = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY, 0o600)
    try:
        with open(fd, "wb") as target:
            make_own(fd, mode)
            target.write(data)
            target.flush()
            sync_fd(fd)
        held.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):  # report the first error
            held.unlink(fresh)
        raise
    sync_dir(folder)


def sync_fd(fd: int) -> None:
    """Make sure that everything written to this descriptor is on the disk, not only in its cache."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(fd, _F_FULLFSYNC)
        except OSError:
            os.fsync(fd)  # network shares support only this
        return
    os.fsync(fd)


def sync_dir(path: str) -> None:
    """Make sure that a folder's entries are on the disk; does nothing on Windows, where folders cannot be synced."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | _DIRECTORY)
    try:
        _fsync_dir(fd)
    finally:
        os.close(fd)


def _fsync_dir(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        # Some shares and FUSE file systems cannot do that for folders.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}:
            raise


def sync_all(folder: str, files: Iterable[str], folders: Iterable[str]) -> None:
    """Make sure that the files, then the folders, are on the disk, in one call if the file system can do that.

    Args:
        folder: any folder on that file system.
        files: full paths; each must exist. Not used if ``syncfs`` does everything.
        folders: full paths, under the same conditions.

    Raises:
        OSError: something could not be written.
    """
    if _sync_whole_file_system(folder):
        return
    for path in files:
        # Windows flushes only files opened for writing. These files are new, and nothing else uses them yet.
        fd = os.open(path, (os.O_RDWR if sys.platform == "win32" else os.O_RDONLY) | _NOFOLLOW | _BINARY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    for path in folders:
        sync_dir(path)
    if sys.platform == "darwin":
        # fsync passes a file to the drive. This makes the drive empty its cache, for all earlier files too.
        fd = os.open(folder, os.O_RDONLY)
        try:
            sync_fd(fd)
        finally:
            os.close(fd)


def _sync_whole_file_system(folder: str) -> bool:
    """``syncfs``, if it exists and its answer can be trusted."""
    if not sys.platform.startswith("linux") or file_system(folder) not in _LOCAL:
        return False
    syncfs = libc("syncfs")
    if syncfs is None:
        return False
    fd = os.open(folder, os.O_RDONLY | _DIRECTORY)
    try:
        if syncfs(ctypes.c_int(fd)) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), folder)
    finally:
        os.close(fd)
    return True


def rename_new(source: str, target: str) -> None:
    """Rename a file or folder to an unused name.

    Raises:
        FileExistsError: the name is used.
        OSError: any other error.
    """
    if _rename_by_system(source, target):
        return
    # Without help from the system there is a gap between the check and the rename. Even then rename(2) never
    # replaces a folder that has content, and Windows replaces nothing.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    try:
        held.patiently(lambda: os.rename(source, target))
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        raise


def _rename_by_system(source: str, target: str) -> bool:
    """Rename without replacing through the system's own call; False if it has none for this file system."""
    platform = "linux" if sys.platform.startswith("linux") else sys.platform
    call = {"linux": "renameat2", "darwin": "renameatx_np"}.get(platform)
    function = libc(call) if call else None
    if function is None:
        return False
    here = ctypes.c_int(_AT_FDCWD[platform])
    flag = ctypes.c_uint(_RENAME_NOREPLACE if platform == "linux" else _RENAME_EXCL)
    if function(here, os.fsencode(source), here, os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}:
        return False
    raise OSError(code, os.strerror(code), source, None, target)


def libc(name: str) -> Callable[..., int] | None:
    """A function of the C library, or None."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None
    function: Callable[..., int] | None = getattr(library, name, None)
    return function
