"""Files and folders made so that they are private from the first moment and still there after a power cut."""

import contextlib
import ctypes
import ctypes.util
import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterable

from ibackup.confined import patiently, replace

_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_F_FULLFSYNC = 51
_AT_FDCWD = {"linux": -100, "darwin": -2}
_RENAME_NOREPLACE = 1
_RENAME_EXCL = 4

# Where syncfs(2) means: all that was written is on the disk. Network and FUSE file systems may only pass it on.
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
_OCTAL = re.compile(r"\\([0-7]{3})")  # how mountinfo writes spaces


def make_dir(path: str, *, parents: bool = False) -> bool:
    """Make a folder with mode 0700 whatever the umask; False when one was there already."""
    try:
        os.mkdir(path, 0o700)
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
    """Set a mode; False where the file system has none to set."""
    try:
        os.chmod(path, mode)
    except OSError as error:
        if error.errno in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}:
            return False
        raise
    return True


def make_own(fd: int, mode: int = 0o600) -> None:
    """Give a file that was just made its mode, whatever the umask took or left."""
    if hasattr(os, "fchmod") and stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        with contextlib.suppress(PermissionError):  # a share without modes
            os.fchmod(fd, mode)


def write_file(path: str, data: bytes, *, mode: int = 0o600) -> None:
    """Put a small file in place: written under a fresh name, on the disk, then renamed over what was there."""
    folder, name = os.path.split(path)
    fresh = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY, 0o600)
    try:
        with open(fd, "wb") as target:
            make_own(fd, mode)
            target.write(data)
            target.flush()
            sync_fd(fd)
        replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            os.unlink(fresh)
        raise
    sync_dir(folder)


def sync_fd(fd: int) -> None:
    """Have everything written to this descriptor on the disk itself, not only in its cache."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(fd, _F_FULLFSYNC)
        except OSError:
            os.fsync(fd)  # network shares know only this
        return
    os.fsync(fd)


def sync_dir(path: str) -> None:
    """Have a folder's entries on the disk; nothing to do on Windows, whose folders cannot be synced."""
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
        # Some shares and FUSE file systems have no such thing for folders.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}:
            raise


def sync_all(folder: str, files: Iterable[str], folders: Iterable[str]) -> None:
    """Have the given files and then the folders on the disk, at once where the file system can do that.

    Args:
        folder: any folder on the file system in question.
        files: full paths; each must exist. Not touched where ``syncfs`` does it all.
        folders: full paths, likewise.

    Raises:
        OSError: something could not be written back.
    """
    if _sync_whole_file_system(folder):
        return
    for path in files:
        # Windows flushes only what may be written to; these files are new and belong to nobody else yet.
        fd = os.open(path, (os.O_RDWR if sys.platform == "win32" else os.O_RDONLY) | _NOFOLLOW | _BINARY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    for path in folders:
        sync_dir(path)
    if sys.platform == "darwin":
        # fsync hands a file to the drive; this has the drive empty its cache, for all files before it too.
        fd = os.open(folder, os.O_RDONLY)
        try:
            sync_fd(fd)
        finally:
            os.close(fd)


def _sync_whole_file_system(folder: str) -> bool:
    """``syncfs``, where it exists and its answer can be relied on."""
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


def file_system(path: str) -> str:
    """The type of the file system that holds ``path``, as Linux names it; empty when unknown."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as source:
            lines = source.readlines()
    except OSError:
        return ""
    path = os.path.realpath(path)
    best, found = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        columns = before.split(" ")
        if len(columns) < 5 or not after:
            continue
        mount = _OCTAL.sub(lambda escape: chr(int(escape[1], 8)), columns[4])
        # The last of several mounts on the same folder is the one that shows.
        if len(mount) >= best and (path == mount or path.startswith(mount.rstrip("/") + "/")):
            best, found = len(mount), after.split(" ", 1)[0]
    return found


def rename_new(source: str, target: str) -> None:
    """Rename a file or folder to a name that nothing has.

    Raises:
        FileExistsError: something has it.
        OSError: anything else.
    """
    if _rename_by_system(source, target):
        return
    # Without help from the system a gap stays between look and rename; a folder that holds something is never
    # replaced by rename(2) even then, and Windows replaces nothing.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    try:
        patiently(lambda: os.rename(source, target))
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        raise


def _rename_by_system(source: str, target: str) -> bool:
    """Rename without replacing by the system's own call; False where it has none for this file system."""
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
    """A function of the C library, or None where it has none of that name."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None
    function: Callable[..., int] | None = getattr(library, name, None)
    return function
