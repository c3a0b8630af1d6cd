"""Walking folders that somebody else may have prepared: by descriptors where there are any, no link followed."""

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from ibackup import confined
from ibackup.confined import PathRefused
from ibackup.store import durable
from ibackup.store.linkers import HAS_DIR_FD, Folder

_OPEN = (
    os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
)
_REPARSE_POINT = 0x400
_MAX_OPEN = 16


class Tree:
    """The folders below one folder, as something that os calls can start from.

    Args:
        path: the folder itself; links on the way to it are followed.
        make: whether folders that are not there are made.
    """

    def __init__(self, path: str, *, make: bool = False) -> None:
        self.path = path
        self._make = make
        self._open: OrderedDict[str, Folder] = OrderedDict()
        self._root: Folder = os.open(path, _OPEN) if HAS_DIR_FD else path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every descriptor."""
        for folder in (*self._open.values(), self._root):
            _close(folder)
        self._open.clear()
        self._root = self.path

    def folder(self, path: str) -> Folder:
        """A folder by its path below the root, good until some sixteen others were asked for; ``""`` is the root.

        Raises:
            FileNotFoundError: it is not there, and folders are not made.
            NotADirectoryError: something else is there, or a link.
        """
        if not path:
            return self._root
        known = self._open.get(path)
        if known is not None:
            return known
        parent_path, _, name = path.rpartition("/")
        parent = self.folder(parent_path)
        opened = self._descend(parent, name)
        self._open[path] = opened
        if len(self._open) > _MAX_OPEN:
            # Never the one just opened; its parent only when nothing else is left, and then it is done with.
            _close(self._open.popitem(last=False)[1])
        return opened

    def _descend(self, parent: Folder, name: str) -> Folder:
        if isinstance(parent, int):
            if self._make:
                _make_dir_at(parent, name)
            return os.open(name, _OPEN, dir_fd=parent)
        path = os.path.join(parent, name)
        if self._make:
            durable.make_dir(path)
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or getattr(found, "st_file_attributes", 0) & _REPARSE_POINT:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return path


def _make_dir_at(parent: int, name: str) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return
    if os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode & 0o777 != 0o700:
        try:
            os.chmod(name, 0o700, dir_fd=parent)
        except PermissionError:
            pass  # a share without modes; the store says so once


def _close(folder: Folder) -> None:
    if isinstance(folder, int):
        os.close(folder)


class Found(NamedTuple):
    """What a walk came by: a name in the folder ``folder`` (``""`` is the root) and its lstat."""

    folder: str
    name: str
    stat: os.stat_result

    @property
    def path(self) -> str:
        """Relative to the root, with forward slashes."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


def walk(root: str) -> Iterator[tuple[str, list[Found]]]:
    """Every folder at and below ``root``, each with all that it holds, folders above first.

    Raises:
        PathRefused: deeper than any backup.
        OSError: a folder cannot be read.
    """
    waiting = [""]
    with Tree(root) as tree:
        while waiting:
            folder = waiting.pop()
            if folder.count("/") >= confined.MAX_DEPTH:
                raise PathRefused(folder, f"is deeper than {confined.MAX_DEPTH} folders")
            with os.scandir(tree.folder(folder)) as entries:
                held = [Found(folder, entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
            yield folder, held
            waiting.extend(each.path for each in held if stat.S_ISDIR(each.stat.st_mode))


def folders(root: str) -> Iterator[str]:
    """Every folder at and below ``root``; of what else they hold nothing is looked at."""
    waiting = [""]
    with Tree(root) as tree:
        while waiting:
            folder = waiting.pop()
            yield folder
            if folder.count("/") < confined.MAX_DEPTH:
                prefix = f"{folder}/" if folder else ""
                with os.scandir(tree.folder(folder)) as entries:
                    waiting.extend(
                        prefix + each.name for each in entries if each.is_dir(follow_symlinks=False)
                    )
