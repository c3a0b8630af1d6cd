"""The files of a backup without a manifest: those with well-known names, found by the names' checksums.

A stored file's name is the SHA-1 of its domain and path, which cannot be reversed. But files of the phone's
own apps have the same name on all phones, and so do camera pictures, which are numbered.
"""

from collections.abc import Callable, Iterable, Iterator

from ibackup.apple import app_places
from ibackup.apple.blob_tree import PREFIXES, BlobTree
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.format_errors import FormatError
from ibackup.apple.found_folders import DATABASE
from ibackup.apple.mbfile import MBFile
from ibackup.apple.rows import BadRow, Kind, Row, Settles
from ibackup.base.confined import FolderItem

Find = Callable[[str], FolderItem]
"""Returns what is stored under a fileID."""

DATABASES: frozenset[tuple[str, str]] = frozenset(
    (
        *(database.place for database in app_places.DATABASES),
        app_places.CALENDARS[0].beside("Extras.db"),
        app_places.WHATSAPP.beside("ContactsV2.sqlite"),
        app_places.WHATSAPP.beside("CallHistory.sqlite"),
        ("HomeDomain", "Library/Accounts/Accounts3.sqlite"),
    )
)
_PICTURES = ("JPG", "HEIC", "PNG", "MOV", "MP4")
_FOLDERS_OF_PICTURES = range(
    100, 120
)  # the camera starts another folder at each thousand, and again after IMG_9999


def names() -> Iterator[tuple[str, str]]:
    """The domains and paths to look for."""
    for domain, path in sorted(DATABASES):
        for ending in ("", "-wal", "-shm"):
            yield domain, path + ending
    for folder in _FOLDERS_OF_PICTURES:
        thousand = folder % 10 * 1000
        for number in range(thousand, thousand + 1000):
            for ending in _PICTURES:
                yield "CameraRollDomain", f"Media/DCIM/{folder}APPLE/IMG_{number:04}.{ending}"


class WellKnown:
    """The files with well-known names in a backup without a manifest, as manifest rows; their sizes are as stored.

    Args:
        tree: the backup's stored files.
        find: returns one of them.
    """

    guessed = True

    def __init__(self, tree: BlobTree, find: Find) -> None:
        self.flat = tree.flat
        self._rows = list(_there(tree, find))

    def __bool__(self) -> bool:
        return bool(self._rows)

    def rows(self, domain: str | None = None, *, settles: Settles | None = None) -> Iterator[Row | BadRow]:  # noqa: ARG002
        """All rows, or those of one domain."""
        return (row for row in self._rows if domain is None or row.domain == domain)

    salvaged_rows = rows

    def rows_by_id(self) -> Iterator[Row | BadRow]:
        """All rows in the order of their ids."""
        return iter(self._rows)

    def row(self, file_id: str) -> Row | BadRow | None:
        """One row."""
        return next((row for row in self._rows if row.file_id == file_id), None)

    def texts_as_bytes(self) -> Iterator[Row | BadRow]:
        """None: ibackup chose their names."""
        return iter(())

    def flaws(self) -> Iterator[str]:
        """Nothing: there is no manifest that could be damaged."""
        return iter(())

    def another(self) -> "WellKnown":
        """The same: nothing in it changes."""
        return self

    def interrupt(self) -> None:
        """Nothing runs in another thread."""

    def close(self) -> None:
        """Nothing is open."""


def _there(tree: BlobTree, find: Find) -> Iterable[Row]:
    wanted: dict[str, dict[str, tuple[str, str]]] = {prefix: {} for prefix in PREFIXES}
    for name in names():
        file_id = file_id_of(*name)
        wanted[file_id[:2]][file_id] = name
    for prefix, known in wanted.items():
        for file_id in sorted(known.keys() & tree.bucket(prefix).sizes.keys()):
            item = find(file_id)
            domain, path = known[file_id]
            record = MBFile(size=item.size, mode=0o100600, modified=int(item.mtime), relative_path=path)
            yield Row(file_id, domain, path, Kind.FILE, record, file_id)


def lost(flaw: str, state: str, *, encrypted: bool, found: bool) -> FormatError:
    """The error for a missing manifest.

    Args:
        flaw: what is in its place.
        state: the ``SnapshotState`` of the backup; empty if it cannot be read.
        encrypted: whether the backup is encrypted; its manifest contains the keys of all files.
        found: whether there are files with well-known names.
    """
    why = _WHY.get(state, "the copy of this backup did not finish, or the list was deleted")
    if encrypted:
        rest = "the keys of all files are in it, so no file can be read"
    elif found:
        rest = (
            "the names of the files are lost with it; files that have the same name on every phone can "
            "still be extracted"
        )
    else:
        rest = "the names of the files are lost with it"
    hint = (
        f"Look for another copy of this backup: you need only its {DATABASE}. The files themselves are "
        "still here."
    )
    return FormatError(DATABASE, f"{flaw}: {why}; {rest}", hint=hint)


_WHY = {
    "uploading": "the run was interrupted before the phone sent it",
    "moving": "the run was cancelled while it moved files into place",
}
