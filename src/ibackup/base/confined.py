"""The one class through which every path that came from outside is opened.

A phone names the paths it wants written, moved, deleted and read back, and a backup folder names its own
files. ``Confined`` holds one folder open and resolves such names below it: by an allow-list grammar first,
then directory by directory with ``O_NOFOLLOW``, so that neither ``..`` nor a link leads out, not even one that
appears while we look. New files are made under a fresh name in a staging folder and renamed into place; nothing
ever opens an existing file for writing, because finished snapshots share their files by hard links.

Windows has neither ``dir_fd`` nor ``O_NOFOLLOW``; there each directory on the way is checked for reparse points.
An instance is for one thread at a time.
"""

import contextlib
import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Literal, NamedTuple

from ibackup.base import held
from ibackup.base.closeable import Closeable
from ibackup.base.descriptors import TOO_MANY, TooManyOpen
from ibackup.base.errors import ProtocolBroken

MAX_PATH_BYTES = 4096
MAX_NAME_BYTES = 255
MAX_DEPTH = 16

Parts = tuple[str, ...]

_POSIX_AT = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_REPARSE_POINT = 0x400
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY | _CLOEXEC
# The errors of a rename that needs more steps, because it moves or replaces a folder.
_FOLDER_IN_THE_WAY = frozenset([errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST, errno.EINVAL])

# Characters that are special on some file system; refused everywhere, so that a store can move.
_FORBIDDEN = frozenset('<>:"/\\|?*') | frozenset(map(chr, range(32))) | {"\x7f"}
_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)


class PathRefused(ProtocolBroken):
    """A path from outside leaves the folder, or has a name that this format may not use."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The path {shown(path)} was refused.",
            why=f"It {reason}.",
            hint="Nothing was touched. Try another cable and restart the phone; if the problem persists, report it.",
        )
        self.path = path
        self.flaw = reason


def shown(path: str, limit: int = 200) -> str:
    """A path from outside, made safe to print: control characters escaped, cut at ``limit`` characters."""
    text = ascii(path) if any(not char.isprintable() for char in path) else f'"{path}"'
    return text if len(text) <= limit else text[:limit] + "…"


def parse(path: str) -> Parts:
    """Split a path from outside into checked names.

    Empty components (a doubled or a trailing slash) are dropped; anything else that is not a plain name on every
    system is refused.

    Raises:
        PathRefused: the path is empty, absolute, too long, too deep or has a name that is not allowed.
    """
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise PathRefused(path, "is not valid Unicode") from None
    if len(encoded) > MAX_PATH_BYTES:
        raise PathRefused(path, f"is longer than {MAX_PATH_BYTES} bytes")
    if path.startswith(("/", "\\")):
        raise PathRefused(path, "is absolute")
    parts = tuple(part for part in path.split("/") if part)
    if not parts:
        raise PathRefused(path, "names nothing")
    if len(parts) > MAX_DEPTH:
        raise PathRefused(path, f"is deeper than {MAX_DEPTH} folders")
    for part in parts:
        reason = name_flaw(part)
        if reason:
            raise PathRefused(path, reason)
    return parts


def name_flaw(name: str) -> str:
    """Why a single name may not be used; empty if it may."""
    if name in {"", ".", ".."}:
        return "would leave its folder"
    if not _FORBIDDEN.isdisjoint(name):
        return "has a character that is not allowed"
    if name[-1] in ". ":
        return "ends in a dot or a space"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return f"has a name of more than {MAX_NAME_BYTES} bytes"
    if name.partition(".")[0].rstrip(" ").upper() in _RESERVED:
        return "is a reserved name on Windows"
    return ""


ItemKind = Literal["file", "directory", "other"]


class FolderItem(NamedTuple):
    """What is at a path: ``size`` in bytes, ``mtime`` in seconds since 1970."""

    name: str
    kind: ItemKind
    size: int
    mtime: float


class Staged(NamedTuple):
    """A new file that is not in place yet; ``fd`` is open for writing and belongs to the caller."""

    fd: int
    name: str


_TYPE = 0o170000  # of an st_mode
_KINDS: dict[int, ItemKind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory"}


def _kind(mode: int) -> ItemKind:
    return _KINDS.get(stat.S_IFMT(mode), "other")


class _RefusingLinks:
    """Turns the system's error about a link on a path into a refusal of that path."""

    # A class, since contextlib's generators take longer than some of the system calls inside.
    __slots__ = ("_parts",)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise PathRefused("/".join(self._parts), "goes through a link") from None


class Confined(Closeable):
    """A folder that names from outside are resolved below.

    Args:
        root: the folder; it must exist and is trusted, links on the way to it are followed.
        staging: where new files are created before they are renamed into place; on the same file system as
            ``root`` and not below it. None makes the instance read-only.
        max_open: how many directory descriptors are kept open.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        staging: str | os.PathLike[str] | None = None,
        *,
        max_open: int = 64,
    ) -> None:
        self._root = os.fspath(root)
        self._staging = None if staging is None else os.fspath(staging)
        self._max_open = max_open
        self.places = (self._root, self._staging or "", max_open)  # for a process that opens the same
        self._dirs: OrderedDict[Parts, int] = OrderedDict()
        self._deepest = 0  # of all folders whose descriptors were ever kept
        self._counter = 0
        self._root_fd = self._staging_fd = -1
        if _POSIX_AT:
            self._root_fd = self._open(self._root, os.O_RDONLY | _DIRECTORY)
            if self._staging is not None:
                try:
                    self._staging_fd = self._open(self._staging, os.O_RDONLY | _DIRECTORY)
                except (OSError, TooManyOpen):
                    self.close()
                    raise

    def _open(self, name: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """``os.open``; if too many files are open, kept folders are closed first."""
        while True:
            try:
                return os.open(name, flags | _CLOEXEC, mode, dir_fd=dir_fd)
            except OSError as error:
                if error.errno not in TOO_MANY:
                    raise
                if not self._shed():
                    raise TooManyOpen(error) from None

    def _shed(self) -> bool:
        """Close kept folders except the most recent ones, which a move may need; False if there are no others."""
        spare = max(0, len(self._dirs) - 2 * MAX_DEPTH)
        for _ in range(spare):
            os.close(self._dirs.popitem(last=False)[1])
        return spare > 0

    def close(self) -> None:
        """Close every descriptor."""
        self.forget_folders()
        for fd in (self._root_fd, self._staging_fd):
            if fd >= 0:
                os.close(fd)
        self._root_fd = self._staging_fd = -1

    # -- reading ------------------------------------------------------------------------------------------

    def open_file(self, parts: Parts) -> int:
        """Open a regular file for reading and return its descriptor; raises as ``open_sized``."""
        return self.open_sized(parts)[0]

    def open_sized(self, parts: Parts) -> tuple[int, int]:
        """Open a regular file for reading and return its descriptor and its size in bytes.

        Raises:
            FileNotFoundError: nothing exists there.
            PathRefused: a link is there or on the way.
            TooManyOpen: the system opens no more files.
            OSError: something else is there, or it cannot be read.
        """
        # Non-blocking, so that a named pipe in a hostile folder cannot block us before it is checked.
        with _RefusingLinks(parts):
            name, at = self._at(parts)
            fd = self._open(name, os.O_RDONLY | _NOFOLLOW | _NONBLOCK | _BINARY, **at)
        try:
            found = os.fstat(fd)
        except OSError:
            os.close(fd)
            raise
        if found.st_mode & _TYPE != stat.S_IFREG:
            os.close(fd)
            code = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
            raise OSError(code, os.strerror(code), "/".join(parts))
        return fd, found.st_size

    def item(self, parts: Parts) -> FolderItem:
        """What is at a path, without following links. Raises FileNotFoundError if nothing is there."""
        with _RefusingLinks(parts):
            name, at = self._at(parts)
            found = os.stat(name, follow_symlinks=False, **at)
        return FolderItem(parts[-1], _kind(found.st_mode), found.st_size, found.st_mtime)

    def items(self, parts: Parts) -> Iterator[FolderItem]:
        """The contents of a folder, in no order; ``()`` is the root. Raises FileNotFoundError if there is none."""
        with self._listing(parts) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it disappeared after it was listed
                yield FolderItem(entry.name, _kind(found.st_mode), found.st_size, found.st_mtime)

    def sizes(self, parts: Parts) -> tuple[dict[str, int], list[FolderItem]]:
        """The files in a folder, with their sizes in bytes, and its other contents; raises as ``items``.

        A verification checks a million files, so this must be fast.
        """
        files: dict[str, int] = {}
        others = []
        with self._listing(parts) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # as above
                if found.st_mode & _TYPE == stat.S_IFREG:
                    files[entry.name] = found.st_size
                else:
                    others.append(FolderItem(entry.name, _kind(found.st_mode), found.st_size, found.st_mtime))
        return files, others

    def _listing(self, parts: Parts) -> AbstractContextManager[Iterator["os.DirEntry[str]"]]:
        with _RefusingLinks(parts):
            while True:
                try:
                    return os.scandir(self._dir(parts) if _POSIX_AT else self._checked_path(parts))
                except OSError as error:  # it takes a descriptor of its own
                    if error.errno not in TOO_MANY:
                        raise
                    if not self._shed():
                        raise TooManyOpen(error) from None

    # -- writing ------------------------------------------------------------------------------------------

    def create(self) -> Staged:
        """Create a new, empty file in the staging folder, mode 0600."""
        staging = self._writable()
        while True:
            self._counter += 1
            name = f"{self._counter:x}.new"
            try:
                if self._staging_fd >= 0:
                    return Staged(self._open(name, _CREATE, 0o600, dir_fd=self._staging_fd), name)
                return Staged(self._open(os.path.join(staging, name), _CREATE, 0o600), name)
            except FileExistsError:
                continue  # a staging folder taken over from an interrupted run may contain that run's last files

    def publish(self, staged: Staged, parts: Parts) -> None:
        """Rename a staged file to its place, replacing any file or link there; its descriptor may be closed."""
        staging = self._writable()
        if self._staging_fd >= 0:
            try:
                folder = self._dir(parts[:-1])
                os.rename(staged.name, parts[-1], src_dir_fd=self._staging_fd, dst_dir_fd=folder)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise PathRefused("/".join(parts), "goes through a link") from None
                raise
            return
        with _RefusingLinks(parts):
            held.replace(os.path.join(staging, staged.name), self._at(parts)[0])

    def discard(self, staged: Staged) -> None:
        """Remove a staged file that will not be published."""
        staging = self._writable()
        with contextlib.suppress(FileNotFoundError):
            if self._staging_fd >= 0:
                held.unlink(staged.name, dir_fd=self._staging_fd)
            else:
                held.unlink(os.path.join(staging, staged.name))

    def make_dir(self, parts: Parts, *, known: int = 0) -> None:
        """Create a folder and its parents, mode 0700; an existing one is left unchanged.

        Args:
            parts: the folder.
            known: how many of its parents the caller has made already.
        """
        self._writable()
        for depth in range(known + 1, len(parts) + 1):
            with _RefusingLinks(parts[:depth]):
                name, at = self._at(parts[:depth])
                try:
                    held.mkdir(name, **at)
                except FileExistsError:
                    mode = os.stat(name, follow_symlinks=False, **at).st_mode
                    if stat.S_ISLNK(mode):
                        raise PathRefused("/".join(parts), "goes through a link") from None
                    if not stat.S_ISDIR(mode):
                        raise
                else:
                    # A umask that removes the owner's permissions would lock us out of our own folder.
                    if stat.S_IMODE(os.stat(name, follow_symlinks=False, **at).st_mode) != 0o700:
                        with contextlib.suppress(OSError):  # a share without modes
                            os.chmod(name, 0o700, dir_fd=at.get("dir_fd"))

    def make_link(self, target: str, parts: Parts) -> None:
        """Create a symbolic link; nothing here ever follows it. Raises FileExistsError if something is there."""
        self._writable()
        with _RefusingLinks(parts):
            name, at = self._at(parts)
            os.symlink(target, name, dir_fd=at.get("dir_fd"))

    def set_times(self, parts: Parts, modified_ns: int) -> None:
        """Set when a folder or file was last changed, nanoseconds since 1970; a link is refused."""
        self._writable()
        with _RefusingLinks(parts):
            name, at = self._at(parts)
            if stat.S_ISLNK(os.stat(name, follow_symlinks=False, **at).st_mode):
                raise PathRefused("/".join(parts), "goes through a link")
            follow = os.utime not in os.supports_follow_symlinks
            os.utime(name, ns=(modified_ns, modified_ns), dir_fd=at.get("dir_fd"), follow_symlinks=follow)

    def rename(self, source: Parts, target: Parts) -> None:
        """Move a file or folder; anything at the target is replaced, including whole folders."""
        self._writable()
        if _POSIX_AT and self._rename_file(source, target):
            return
        with _RefusingLinks(source):
            old, old_at = self._at(source)
            moved_dir = stat.S_ISDIR(os.stat(old, follow_symlinks=False, **old_at).st_mode)
        with _RefusingLinks(target):
            new, new_at = self._at(target)
            if moved_dir or self._is_dir(target):
                if target[: len(source)] == source or source[: len(target)] == target:
                    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), "/".join(target))
                self.remove(target)
                self.forget_folders(source)
                new, new_at = self._at(target)
                old, old_at = self._at(source)
        if _POSIX_AT:
            os.rename(old, new, src_dir_fd=old_at["dir_fd"], dst_dir_fd=new_at["dir_fd"])
        else:
            held.replace(old, new)

    def keeps(self, parts: Parts) -> bool:
        """Whether descriptors of folders may be kept that move with this one."""
        return len(parts) < self._deepest or parts in self._dirs

    def _rename_file(self, source: Parts, target: Parts) -> bool:
        """Move something, almost always a file, in one call without checking; False if that is not enough.

        A folder may move this way too, or replace an empty one, if no descriptor of it is kept.
        """
        if self.keeps(source) or target in self._dirs:
            return False
        name = source
        try:
            old_at = self._dir(source[:-1])
            name = target
            os.rename(source[-1], target[-1], src_dir_fd=old_at, dst_dir_fd=self._dir(target[:-1]))
        except OSError as error:
            if error.errno in _FOLDER_IN_THE_WAY:
                return False
            if error.errno == errno.ELOOP:
                raise PathRefused("/".join(name), "goes through a link") from None
            raise
        return True

    def remove(self, parts: Parts) -> bool:
        """Remove a file, a link itself, or a folder with its contents; False if nothing was there."""
        self._writable()
        with _RefusingLinks(parts):
            try:
                name, at = self._at(parts)
                is_dir = stat.S_ISDIR(os.stat(name, follow_symlinks=False, **at).st_mode)
            except FileNotFoundError:
                return False
            if is_dir:
                self.forget_folders(parts)
                name, at = self._at(parts)
                held.remove_tree(name, dir_fd=at.get("dir_fd"))
            else:
                held.unlink(name, **at)
        return True

    # -- the walk -----------------------------------------------------------------------------------------

    def _writable(self) -> str:
        """The staging folder; an instance without one changes nothing."""
        if self._staging is None:
            raise PermissionError(errno.EROFS, "this folder is served read-only")
        return self._staging

    def _is_dir(self, parts: Parts) -> bool:
        try:
            return self.item(parts).kind == "directory"
        except FileNotFoundError:
            return False

    def _at(self, parts: Parts) -> tuple[str, dict[str, int]]:
        """The name and the ``dir_fd`` argument by which an os call reaches a path."""
        if _POSIX_AT:
            return parts[-1], {"dir_fd": self._dir(parts[:-1])}
        return os.path.join(self._checked_path(parts[:-1]), parts[-1]), {}

    def _dir(self, parts: Parts) -> int:
        """The descriptor of a folder below the root, kept for the next time."""
        if not parts:
            return self._root_fd
        fd = self._dirs.get(parts)
        if fd is not None:
            self._dirs.move_to_end(parts)
            return fd
        parent = self._dir(parts[:-1])
        try:
            fd = self._open(parts[-1], os.O_RDONLY | _DIRECTORY | _NOFOLLOW, dir_fd=parent)
        except NotADirectoryError:
            # Linux says ENOTDIR, not ELOOP, for a link when both O_DIRECTORY and O_NOFOLLOW are given.
            if stat.S_ISLNK(os.stat(parts[-1], dir_fd=parent, follow_symlinks=False).st_mode):
                raise PathRefused("/".join(parts), "goes through a link") from None
            raise
        self._dirs[parts] = fd
        self._deepest = max(self._deepest, len(parts))
        if len(self._dirs) > self._max_open:
            _, oldest = self._dirs.popitem(last=False)
            os.close(oldest)
        return fd

    def forget_folders(self, parts: Parts = ()) -> None:
        """Close the kept descriptors at and below a folder; of all if another process may have moved some."""
        for known in [known for known in self._dirs if known[: len(parts)] == parts]:
            os.close(self._dirs.pop(known))

    def _checked_path(self, parts: Parts) -> str:
        """The path of a folder on a system without ``dir_fd``, each step checked for links."""
        path = self._root
        for part in parts:
            path = os.path.join(path, part)
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode) or getattr(found, "st_file_attributes", 0) & _REPARSE_POINT:
                raise PathRefused("/".join(parts), "goes through a link")
        return path
