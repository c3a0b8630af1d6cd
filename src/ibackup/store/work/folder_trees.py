"""Walks folders that someone else may have prepared: through descriptors if possible, without following links."""

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from ibackup.apple.litter import is_litter
from ibackup.base import confined, held
from ibackup.base.closeable import Closeable
from ibackup.base.confined import PathRefused
from ibackup.store.disk import durable
from ibackup.store.work.linkers import HAS_DIR_FD, Folder

_OPEN = (
    os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
)
_REPARSE_POINT = 0x400
_MAX_OPEN = 16


class FolderTree(Closeable):
    """The folders below one folder, in a form that os calls can start from.

    Args:
        path: the folder itself; links in its path are followed.
        make: whether missing folders are created.
    """

    def __init__(self, path: str, *, make: bool = False) -> None:
        self.path = path
        self._make = make
        self._open: OrderedDict[str, Folder] = OrderedDict()
        self._root: Folder = os.open(path, _OPEN) if HAS_DIR_FD else path

    def close(self) -> None:
        """Close every descriptor."""
        for folder in (*self._open.values(), self._root):
            _close(folder)
        self._open.clear()
        self._root = self.path

    def folder(self, path: str) -> Folder:
        """A folder by its path below the root, valid until about sixteen others were requested; ``""`` is the root.

        Raises:
            FileNotFoundError: it does not exist, and folders are not created.
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
            # Never the one just opened; its parent only if nothing else is left, and then it is no longer
            # needed.
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
        held.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return
    if os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode & 0o777 != 0o700:
        try:
            os.chmod(name, 0o700, dir_fd=parent)
        except OSError as error:
            if not durable.has_no_modes(error):  # the store warns about that once
                raise


def _close(folder: Folder) -> None:
    if isinstance(folder, int):
        os.close(folder)


class Found(NamedTuple):
    """One item found on a walk: a name in the folder ``folder`` (``""`` is the root) and its lstat."""

    folder: str
    name: str
    stat: os.stat_result

    @property
    def path(self) -> str:
        """The path relative to the root, with forward slashes."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


def walk(root: str) -> Iterator[tuple[str, list[Found]]]:
    """Like ``stats_in``, with a record for each item."""
    for folder, inside in stats_in(root):
        yield folder, [Found(folder, name, found) for name, found in inside.items()]


def stats_in(root: str) -> Iterator[tuple[str, dict[str, os.stat_result]]]:
    """Every folder at and below ``root``, each with the lstat of its content by name, parents first.

    What file managers, file servers and sync programs leave there is left out: it comes and goes, even during
    the walk.

    Raises:
        PathRefused: deeper than any backup.
        OSError: a folder cannot be read.
    """
    waiting = [""]
    with FolderTree(root) as tree:
        while waiting:
            folder = waiting.pop()
            if folder.count("/") >= confined.MAX_DEPTH:
                raise PathRefused(folder, f"is deeper than {confined.MAX_DEPTH} folders")
            with os.scandir(tree.folder(folder)) as entries:
                inside = {
                    name: entry.stat(follow_symlinks=False)
                    for entry in entries
                    if not is_litter(name := entry.name)
                }
            prefix = f"{folder}/" if folder else ""
            below = [prefix + name for name, found in inside.items() if stat.S_ISDIR(found.st_mode)]
            yield folder, inside
            waiting += below


def folders(root: str) -> Iterator[str]:
    """Every folder at and below ``root``, without looking at anything else in them."""
    waiting = [""]
    with FolderTree(root) as tree:
        while waiting:
            folder = waiting.pop()
            yield folder
            if folder.count("/") < confined.MAX_DEPTH:
                prefix = f"{folder}/" if folder else ""
                with os.scandir(tree.folder(folder)) as entries:
                    waiting.extend(
                        prefix + each.name
                        for each in entries
                        if each.is_dir(follow_symlinks=False) and not is_litter(each.name)
                    )
