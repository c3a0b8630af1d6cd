"""Takes from Python what it does not have on Windows, and has files behave as they do there; put it into PYTHONPATH.

It is no Windows: paths, text and programs stay those of this system. What is missing is missing for ``ibackup`` alone,
which sees ``win32`` and ``nt``; the standard library keeps using the system that it is on.
"""

import builtins
import ctypes
import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import types
from collections.abc import Callable, Collection
from typing import Any

_REAL: dict[str, Any] = {
    name: getattr(os, name) for name in ("open", "fsync", "rename", "replace", "unlink", "lstat")
}
_UNAVAILABLE = (
    "chown", "fchmod", "fchown", "fstatvfs", "getgid", "getegid", "getuid", "geteuid", "killpg", "lchown", "mkfifo",
    "posix_fadvise", "posix_fallocate", "preadv", "pread", "pwrite", "readv", "setsid", "statvfs", "sync", "writev",
    "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK",
)  # fmt: skip
_DIR_FD = (
    "access", "chmod", "link", "mkdir", "readlink", "remove", "rename", "replace", "rmdir", "stat", "symlink", "unlink",
    "utime",
)  # fmt: skip


def _denied(path: Any) -> PermissionError:
    return PermissionError(errno.EACCES, "it is open in a program, or a folder", path)


def _open_files() -> set[tuple[int, int]]:
    """The regular files that this process has open, by device and inode."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            about = os.fstat(int(name))
        except OSError:
            continue  # the one that lists
        if stat.S_ISREG(about.st_mode):
            found.add((about.st_dev, about.st_ino))
    return found


def _refuse_open(path: Any) -> None:
    """A file that is open can be neither removed, nor renamed, nor replaced, and no folder above it be renamed."""
    try:
        about = _REAL["lstat"](path)
    except OSError:
        return  # the call itself tells
    held = _open_files()
    if stat.S_ISDIR(about.st_mode):
        for top, _, names in os.walk(path):
            for name in names:
                inner = _REAL["lstat"](os.path.join(top, name))
                if (inner.st_dev, inner.st_ino) in held:
                    raise _denied(path)
    elif (about.st_dev, about.st_ino) in held:
        raise _denied(path)


def _without_dir_fd(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        for word in ("dir_fd", "src_dir_fd", "dst_dir_fd"):
            if kwargs.pop(word, None) is not None:
                raise NotImplementedError(f"{name}: {word} unavailable on this platform")
        return function(*args, **kwargs)

    call.__name__ = name
    return call


def _open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    if dir_fd is not None:
        raise NotImplementedError("open: dir_fd unavailable on this platform")
    if os.path.isdir(path):
        raise _denied(path)
    return int(_REAL["open"](path, flags, mode))


def _fsync(fd: int) -> None:
    """FlushFileBuffers wants a handle that may write."""
    with open(f"/proc/self/fdinfo/{fd}") as about:
        flags = next(int(line.split()[1], 8) for line in about if line.startswith("flags:"))
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    _REAL["fsync"](fd)


def _at(path: Any, dir_fd: int | None) -> Any:
    """The standard library removes folders by descriptors on this system."""
    return path if dir_fd is None else os.path.join(f"/proc/self/fd/{dir_fd}", os.fspath(path))


def _rename(
    source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
) -> None:
    source, target = _at(source, src_dir_fd), _at(target, dst_dir_fd)
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
    _refuse_open(source)
    _REAL["rename"](source, target)


def _replace(
    source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
) -> None:
    source, target = _at(source, src_dir_fd), _at(target, dst_dir_fd)
    _refuse_open(source)
    if os.path.isdir(target):
        raise _denied(target)
    _refuse_open(target)
    _REAL["replace"](source, target)


def _unlink(path: Any, *, dir_fd: int | None = None) -> None:
    path = _at(path, dir_fd)
    _refuse_open(path)
    _REAL["unlink"](path)


def _msvcrt() -> types.ModuleType:
    import fcntl

    def locking(fd: int, mode: int, count: int) -> None:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, count, os.lseek(fd, 0, os.SEEK_CUR))
        except BlockingIOError:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None

    module = types.ModuleType("msvcrt")
    module.__dict__.update(LK_NBLCK=2, locking=locking)
    return module


class _Kernel:
    """Of kernel32 what ibackup calls; nothing can be looked at there."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        class Function:
            restype: Any = None
            argtypes: Any = None

            def __call__(self, *_: Any) -> int:
                return 1

        function = Function()
        setattr(self, name, function)
        return function


class _Seen(types.ModuleType):
    """A module as ibackup sees it: another one, but for some names."""

    def __init__(self, real: types.ModuleType, hidden: Collection[str] = (), **other: Any) -> None:
        super().__init__(real.__name__)
        self.__dict__.update(other, _real=real, _hidden=hidden)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["_hidden"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self.__dict__["_real"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_real"], name, value)


def _seen() -> dict[str, types.ModuleType | None]:
    """What ibackup gets for a module's name; None: there is no such module."""
    without = {name: _without_dir_fd(name, getattr(os, name)) for name in _DIR_FD}
    return {
        "sys": _Seen(sys, platform="win32"),
        "os": _Seen(
            os, _UNAVAILABLE, name="nt", O_BINARY=0, open=_open, fsync=_fsync,
            supports_dir_fd=set(), supports_fd=set(), supports_follow_symlinks={os.stat}, **without,
        ),
        "signal": _Seen(signal, CTRL_BREAK_EVENT=signal.SIGINT),
        "socket": _Seen(socket, ("AF_UNIX",), socketpair=_socketpair),
        "subprocess": _Seen(subprocess, CREATE_NEW_PROCESS_GROUP=0, CREATE_NO_WINDOW=0),
        "msvcrt": _msvcrt(),
        **dict.fromkeys(("fcntl", "grp", "pwd", "resource", "termios")),
    }  # fmt: skip


def _socketpair(*_: Any, **__: Any) -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _address = listener.accept()
        return one, other


def _install() -> None:
    for name, function in (
        ("rename", _rename),
        ("replace", _replace),
        ("unlink", _unlink),
        ("remove", _unlink),
    ):
        setattr(os, name, function)
    real, seen, kernel = builtins.__import__, _seen(), _Kernel()

    def imported(
        name: str, where: Any = None, local: Any = None, fromlist: Any = (), level: int = 0, **named: Any
    ) -> Any:
        where = named.get("globals", where)
        who = where.get("__name__", "") if where else ""
        if level or name not in seen or who.partition(".")[0] != "ibackup":
            return real(name, where, local, named.get("fromlist", fromlist), level)
        found = seen[name]
        if found is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found

    builtins.__import__ = imported  # type: ignore[assignment]
    ctypes.WinDLL = lambda *_, **__: kernel  # type: ignore[attr-defined]
    ctypes.windll = types.SimpleNamespace(kernel32=kernel)  # type: ignore[attr-defined]


_install()
