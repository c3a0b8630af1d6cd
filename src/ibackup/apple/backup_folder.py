"""The folder of a backup: its files, opened below it and never through a link."""

import os
import threading

from ibackup.apple import whereabouts
from ibackup.apple.format_errors import FormatError
from ibackup.apple.found_folders import folder_error
from ibackup.apple.plists import MAX_BYTES
from ibackup.base.closeable import Closeable
from ibackup.base.confined import Confined, PathRefused, parse


class BackupFolder(Closeable):
    """A backup's folder. Its files can be opened in any thread.

    Attributes:
        path: of the folder.
        confined: keeps every path below it.

    Raises:
        NotABackup: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self.confined = Confined(path)
        except OSError as error:
            raise folder_error(path, error) from error

    def close(self) -> None:
        """Close the folder; files that were opened stay open."""
        self.confined.close()

    def open(self, path: str) -> int:
        """A descriptor of a file, by its path below the folder. Raises OSError, PathRefused."""
        with self._lock:
            return self.confined.open_file(parse(path))

    def open_own(self, name: str) -> int:
        """The same for one of the backup's own files. Raises FormatError."""
        try:
            return self.open(name)
        except FileNotFoundError:
            raise FormatError(name, "it is missing") from None
        except PathRefused:
            raise FormatError(name, "it is a link, which no phone makes") from None
        except PermissionError as error:
            raise folder_error(self.path, error) from error
        except OSError as error:
            raise FormatError(name, error.strerror or "the computer cannot read it") from error

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """The content of one of the backup's own files. Raises FormatError."""
        with open(self.open_own(name), "rb") as source:
            # read() allocates as many bytes as it is asked for before it reads the first.
            data = source.read(min(os.fstat(source.fileno()).st_size, limit) + 1)
        if len(data) > limit:
            raise FormatError(name, f"it has more than {limit:,} bytes")
        return data

    def has(self, name: str) -> bool:
        """Whether the folder contains a file of this name; links are not followed."""
        try:
            return self.confined.item((name,)).kind == "file"
        except OSError:
            return False

    def stored_bytes(self, path: str) -> int:
        """Size in bytes of a stored file; 0 if it is missing."""
        try:
            return self.confined.item(parse(path)).size
        except (OSError, PathRefused):
            return 0

    def head(self, path: str, count: int) -> bytes:
        """The first bytes of a stored file; none if it cannot be read."""
        try:
            with open(self.open(path), "rb") as source:
                return source.read(count)
        except (OSError, PathRefused):
            return b""

    def begins(self, path: str, magic: bytes) -> bool:
        """Whether a file begins with these bytes; False if it cannot be read."""
        return whereabouts.begins(self.confined, path, magic)
