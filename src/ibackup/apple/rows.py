"""The rows of a manifest, from any kind of manifest file."""

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple, Protocol

from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.format_errors import FormatError
from ibackup.apple.mbfile import MBFile, decode, glance


class Kind(IntEnum):
    """The kind of thing that a row describes; the numbers are those of the ``flags`` column."""

    FILE = 1
    FOLDER = 2
    LINK = 4


class Row(NamedTuple):
    """One row; the record stays packed until it is needed.

    Attributes:
        file_id: 40 hex digits.
        true_id: what file_id should be, computed from domain and path.
    """

    file_id: str
    domain: str
    relative_path: str
    kind: Kind
    packed: bytes | MBFile
    true_id: str

    def record(self) -> MBFile:
        """The file's record. Raises FormatError if it is damaged."""
        return self.packed if isinstance(self.packed, MBFile) else decode(self.packed)

    def glance(self) -> tuple[int, bool]:
        """Its record's size, and whether the record has a file key. Raises FormatError."""
        if isinstance(self.packed, MBFile):
            return self.packed.size, self.packed.encryption_key is not None
        return glance(self.packed)


Settles = Callable[[bytes, bytes, bytes, int, bytes], bool]
"""Called with a valid row's fileID (20 bytes), domain, path, flags and record.

Returns whether nobody needs to see that row.
"""


class BadRow(NamedTuple):
    """A row that cannot be used: its texts are made safe to show, and ``flaw`` says what is wrong."""

    file_id: str
    domain: str
    relative_path: str
    flaw: str


class Rows(Protocol):
    """A manifest: ``Manifest.db`` or the older ``Manifest.mbdb``."""

    @property
    def flat(self) -> bool:
        """Whether all blobs are in one folder instead of in 256."""

    @property
    def guessed(self) -> bool:
        """Whether the manifest is lost, and these are the files that have the same name on every phone."""

    def rows(self, domain: str | None = None, *, settles: Settles | None = None) -> Iterator[Row | BadRow]:
        """All rows, or those of one domain. Raises FormatError if the manifest is damaged.

        Rows that ``settles`` accepts may be left out: of a million rows, nearly all need not be created.
        """

    def salvaged_rows(self, domain: str | None = None) -> Iterator[Row | BadRow]:
        """The same rows in the same order, as far as they can be read; the others are returned as bad rows."""

    def rows_by_id(self) -> Iterator[Row | BadRow]:
        """All rows in the order of their ids. Raises FormatError if the manifest is damaged."""

    def row(self, file_id: str) -> Row | BadRow | None:
        """One row, or None if there is none with that id. Raises FormatError."""

    def texts_as_bytes(self) -> "Iterator[Row | BadRow]":
        """The rows whose fileID, domain or path is stored as bytes: a phone cannot find them as text.

        Raises FormatError.
        """

    def flaws(self) -> Iterator[str]:
        """What is wrong with the manifest as a whole."""

    def another(self) -> "Rows | None":
        """The same manifest opened again for another thread; None if that would not help. Raises FormatError."""

    def interrupt(self) -> None:
        """Make what another thread is doing with this end soon."""

    def close(self) -> None:
        """Release files and memory."""


def blob_path(file_id: str, *, flat: bool = False) -> str:
    """The path of a file below the backup's folder. Raises FormatError if `file_id` is not a fileID."""
    if not FILE_ID.fullmatch(file_id):
        raise FormatError("The manifest", f"{file_id[:80]!a} is not a fileID")
    return file_id if flat else f"{file_id[:2]}/{file_id}"
