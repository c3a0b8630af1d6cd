"""One file, folder or link of a backup, as its manifest names it."""

from typing import BinaryIO, Protocol

from ibackup.apple.mbfile import MBFile
from ibackup.apple.rows import Kind, Row


class EntryHolder(Protocol):
    """The backup that an entry belongs to."""

    def place_of(self, file_id: str) -> str:
        """The path of a file below its folder."""

    def open_blob(self, path: str, record: MBFile) -> BinaryIO:
        """Open a stored file as its plaintext."""


class Entry:
    """One file, folder or link of a backup.

    Attributes:
        file_id: its name in the backup, 40 hex digits.
        domain: for example "HomeDomain" or "AppDomain-com.example.app".
        relative_path: path below the domain, with forward slashes; not safe to use as a path on this
            computer.
        kind: file, folder or link.
    """

    __slots__ = ("_backup", "_record", "_row", "domain", "file_id", "kind", "relative_path")

    def __init__(self, backup: EntryHolder, row: Row) -> None:
        self._backup = backup
        self._row = row
        self._record: MBFile | None = None
        self.file_id = row.file_id
        self.domain = row.domain
        self.relative_path = row.relative_path
        self.kind = row.kind

    def __repr__(self) -> str:
        return f"Entry({self.kind.name}, {self.domain}, {self.relative_path})"

    @property
    def record(self) -> MBFile:
        """What the manifest says about it. Raises FormatError if its record is damaged."""
        if self._record is None:
            self._record = self._row.record()
        return self._record

    @property
    def size(self) -> int:
        """Size in bytes from its record; a database in use during the backup may have more or fewer."""
        return self.record.size

    def glance(self) -> int:
        """The same at a fraction of the work, for those who look at every entry. Raises FormatError."""
        return self._row.glance()[0]

    @property
    def mode(self) -> int:
        """``st_mode`` with the file type."""
        return self.record.mode

    @property
    def mtime(self) -> int:
        """When it was last changed, seconds since 1970."""
        return self.record.modified

    @property
    def blob_path(self) -> str:
        """The path of the file below the backup's folder."""
        return self._backup.place_of(self.file_id)

    def open(self) -> BinaryIO:
        """Open a file's content, decrypted, for reading and seeking.

        Raises:
            FileNotFoundError: it is not in the backup, or is a folder or a link.
            PathRefused: a link is where the file should be.
            PasswordNeeded: the backup is locked.
            KeyRefused: its key is damaged.
            FormatError: its record is damaged, or it has far more bytes than the record says.
            OSError: it cannot be read.
        """
        if self.kind is not Kind.FILE:
            raise FileNotFoundError(f"{self.domain} {self.relative_path} is not a file")
        return self._backup.open_blob(self.blob_path, self.record)
