"""The rows of a manifest, whatever file they come from."""

import hashlib
import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from functools import partial
from typing import NamedTuple, Protocol

from ibackup.manifest.flaws import FormatError
from ibackup.manifest.mbfile import MBFile, decode, glance

FILE_ID = re.compile(r"[0-9a-f]{40}")


class Kind(IntEnum):
    """What a row describes; the numbers are those of the ``flags`` column."""

    FILE = 1
    FOLDER = 2
    LINK = 4


class Row(NamedTuple):
    """One row; the record stays packed until it is asked for.

    Attributes:
        file_id: 40 hex digits.
        true_id: what it should be, by domain and path.
    """

    file_id: str
    domain: str
    relative_path: str
    kind: Kind
    packed: bytes | MBFile
    true_id: str

    def record(self) -> MBFile:
        """The file's record. Raises FormatError when it is damaged."""
        return self.packed if isinstance(self.packed, MBFile) else decode(self.packed)

    def glance(self) -> tuple[int, bool]:
        """Its record's size, and whether that has a file key. Raises FormatError."""
        if isinstance(self.packed, MBFile):
            return self.packed.size, self.packed.encryption_key is not None
        return glance(self.packed)


Settles = Callable[[bytes, int, bytes], bool]
"""Is told a row's fileID as 20 bytes, which are right, its flags, which are a kind, and its record; says whether
nobody needs to see that row."""


class BadRow(NamedTuple):
    """A row that cannot be used: texts are made safe to show, ``flaw`` says what is wrong."""

    file_id: str
    domain: str
    relative_path: str
    flaw: str


class Rows(Protocol):
    """A manifest: ``Manifest.db`` or the older ``Manifest.mbdb``."""

    @property
    def flat(self) -> bool:
        """Whether blobs lie side by side instead of in 256 folders."""

    def rows(self, domain: str | None = None, *, settles: Settles | None = None) -> Iterator[Row | BadRow]:
        """All rows, or those of one domain. Raises FormatError when the manifest is damaged.

        Those that ``settles`` takes may be left out: of a million rows, nearly all need never be made.
        """

    def salvaged_rows(self, domain: str | None = None) -> Iterator[Row | BadRow]:
        """The same in the same order, as far as they can be read; what cannot comes as a bad row."""

    def rows_by_id(self) -> Iterator[Row | BadRow]:
        """All rows in the order of their ids. Raises FormatError when the manifest is damaged."""

    def row(self, file_id: str) -> Row | BadRow | None:
        """One row, or None when there is none of that id. Raises FormatError."""

    def flaws(self) -> Iterator[str]:
        """What is wrong with the manifest as a whole."""

    def another(self) -> "Rows | None":
        """The same manifest once more, for another thread; None when that would not help. Raises FormatError."""

    def interrupt(self) -> None:
        """Have what another thread is doing with this end soon."""

    def close(self) -> None:
        """Let go of files and memory."""


def _sha1() -> "Callable[[bytes], hashlib._Hash]":
    """SHA-1; a system that forbids it for security lets us have it for names, which takes longer to ask for."""
    try:
        hashlib.sha1(b"")  # noqa: S324 - it makes names
    except ValueError:
        return partial(hashlib.sha1, usedforsecurity=False)
    return hashlib.sha1


sha1 = _sha1()


def file_id_of(domain: str, relative_path: str) -> str:
    """The name that a file has in a backup: SHA-1 of ``domain-relativePath``, 40 hex digits."""
    name = f"{domain}-{relative_path}".encode("utf-8", "surrogateescape")
    return sha1(name).hexdigest()


def blob_path(file_id: str, *, flat: bool = False) -> str:
    """Where a file lies below the backup's folder. Raises FormatError for an id that is none."""
    if not FILE_ID.fullmatch(file_id):
        raise FormatError("The manifest", f"{file_id[:80]!a} is not a fileID")
    return file_id if flat else f"{file_id[:2]}/{file_id}"
