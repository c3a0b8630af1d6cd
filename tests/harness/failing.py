"""A disk that fails at the n-th call: full, broken, forbidden, read-only, or taking less than it was given."""

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from harness.calls import CHANGING, WRITING, Call

Way = Literal[
    "full",
    "broken",
    "forbidden",
    "read-only",
    "short",
    "full for good",
    "broken for good",
    "read-only for good",
]
WAYS: tuple[Way, ...] = (
    "full",
    "broken",
    "forbidden",
    "read-only",
    "short",
    "full for good",
    "broken for good",
    "read-only for good",
)  # fmt: skip

_ERRNO = {
    "full": errno.ENOSPC,
    "broken": errno.EIO,
    "forbidden": errno.EACCES,
    "read-only": errno.EROFS,
    "short": 0,
}
_SQLITE = {
    errno.ENOSPC: (sqlite3.SQLITE_FULL, "database or disk is full"),
    errno.EIO: (sqlite3.SQLITE_IOERR, "disk I/O error"),
    errno.EACCES: (sqlite3.SQLITE_CANTOPEN, "unable to open database file"),
    errno.EROFS: (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
}
_READING = ("SELECT", "PRAGMA")


@dataclass
class FailingDisk:
    """A hook for ``seen``: fails at call ``at``, counted among the calls that can fail that way.

    Attributes:
        way: how.
        at: the first call that fails, from 1; 0 is a disk that is well.
        count: how many calls of that kind there were.
        failed: the calls that failed.
    """

    way: Way
    at: int = 0

    def __post_init__(self) -> None:
        self.count = 0
        self.failed: list[str] = []
        self._lock = threading.Lock()
        self._kind = self.way.removesuffix(" for good")
        self._errno = _ERRNO[self._kind]

    def __call__(self, call: Call) -> Any:
        if not self._can_fail(call):
            return call.make()
        with self._lock:
            self.count += 1
            strikes = 0 < self.at <= self.count if self.way.endswith("good") else self.at == self.count
            if strikes:
                self.failed.append(str(call))
        return self._fail(call) if strikes else call.make()

    def _can_fail(self, call: Call) -> bool:
        if call.name == "sqlite" and call.path.startswith(_READING) and self._kind in {"full", "read-only"}:
            return False
        return _CAN[self._kind](call)

    def _fail(self, call: Call) -> Any:
        if self._kind == "short":
            fd, data = call.args
            if call.name == "writev":
                return os.write(fd, memoryview(data[0])[: max(1, len(data[0]) // 2)])
            return call.real(fd, memoryview(data)[: max(1, len(data) // 2)])
        if call.name == "sqlite":
            code, text = _SQLITE[self._errno]
            error = sqlite3.OperationalError(text)
            error.sqlite_errorcode = code
            raise error
        raise OSError(self._errno, os.strerror(self._errno), call.path)


def _short(call: Call) -> bool:
    return (
        call.name in {"write", "writev"}
        and sum(map(len, call.args[1] if call.name == "writev" else [call.args[1]])) > 1
    )


_CAN: dict[str, Callable[[Call], bool]] = {
    "full": lambda call: call.name in WRITING,
    "read-only": lambda call: call.name in CHANGING,
    "broken": lambda _: True,
    "forbidden": lambda call: (
        call.name
        in {"open", "create", "sqlite", "scandir", "stat", "lstat"}
        | CHANGING - {"write", "writev", "fsync", "syncfs", "chmod", "fchmod"}
    ),
    "short": _short,
}
