"""The folder that files are taken out to: its staging folder, its room, and the list of changed names."""

import contextlib
import itertools
import os
import shutil
import stat
import threading
from types import TracebackType
from typing import BinaryIO, Self

from ibackup.confined import Confined, Parts, PathRefused
from ibackup.errors import IbackupError, UsageError
from ibackup.explore.names import RENAMED_LIST, STAGING, Renamed
from ibackup.explore.times import as_ns
from ibackup.explore.writing import raise_if_full

try:
    import fcntl
except ImportError:  # Windows, where files that are open cannot be removed, which guards as well
    fcntl = None  # type: ignore[assignment]


class Target:
    """An opened target with an empty staging folder; both are let go of at the end.

    Attributes:
        path: absolute.
        staging: a folder within it that goes away at the end.
        was_empty: whether nothing was there.
        free: bytes that this user may still write.
    """

    def __init__(self, path: str, staging: str, *, was_empty: bool) -> None:
        self.path = path
        self.staging = staging
        self.was_empty = was_empty
        self.free = shutil.disk_usage(path).free
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._lock_fd = -1

    @classmethod
    def open(cls, path: str, *, keep_out: tuple[str, ...] = ()) -> Self:
        """Make the folder where it is not there, and its staging folder.

        Raises:
            UsageError: it is a file, lies in one of ``keep_out``, or another run writes there.
            NoRoom: the disk is full.
            IbackupError: it cannot be written.
        """
        full = os.path.realpath(path)
        for folder in keep_out:
            if _within(full, os.path.realpath(folder)):
                raise UsageError(
                    "The files cannot go into a backup or a store.",
                    why=f"{path} lies in {folder}, which is never changed.",
                    hint="Name another folder with --to.",
                )
        try:
            os.makedirs(full, mode=0o700, exist_ok=True)
            was_empty = not any(name for name in os.listdir(full) if name != STAGING)
            staging = os.path.join(full, STAGING)
            made = cls(full, staging, was_empty=was_empty)
            made._begin()
        except FileExistsError:
            raise UsageError(f"{path} is not a folder.", hint="Name a folder with --to.") from None
        except OSError as error:
            raise_if_full(error)
            raise IbackupError(
                f"The folder {path} cannot be written.",
                why=f"The computer says: {error.strerror or error}.",
                hint="Name another folder with --to.",
            ) from None
        return made

    def _begin(self) -> None:
        """Make the staging folder anew; one that a broken run left is removed."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.lstat(self.staging).st_mode):
                raise UsageError(
                    f"{self.staging} is in the way.", hint="It is not a folder of ibackup's. Move it."
                )
            self._take_lock()
            self._let_go()
            shutil.rmtree(self.staging)
        os.mkdir(self.staging, 0o700)
        self._take_lock()

    def _take_lock(self) -> None:
        if fcntl is None:
            return
        fd = os.open(self.staging, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0))
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise UsageError(
                f"Another `ibackup extract` writes into {self.path}.",
                hint="Wait for it, or name another folder with --to.",
            ) from None
        except OSError:
            pass  # a network share without locks
        self._lock_fd = fd

    def _let_go(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()
        shutil.rmtree(self.staging, ignore_errors=True)

    def make_staging(self) -> str:
        """A new folder below the staging folder, for one writer. Raises OSError."""
        with self._lock:
            path = os.path.join(self.staging, f"w{next(self._numbers)}")
        os.mkdir(path, 0o700)
        return path

    def private_file(self) -> tuple[int, str]:
        """A new file in the staging folder that goes away with it: its descriptor and path. Raises OSError."""
        with self._lock:
            path = os.path.join(self.staging, f"f{next(self._numbers)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, 0o600), path

    @staticmethod
    def set_times(confined: Confined, parts: Parts, modified: float) -> None:
        """Give a folder its time, where the system lets us: it holds no data, so nothing is lost otherwise."""
        with contextlib.suppress(OSError, PathRefused):
            confined.set_times(parts, as_ns(modified))


def _within(path: str, folder: str) -> bool:
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:
        return False  # different drives


class RenamedList:
    """The list of changed names, kept beside the files: new path, a tab, domain and original path."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._path = ""
        self._fd = -1

    def add(self, renamed: Renamed) -> None:
        """Add one."""
        if self._fd < 0:
            self._fd, self._path = self._target.private_file()
        line = (
            f"{_plain(renamed.became)}\t{_plain(renamed.domain)}\t{_plain(renamed.path)}\t{renamed.reason}\n"
        )
        _write(self._fd, line.encode())

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def finish(self, confined: Confined) -> str:
        """Put the list in its place, after what earlier runs listed; its path, or nothing when it is empty.

        What a run lists that takes up a broken one again is there already.
        """
        if self._fd < 0:
            return ""
        self.close()
        staged = confined.create()
        listed: set[bytes] = set()
        try:
            with (
                contextlib.suppress(FileNotFoundError),
                open(confined.open_file((RENAMED_LIST,)), "rb") as old,
            ):
                _copy_lines(old, staged.fd, listed)
            with open(self._path, "rb") as new:
                _copy_lines(new, staged.fd, listed)
        finally:
            os.close(staged.fd)
        confined.publish(staged, (RENAMED_LIST,))
        return os.path.join(self._target.path, RENAMED_LIST)


def _plain(text: str) -> str:
    """A name on one line, whatever is in it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _copy_lines(source: BinaryIO, target: int, seen: set[bytes]) -> None:
    for line in source:
        if line not in seen:
            seen.add(line)
            _write(target, line)
