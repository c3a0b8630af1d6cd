"""The rows of a manifest, handed out folder by folder, as the files lie on disk."""

import struct
from collections.abc import Callable, Iterator

from ibackup.manifest.crypto import stored_size
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.mbfile import glance
from ibackup.manifest.rows import BadRow, Kind, Row, Rows
from ibackup.manifest.tree import PREFIXES

_GLANCE = struct.Struct("<20sQ")  # fileID and stored size
_pack = _GLANCE.pack
_NEVER = (1 << 64) - 1  # the size of no file
_FINE = _NEVER - 1  # no file is asked for


class Ordered:
    """The rows of a manifest in the order of their ids, handed out by the ids' first two digits.

    Attributes:
        broken: why the rows ended early, None when they did not.
        count: of the rows so far.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows.rows_by_id()
        self._held: Row | None = None
        self._last = ""
        self.broken: FormatError | None = None
        self.count = 0

    def scan(self) -> Iterator[BadRow]:
        """Nothing: unusable rows come where they stand."""
        return iter(())

    def skip(self, prefix: str) -> None:
        """Go past the rows of a folder."""
        for _ in self.take(prefix):
            pass

    def take(self, prefix: str) -> Iterator[Row | BadRow]:
        """The next rows, as long as they belong to ``prefix``."""
        if self._held is not None:
            if self._held.file_id[:2] != prefix:
                return
            yield self._held
            self._held = None
        try:
            for row in self._rows:
                self.count += 1
                if isinstance(row, Row):
                    self._check_order(row.file_id)
                    if row.file_id[:2] != prefix:
                        self._held = row
                        return
                yield row
        except FormatError as error:
            self.broken = error
            self._rows = iter(())

    def _check_order(self, file_id: str) -> None:
        if file_id <= self._last:
            raise _twice(file_id)
        self._last = file_id


class Scanned:
    """The rows of a manifest for a quick verification, which needs nearly nothing of them.

    To ask for a million rows in the order of their ids makes the disk go back and forth. So they are read as they
    lie, and 28 bytes of each are kept; the few that do not fit what is on disk are read once more.

    Args:
        rows: a manifest that finds a single row fast.
        is_good: whether a file is there with this stored size.
        encrypted: whether stored files are padded.
    """

    def __init__(self, rows: Rows, is_good: Callable[[str, int], bool], *, encrypted: bool) -> None:
        self._rows = rows
        self._is_good = is_good
        self._encrypted = encrypted
        self._kept = [bytearray() for _ in PREFIXES]
        self.broken: FormatError | None = None
        self.count = 0

    def scan(self) -> Iterator[BadRow]:
        """Read all rows; those that cannot be used come out at once."""
        try:
            for row in self._rows.rows(settles=self._keep):
                self.count += 1
                if isinstance(row, BadRow):
                    yield row
                else:
                    digest = bytes.fromhex(row.file_id)
                    self._kept[digest[0]] += _pack(digest, _NEVER)
        except FormatError as error:
            self.broken = error

    def skip(self, prefix: str) -> None:
        """Go past the rows of a folder."""

    def take(self, prefix: str) -> Iterator[Row | BadRow]:
        """The rows of a folder that are not good."""
        number = int(prefix, 16)
        kept, self._kept[number] = self._kept[number], bytearray()
        seen: set[bytes] = set()
        is_good = self._is_good
        try:
            for digest, stored in _GLANCE.iter_unpack(kept):
                if digest in seen:
                    raise _twice(digest.hex())
                seen.add(digest)
                if stored != _FINE and not is_good(digest.hex(), stored):
                    row = self._rows.row(digest.hex())
                    yield (
                        row
                        if row is not None
                        else BadRow(digest.hex(), "", "", "its index does not lead to it")
                    )
        except FormatError as error:
            self.broken = error
            self._kept = [bytearray() for _ in PREFIXES]

    def _keep(self, digest: bytes, flags: int, record: bytes) -> bool:
        try:
            size, has_key = glance(record)
        except FormatError:
            return False
        self.count += 1
        if self._encrypted and has_key:
            size = stored_size(size, encrypted=True)
        if flags != Kind.FILE:
            size = _FINE
        elif not 0 <= size < _FINE:
            size = _NEVER  # a record may claim any size, more than 64 bits too
        self._kept[digest[0]] += _pack(digest, size)
        return True


def flaw_of(ordered: Ordered | Scanned, *, has_content: bool) -> FormatError | None:
    """What is wrong with the rows as a whole, when all were taken.

    Args:
        ordered: they.
        has_content: whether any file of the phone's is stored. Where there is one and no row, the rows were lost, and
            nothing could be restored.
    """
    if ordered.broken is None and not ordered.count and has_content:
        return FormatError("The manifest", "it lists no file at all")
    return ordered.broken


def _twice(file_id: str) -> FormatError:
    return FormatError("The manifest", f"the row {file_id} is there twice or out of order")
