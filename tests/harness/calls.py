"""Between the program and its file system: every call that concerns one folder is seen before it is made.

What is replaced are the functions of ``os`` (by which shutil works too), ``open``, the few calls made by ctypes, and
SQLite's statements. Calls of the virtual iPhone's threads pass unseen, and so does everything outside of the folder.
"""

import builtins
import contextlib
import io
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import unquote

from ibackup.store.disk import durable

PLAIN = [
    "open", "write", "writev", "read", "readv", "fsync", "scandir", "listdir", "mkdir", "rmdir", "unlink", "remove",
    "rename", "replace", "link", "symlink", "chmod", "fchmod", "utime", "stat", "lstat", "fstat", "ftruncate",
    "statvfs", "close",
]  # fmt: skip
WRITING = frozenset(
    [
        "create",
        "write",
        "writev",
        "fsync",
        "mkdir",
        "rename",
        "replace",
        "link",
        "symlink",
        "renameat2",
        "syncfs",
        "sqlite",
        "fclose",
    ]
)
"""The calls that need room on the disk."""
CHANGING = WRITING | frozenset(["rmdir", "unlink", "remove", "chmod", "fchmod", "utime", "ftruncate"])
"""The calls that need a disk that may be written to."""

Real = Callable[..., Any]


@dataclass
class Call:
    """One call that is about to be made.

    Attributes:
        name: the function; ``create`` is an open that makes a file, ``sqlite`` a statement.
        real: makes it.
        args, kwargs: as they were given.
        path: what it is about, relative to the folder where that is known.
    """

    name: str
    real: Real
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    path: str = ""

    def make(self) -> Any:
        return self.real(*self.args, **self.kwargs)

    def __str__(self) -> str:
        return f"{self.name} {self.path}"


Hook = Callable[[Call], Any]
"""Makes the call, or does something else."""


@dataclass
class Calls:
    """The replaced functions.

    Attributes:
        folder: what calls have to concern to be seen.
        hook: is given each of them.
        fds: the descriptors that were opened below the folder, with what they are of.
    """

    folder: str
    hook: Hook
    fds: dict[int, str] = field(default_factory=dict)
    _real: dict[str, Real] = field(default_factory=dict)

    def path_of(self, target: object, dir_fd: object = None) -> str | None:
        """The path that a call is about; None when it is none of ours."""
        if isinstance(target, int):
            return self.fds.get(target)
        if not isinstance(target, str | os.PathLike):
            return None
        path = os.fspath(target)
        if isinstance(dir_fd, int):
            top = self.fds.get(dir_fd)
            return None if top is None else os.path.join(top, path)
        path = os.path.abspath(path)
        return path if path == self.folder or path.startswith(self.folder + os.sep) else None

    def wrapped(self, name: str) -> Real:
        real = self._real[name] = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if _is_phones():
                return real(*args, **kwargs)
            dir_fd = kwargs.get("dir_fd", kwargs.get("src_dir_fd"))
            path = self.path_of(args[0] if args else ".", dir_fd)
            if path is None:
                return real(*args, **kwargs)
            shown = os.path.relpath(path, self.folder)
            if name == "close":
                self.fds.pop(args[0], None)
                return real(*args, **kwargs)
            if name == "open":
                kind = "create" if args[1] & os.O_CREAT else "open"
                fd = self.hook(Call(kind, real, args, kwargs, shown))
                self.fds[fd] = path
                return fd
            return self.hook(Call(name, real, args, kwargs, shown))

        return call

    def open(self, target: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """``open``, whose writing passes by the hook too."""
        real = self._real["builtins.open"]
        path = None if _is_phones() else self.path_of(target)
        if path is None:
            return real(target, mode, *args, **kwargs)
        shown = os.path.relpath(path, self.folder)
        if not isinstance(target, int):
            return self.hook(Call("open", real, (target, mode, *args), kwargs, shown))
        if "w" not in mode:
            # The file object closes it, which nobody else sees.
            self.fds.pop(target, None)
            return real(target, mode, *args, **kwargs)
        raw = _Raw(target, self, shown)
        return raw if kwargs.get("buffering") == 0 else io.BufferedWriter(raw)

    def libc(self, name: str) -> Callable[..., int] | None:
        """The functions that are called by ctypes."""
        function = self._real["libc"](name)
        if function is None or _is_phones():
            return function  # type: ignore[no-any-return]

        def call(*args: Any) -> int:
            import ctypes

            path = self.fds.get(args[0].value) if name == "syncfs" else self.path_of(os.fsdecode(args[1]))
            if path is None:
                return int(function(*args))
            try:
                return int(self.hook(Call(name, function, args, {}, os.path.relpath(path, self.folder))))
            except OSError as error:
                ctypes.set_errno(error.errno or 0)
                return -1

        return call

    def connect(self, database: Any, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        """``sqlite3.connect``, whose statements pass by the hook too."""
        real = self._real["connect"]
        path = unquote(str(database).removeprefix("file:").partition("?")[0])
        if _is_phones() or self.path_of(path) is None:
            return real(database, *args, **kwargs)  # type: ignore[no-any-return]
        calls = self

        class Connection(sqlite3.Connection):
            def execute(self, *given: Any) -> sqlite3.Cursor:
                return calls.statement(super().execute, given)  # type: ignore[no-any-return]

            def executemany(self, *given: Any) -> sqlite3.Cursor:
                return calls.statement(super().executemany, given)  # type: ignore[no-any-return]

        return real(database, *args, factory=Connection, **kwargs)  # type: ignore[no-any-return]

    def statement(self, real: Real, given: tuple[Any, ...]) -> Any:
        if given[0].startswith("ROLLBACK"):
            return real(*given)
        return self.hook(Call("sqlite", real, given, {}, given[0][:40]))


class _Raw(io.FileIO):
    """A file object made of a descriptor, whose writes are seen."""

    def __init__(self, fd: int, calls: Calls, shown: str) -> None:
        super().__init__(fd, "wb")
        self._calls = calls
        self._shown = shown
        self._fd = fd

    def write(self, data: Any) -> int:
        # os.write and not our own: the hook may want to know the descriptor.
        real = self._calls._real["write"]
        return int(self._calls.hook(Call("write", real, (self._fd, data), {}, self._shown)))

    def close(self) -> None:
        if not self.closed:
            self._calls.fds.pop(self._fd, None)
        super().close()


@contextlib.contextmanager
def seen(folder: os.PathLike[str] | str, hook: Hook) -> Iterator[Calls]:
    """Every call inside the block that is about ``folder`` goes by the hook."""
    calls = Calls(os.path.abspath(folder), hook)
    calls._real.update(libc=durable.libc, connect=sqlite3.connect)
    calls._real["builtins.open"] = builtins.open
    with contextlib.ExitStack() as stack:
        for name in PLAIN:
            if not hasattr(os, name):
                continue
            real, call = getattr(os, name), calls.wrapped(name)
            for group in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
                if real in group:
                    group.add(call)
                    stack.callback(group.discard, call)
            stack.enter_context(mock.patch.object(os, name, call))
        stack.enter_context(mock.patch.object(builtins, "open", calls.open))
        stack.enter_context(mock.patch.object(durable, "libc", calls.libc))
        stack.enter_context(mock.patch.object(sqlite3, "connect", calls.connect))
        yield calls


def _is_phones() -> bool:
    return threading.current_thread().name.startswith("virtual-")
