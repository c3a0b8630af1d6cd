"""Where a backup's manifest and its files are.

A run puts new files into ``Snapshot/`` and moves them into place when all of them are there. If a run was
cancelled in between, the manifest and its files are in both places; the newer ones are in ``Snapshot/``.
"""

from typing import NamedTuple

from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.found_folders import DATABASE, LEGACY_DATABASE, LEGACY_MAGIC, MANIFEST, UNDER_WAY
from ibackup.apple.rows import blob_path
from ibackup.base.confined import Confined, FolderItem, PathRefused, parse


class Whereabouts(NamedTuple):
    """The places of one backup, as paths below its folder.

    Attributes:
        list_path: the manifest; empty if there is none.
        plist_path: the ``Manifest.plist`` that belongs to it.
        flat: whether all stored files are in one folder, as up to iOS 9.
        both: whether stored files may be in ``Snapshot/``, which then comes first.
        flaw: why there is no manifest at the top; empty if there is one.
    """

    list_path: str
    plist_path: str
    flat: bool
    both: bool
    flaw: str

    @property
    def list_under_way(self) -> bool:
        """Whether the manifest is still in ``Snapshot/``."""
        return self.list_path.startswith(f"{UNDER_WAY}/")


def look(confined: Confined, state: str) -> Whereabouts:
    """Find the manifest of a backup.

    Args:
        confined: the backup's folder.
        state: the ``SnapshotState`` of its Status.plist, empty if that cannot be read.
    """
    top, below = _list_in(confined, ""), _list_in(confined, f"{UNDER_WAY}/")
    found = below if below and (state == "moving" or not top) else top
    both = (found == below or state == "moving") and _kind(confined, UNDER_WAY) == "directory"
    plist = MANIFEST
    if both and (not top or found == below) and _size(confined, f"{UNDER_WAY}/{MANIFEST}"):
        plist = f"{UNDER_WAY}/{MANIFEST}"
    flaw = ""
    if not top:
        flaw = "it is empty" if _kind(confined, DATABASE) == "file" else "it is missing"
    return Whereabouts(found, plist, _is_flat(confined, found), both, flaw)


def place_of(confined: Confined, where: Whereabouts, file_id: str) -> str:
    """Where a stored file is below the backup's folder, or should be."""
    path = blob_path(file_id, flat=where.flat)
    newer = f"{UNDER_WAY}/{path}"
    return newer if where.both and _kind(confined, newer) == "file" else path


def _list_in(confined: Confined, folder: str) -> str:
    names = (f"{folder}{DATABASE}", f"{folder}{LEGACY_DATABASE}")
    return next((name for name in names if _size(confined, name)), "")


def _is_flat(confined: Confined, list_path: str) -> bool:
    if not list_path:
        return any(FILE_ID.fullmatch(item.name) for item in confined.items(()))
    if list_path.endswith(LEGACY_DATABASE):
        return True
    return begins(confined, list_path, LEGACY_MAGIC)


def begins(confined: Confined, path: str, magic: bytes) -> bool:
    """Whether a file of a backup begins with these bytes; False if it cannot be read."""
    try:
        with open(confined.open_file(parse(path)), "rb") as source:
            return source.read(len(magic)) == magic
    except (OSError, PathRefused):
        return False


def item_at(confined: Confined, path: str) -> FolderItem | None:
    """What is at a path of a backup; None if nothing is there or it cannot be checked."""
    try:
        return confined.item(parse(path))
    except (OSError, PathRefused):
        return None


def _kind(confined: Confined, path: str) -> str:
    item = item_at(confined, path)
    return "" if item is None else item.kind


def _size(confined: Confined, path: str) -> int:
    """Size of a file in bytes; a link or device counts as present; 0 for nothing or a folder."""
    item = item_at(confined, path)
    if item is None or item.kind == "directory":
        return 0
    return item.size if item.kind == "file" else 1
