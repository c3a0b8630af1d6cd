"""What an export writes into, whatever it is: a folder, or a zip on its way to a browser."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import quote

from ibackup.apple.entry import Entry
from ibackup.base.confined import Parts
from ibackup.explore.file_times import Times

Tick = Callable[[int, int], None]


class TextDraft(Protocol):
    """A text or page that is written piece by piece. Leave its context to finish it.

    Attributes:
        there: at the end, whether it is there; otherwise something in the way was reported.
    """

    there: bool

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, piece: bytes | str) -> None:
        """Add a piece."""


def relative_link(page: Parts, target: Parts) -> str:
    """The address of a place, as it is written on a page at another."""
    common = 0
    while common < min(len(page), len(target)) - 1 and page[common] == target[common]:
        common += 1
    steps = [".."] * (len(page) - 1 - common) + list(target[common:])
    return "/".join(quote(step, safe="") for step in steps)


class ExportTarget(ABC):
    """Takes everything that an export writes; use it in one thread.

    Attributes:
        tick: called with the files and bytes copied so far, also while a large file is copied.
    """

    tick: Tick

    @abstractmethod
    def place(self, above: Parts, name: str, key: str = "") -> Parts:
        """A place for a file or folder, the same whenever it is asked for with one key.

        Args:
            above: the folder it belongs into, from this method; () for the export's own.
            name: the name it should get; anything in it that some system does not allow is changed. If it is
                taken, a number is added.
            key: what it is, unique in the whole export: its kind and its own id. Without it the place is not
                remembered, which suits files whose names depend on nothing but the backup.
        """

    def link(self, page: Parts, target: Parts) -> str:
        """A relative address of one place, as it is written on a page at another."""
        return relative_link(page, target)

    def write(self, parts: Parts, chunks: Iterable[bytes | str], modified: float | None = None) -> bool:
        """Write a text or page of our own; texts are written as UTF-8.

        Args:
            parts: its place.
            chunks: its content.
            modified: its time, seconds since 1970.

        Returns:
            Whether it is there now; otherwise something in the way was reported.
        """
        with self.draft(parts, modified) as draft:
            for chunk in chunks:
                draft.write(chunk)
        return draft.there

    @abstractmethod
    def draft(self, parts: Parts, modified: float | None = None) -> TextDraft:
        """A text or page of our own that is written piece by piece, beside others; see ``write``."""

    @abstractmethod
    def is_as_written(self, parts: Parts) -> bool:
        """Whether a file is there as an earlier export made it; for what is slow to make and never changes."""

    @abstractmethod
    def copy(self, entry: Entry, parts: Parts, times: Times | None = None) -> None:
        """Copy a file of the backup to its place; what cannot be copied is reported.

        Args:
            entry: the file.
            parts: its place.
            times: those it gets; by default those it has on the phone.
        """

    @abstractmethod
    def hard_link(self, there: Parts, parts: Parts) -> bool:
        """Give a file that was copied a second name; False if there are no such links. Call ``flush`` before."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until everything handed to ``copy`` is in place."""
