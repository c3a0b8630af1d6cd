"""``Manifest.mbdb``: the manifest of iOS 9 and older, a plain sequence of records.

Facts about the format: docs/format.md, "Manifest.mbdb".
"""

import stat
import struct
from collections.abc import Iterator

from ibackup.apple.file_ids import file_id_of
from ibackup.apple.format_errors import FormatError
from ibackup.apple.found_folders import LEGACY_MAGIC
from ibackup.apple.mbfile import MBFile
from ibackup.apple.rows import BadRow, Kind, Row, Settles

PART = "Manifest.mbdb"
MAGIC = LEGACY_MAGIC
MAX_BYTES = 256 * 1024 * 1024
_NONE = 0xFFFF
_NUMBERS = struct.Struct(">HQIIIIIQBB")
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}


class ManifestMbdb:
    """A ``Manifest.mbdb``, parsed as it is read; its blobs are all in the backup's folder."""

    flat = True
    guessed = False

    def __init__(self, data: bytes) -> None:
        if not data.startswith(MAGIC):
            raise FormatError(PART, "it does not begin like a Manifest.mbdb")
        self._data = data

    def close(self) -> None:
        """Release the data."""
        self._data = MAGIC

    def rows(self, domain: str | None = None, *, settles: Settles | None = None) -> Iterator[Row | BadRow]:  # noqa: ARG002
        """All rows, or those of one domain; none is left out. Raises FormatError if the file is damaged."""
        place = len(MAGIC)
        while place < len(self._data):
            row, place = self._row(place)
            if domain is None or row.domain == domain:
                yield row

    def salvaged_rows(self, domain: str | None = None) -> Iterator[Row | BadRow]:
        """The readable rows: none after damage, because only the records before show where one begins."""
        try:
            yield from self.rows(domain)
        except FormatError as error:
            yield BadRow("", PART, "its end", f"entries are lost: {error.flaw}")

    def rows_by_id(self) -> Iterator[Row | BadRow]:
        """All rows in the order of their ids; they are few enough to sort. Raises FormatError."""
        yield from sorted(self.rows(), key=lambda row: row.file_id)

    def row(self, file_id: str) -> Row | BadRow | None:
        """One row; the file has no index, so all rows before it are read. Raises FormatError."""
        return next((row for row in self.rows() if row.file_id == file_id), None)

    def texts_as_bytes(self) -> Iterator[Row | BadRow]:
        """Nothing: they have only one form."""
        return iter(())

    def flaws(self) -> Iterator[str]:
        """What is wrong with the file as a whole: it must divide into records without a remainder."""
        try:
            for _ in self.rows():
                pass
        except FormatError as error:
            yield error.flaw

    def another(self) -> "ManifestMbdb | None":
        """None: another thread would not help."""
        return None

    def interrupt(self) -> None:
        """Nothing runs in another thread."""

    def _row(self, place: int) -> tuple[Row | BadRow, int]:
        domain, place = self._text(place)
        path, place = self._text(place)
        target, place = self._text(place)
        digest, place = self._bytes(place)
        key, place = self._bytes(place)
        if place + _NUMBERS.size > len(self._data):
            raise self._cut()
        mode, inode, user, group, modified, _, changed, size, protection, properties = _NUMBERS.unpack_from(
            self._data, place
        )
        place += _NUMBERS.size
        for _ in range(2 * properties):
            _, place = self._bytes(place)
        name = file_id_of(domain or "", path or "")
        kind = _KINDS.get(stat.S_IFMT(mode))
        path = path or ""
        if domain is None or kind is None:
            return BadRow(name, domain or "", path, f"its mode is {mode:o}"), place
        record = MBFile(
            size=size,
            mode=mode,
            inode=inode,
            user_id=user,
            group_id=group,
            modified=modified,
            status_changed=changed,
            protection_class=protection,
            relative_path=path,
            target=target if kind is Kind.LINK else None,
            digest=digest or None,
            encryption_key=key or None,
        )
        return Row(name, domain, path, kind, record, name), place

    def _bytes(self, place: int) -> tuple[bytes | None, int]:
        start = place + 2
        length = int.from_bytes(self._data[place:start], "big")
        if start > len(self._data):
            raise self._cut()
        if length == _NONE:
            return None, start
        if start + length > len(self._data):
            raise self._cut()
        return self._data[start : start + length], start + length

    def _text(self, place: int) -> tuple[str | None, int]:
        value, place = self._bytes(place)
        return (None if value is None else value.decode("utf-8", "surrogateescape")), place

    def _cut(self) -> FormatError:
        return FormatError(PART, f"it ends at byte {len(self._data):,}, too early")
