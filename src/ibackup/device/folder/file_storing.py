"""Creates, hashes, writes and renames the files that arrive: the work of the disk, in whatever process or thread.

It is given steps and returns outcomes, both of plain values, so that they can be sent to another process.
"""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable
from typing import Final, Protocol

from ibackup.base.confined import Confined, Parts, Staged
from ibackup.base.errors import IbackupError
from ibackup.device.folder.plain_writes import write_all, write_one

Place = tuple[Parts, bool, bool]
"""Where a file belongs; whether its SHA-1 is wanted; whether it is held back: complete, but not in place yet."""

Step = tuple[int, Place | None, list[int], bool | None]
"""More of a file: its number in this run; its place, in its first step; where its bytes begin and end in the buffer,
in pairs; then True: it is complete, False: nothing of it is to be kept, None: more follows."""

Outcome = tuple[int, int, float, bytes, bytes | None, int, str]
"""What became of a file: its number; its size in bytes, its time in seconds since 1970, SHA-256, and SHA-1 if it was
wanted. If it could not be stored: the error's number and text."""

Move = tuple[Parts, Parts]
"""Where a file is, and where it is to be."""

LOCAL: Final = frozenset(
    [
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.ENAMETOOLONG,
        errno.EACCES,
        errno.EPERM,
    ]
)
"""Errors that concern only one file; any other error means that the disk is no longer writable."""


class _Hasher(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class _Coming:
    """A file of which a part is stored."""

    __slots__ = ("hasher", "held", "mtime", "parts", "sha1", "size", "staged")

    def __init__(self, staged: Staged, place: Place) -> None:
        self.staged = staged
        self.parts, digested, self.held = place
        # The digest is a checksum of stored data; where the computer forbids others, this one is allowed.
        self.hasher: _Hasher = hashlib.sha256()
        self.sha1: _Hasher | None = hashlib.sha1(usedforsecurity=False) if digested else None
        self.size = 0
        self.mtime = 0.0


class FileStorer:
    """Stores files below one folder.

    Args:
        confined: the folder.

    Attributes:
        broken: the disk failed; nothing more is stored.
    """

    def __init__(self, confined: Confined) -> None:
        self._confined = confined
        self._coming: dict[int, _Coming] = {}
        self.broken = False

    @property
    def coming(self) -> Iterable[int]:
        """The numbers of the files of which a part is stored."""
        return self._coming

    def apply(self, buffer: memoryview, steps: list[Step]) -> list[Outcome]:
        """Do what the steps say, in their order; returns what became of the files that are over, or failed.

        Raises:
            PathRefused: a link is where a folder should be.
            TooManyOpen: the system opens no more files.
        """
        outcomes: list[Outcome] = []
        for number, place, ranges, ended in steps:
            if self.broken or ended is False:
                self._drop(number)
                continue
            try:
                if place is None:
                    coming = self._coming.get(number)
                    if coming is None:
                        continue  # it has failed
                elif ended and len(ranges) <= 2 and not place[2]:
                    with buffer[ranges[0] : ranges[1]] if ranges else buffer[:0] as view:
                        outcomes.append(self._store_whole(number, place, view))
                    continue
                else:
                    coming = self._coming[number] = _Coming(self._confined.create(), place)
                views = [buffer[at:to] for at, to in zip(ranges[::2], ranges[1::2], strict=True)]
                try:
                    self._store(coming, views)
                finally:
                    for view in views:
                        view.release()  # before anything keeps it, such as an error
                if ended and self._complete(coming):
                    outcomes.append(self.publish(number))
            except OSError as error:
                self._drop(number)
                self.broken = error.errno not in LOCAL
                text = error.strerror or type(error).__name__
                outcomes.append((number, 0, 0.0, b"", None, error.errno or errno.EIO, text))
            except BaseException:
                self._drop(number)
                raise
        return outcomes

    def _store_whole(self, number: int, place: Place, view: memoryview) -> Outcome:
        """Do everything for a file that came in one piece, as nearly all do."""
        staged = self._confined.create()
        fd, size = staged.fd, len(view)
        try:
            sha256 = hashlib.sha256(view).digest()
            sha1 = hashlib.sha1(view, usedforsecurity=False).digest() if place[1] else None
            if os.write(fd, view) < size:  # the disk is filling up
                os.lseek(fd, 0, os.SEEK_SET)
                write_one(fd, view)
            mtime = os.fstat(fd).st_mtime
            fd = -1
            os.close(staged.fd)
            self._put(staged, place[0])
        except BaseException:
            self._discard(Staged(fd, staged.name))
            raise
        return number, size, mtime, sha256, sha1, 0, ""

    def _store(self, coming: _Coming, views: list[memoryview]) -> None:
        """Hash and write what has arrived."""
        for hasher in (coming.hasher, coming.sha1):
            if hasher is not None:
                for view in views:
                    hasher.update(view)
        if views:
            coming.size += write_all(coming.staged.fd, views)

    def _complete(self, coming: _Coming) -> bool:
        """Close a file; whether it is to be put in place now."""
        fd = coming.staged.fd
        coming.mtime = os.fstat(fd).st_mtime
        if coming.held:
            os.fsync(fd)  # a torn one must not take the place of one that is whole
        coming.staged = Staged(-1, coming.staged.name)
        os.close(fd)
        return not coming.held

    def publish(self, number: int) -> Outcome:
        """Put a complete file in place. Raises OSError."""
        coming = self._coming[number]
        self._put(coming.staged, coming.parts)
        del self._coming[number]
        sha1 = coming.sha1.digest() if coming.sha1 is not None else None
        return number, coming.size, coming.mtime, coming.hasher.digest(), sha1, 0, ""

    def _put(self, staged: Staged, parts: Parts) -> None:
        """Rename a file to its place; make its folders if the phone did not request them."""
        try:
            self._confined.publish(staged, parts)
        except FileNotFoundError:
            self._confined.make_dir(parts[:-1])
            self._confined.publish(staged, parts)

    def _drop(self, number: int) -> None:
        """Leave nothing of a file."""
        coming = self._coming.pop(number, None)
        if coming is not None:
            self._discard(coming.staged)

    def _discard(self, staged: Staged) -> None:
        with contextlib.suppress(OSError):  # a full disk may say so again at the close
            if staged.fd >= 0:
                os.close(staged.fd)
        with contextlib.suppress(OSError):  # staging is emptied with the working copy
            self._confined.discard(staged)

    def rename(self, moves: list[Move]) -> list[bool]:
        """Move files; whether each was moved. Nothing is lost of one that was not."""
        return [self._renamed(source, target) for source, target in moves]

    def _renamed(self, source: Parts, target: Parts) -> bool:
        try:
            self._confined.rename(source, target)
        except (OSError, IbackupError):
            return False
        return True

    def forget_folders(self) -> None:
        """Look folders up again: others may have moved some."""
        self._confined.forget_folders()

    def close(self) -> None:
        """Drop incomplete files."""
        for number in list(self._coming):
            self._drop(number)
