"""The folder for extracted files: its staging folder, its free space, and the list of changed names."""

import contextlib
import itertools
import os
import shutil
import stat
import threading
from types import TracebackType
from typing import BinaryIO, Self

from ibackup.base import held
from ibackup.base.confined import Confined, Parts, PathRefused
from ibackup.base.errors import IbackupError, UsageError
from ibackup.explore.file_times import as_ns
from ibackup.explore.file_writer import raise_if_full
from ibackup.explore.target_names import RENAMED_LIST, STAGING, Renamed

try:
    import fcntl
except ImportError:  # Windows, where open files cannot be removed, which is protection enough
    fcntl = None  # type: ignore[assignment]


class TargetFolder:
    """An open target with an empty staging folder; both are released at the end.

    Attributes:
        path: absolute.
        staging: a folder within it that is removed at the end.
        was_empty: whether the target was empty.
        free: bytes that this user can still write.
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
        """Create the folder if it does not exist, and its staging folder.

        Raises:
            UsageError: it is a file or in one of ``keep_out``, or another run writes there.
            NoRoom: the disk is full.
            IbackupError: it cannot be written.
        """
        full = os.path.realpath(path)
        for folder in keep_out:
            if is_within(full, os.path.realpath(folder)):
                raise UsageError(
                    "The files cannot go into a backup or a store.",
                    why=f"{path} is in {folder}, which ibackup never changes.",
                    hint="Choose another folder with --to.",
                )
        try:
            os.makedirs(full, mode=0o700, exist_ok=True)
            was_empty = not any(name for name in os.listdir(full) if name != STAGING)
            staging = os.path.join(full, STAGING)
            made = cls(full, staging, was_empty=was_empty)
            made._begin()
        except FileExistsError:
            raise UsageError(f"{path} is not a folder.", hint="Choose a folder with --to.") from None
        except OSError as error:
            raise_if_full(error)
            raise IbackupError(
                f"The folder {path} is not writable.",
                why=f"The computer reports: {error.strerror or error}.",
                hint="Choose another folder with --to.",
            ) from None
        return made

    def _begin(self) -> None:
        """Create the staging folder; one from an interrupted run is removed first."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.lstat(self.staging).st_mode):
                raise UsageError(
                    f"{self.staging} is in the way.", hint="ibackup did not make it. Move it away."
                )
            self._take_lock()
            self._let_go()
            held.remove_tree(self.staging)
        held.mkdir(self.staging)
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
                f"Another run of ibackup writes into {self.path}.",
                hint="Wait for it, or choose another folder with --to.",
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
        held.remove_tree(self.staging, ignore_errors=True)

    def make_staging(self) -> str:
        """A new folder below the staging folder, for one writer. Raises OSError."""
        with self._lock:
            path = os.path.join(self.staging, f"w{next(self._numbers)}")
        held.mkdir(path)
        return path

    def private_file(self) -> tuple[int, str]:
        """A new file in the staging folder, removed with it: its descriptor and path. Raises OSError."""
        with self._lock:
            path = os.path.join(self.staging, f"f{next(self._numbers)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, 0o600), path

    @staticmethod
    def set_times(confined: Confined, parts: Parts, modified: float) -> None:
        """Set a folder's time, if the system lets us; if not, no data is lost."""
        with contextlib.suppress(OSError, PathRefused):
            confined.set_times(parts, as_ns(modified))


def is_within(path: str, folder: str) -> bool:
    """Whether a real path is a folder's, or below it."""
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:
        return False  # different drives


class RenamedList:
    """The list of changed names, stored beside the files: new path, a tab, domain and original path."""

    def __init__(self, target: TargetFolder) -> None:
        self._target = target
        self._path = ""
        self._fd = -1

    def add(self, renamed: Renamed) -> None:
        """Add one name."""
        if self._fd < 0:
            self._fd, self._path = self._target.private_file()
        line = (
            f"{_plain(renamed.became)}\t{_plain(renamed.domain)}\t{_plain(renamed.path)}\t{renamed.reason}\n"
        )
        _write(self._fd, line.encode())

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def finish(self, confined: Confined) -> str:
        """Put the list in its place, after the entries of earlier runs; return its path, or "" if it is empty.

        Entries that an interrupted run already listed are not repeated.
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
