"""Which files of the camera roll a backup has, from one pass over its list.

A phone has 500,000 pictures with as many thumbnails, so their names are not kept: a file's place in memory is eight
bytes of its fileID. Names are kept only where they cannot be guessed from the library: edits and RAW files.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress

from ibackup.apple.backup import Backup
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.format_errors import FormatError
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.mbfile import glance
from ibackup.apple.rows import BadRow, Kind, Row, Settles
from ibackup.contents.photos.photo_asset import DOMAIN

_DOMAIN = DOMAIN.encode()
_CAMERA = b"Media/DCIM/"
_CLOUD = b"Media/PhotoData/CPLAssets/"
_SHARED = b"Media/PhotoData/PhotoCloudSharingData/"
_EDITS = b"Media/PhotoData/Mutations/"
_THUMBNAILS = b"Media/PhotoData/Thumbnails/V2/"
MARKER = "Media/PhotoData/cpl_enabled_marker"
"""Is there when iCloud Photos is on."""
_MEDIA = (
    b"jpg",
    b"jpeg",
    b"heic",
    b"heif",
    b"png",
    b"gif",
    b"tif",
    b"tiff",
    b"mov",
    b"mp4",
    b"m4v",
    b"dng",
    b"webp",
)
_RAW = (b"dng", b"cr2", b"cr3", b"nef", b"arw", b"raf", b"orf", b"rw2", b"srw", b"pef", b"raw")
_USUAL_THUMBNAILS = ("5005.JPG", "5003.JPG")


class CameraFiles:
    """The files of a backup's camera roll.

    Args:
        backup: unlocked.

    Raises:
        FormatError: the list of files cannot be read at all.
    """

    def __init__(self, backup: Backup) -> None:
        self._backup = backup
        self._places = array("Q")
        self._cloud_sizes: dict[int, int] = {}
        self._edits: dict[bytes, tuple[bytes, ...]] = {}
        self._raw: dict[bytes, bytes] = {}
        self._unusual: dict[bytes, bytes] = {}
        for row in _all_rows(backup, self._take):
            if isinstance(row, Row) and row.domain == DOMAIN:
                packed = row.packed if isinstance(row.packed, bytes) else b""
                path = row.relative_path.encode("utf-8", "surrogateescape")
                self._take(bytes.fromhex(row.true_id), _DOMAIN, path, int(row.kind), packed)
        self._places = array("Q", sorted(self._places))
        self.cloud_is_on = backup.entry(DOMAIN, MARKER) is not None

    def _take(self, digest: bytes, domain: bytes, path: bytes, flags: int, packed: bytes) -> bool:
        """Note a row of the list; it is never needed again."""
        if domain != _DOMAIN or flags != Kind.FILE:
            return True
        if path.startswith(_CAMERA) or path.startswith(_SHARED):  # noqa: PIE810 - twice as fast as a tuple
            self._places.append(int.from_bytes(digest[:8], "big"))
            self._note_raw(path)
        elif path.startswith(_CLOUD):
            place = int.from_bytes(digest[:8], "big")
            self._places.append(place)
            with suppress(FormatError):
                self._cloud_sizes[place] = glance(packed)[0]
            self._note_raw(path)
        elif path.startswith(_THUMBNAILS):
            self._places.append(int.from_bytes(digest[:8], "big"))
            folder, _, name = path.rpartition(b"/")
            if name not in (b"5003.JPG", b"5005.JPG") and name[-4:].upper() == b".JPG":
                self._unusual[folder] = max(name, self._unusual.get(folder, b""))
        elif path.startswith(_EDITS):
            self._note_edit(path)
        return True

    def _note_raw(self, path: bytes) -> None:
        stem, _, ending = path.rpartition(b".")
        if ending.lower() in _RAW:
            self._raw[stem] = path

    def _note_edit(self, path: bytes) -> None:
        folder, _, name = path.rpartition(b"/")
        if name.rpartition(b".")[2].lower() in _MEDIA and not name.startswith(b"Penultimate"):
            self._edits[folder] = tuple(sorted((*self._edits.get(folder, ()), path)))

    def __contains__(self, path: str) -> bool:
        place = place_of(path)
        at = bisect_left(self._places, place)
        return at < len(self._places) and self._places[at] == place

    def size(self, path: str) -> int | None:
        """Bytes of a file that came from iCloud; None if it is no such file."""
        return self._cloud_sizes.get(place_of(path))

    def edits_of(self, folder: str, stem: str) -> tuple[str, ...]:
        """The edited versions of a picture, by its folder (`DCIM/100APPLE`) and its name without ending."""
        found = self._edits.get(_bytes(f"Media/PhotoData/Mutations/{folder}/{stem}/Adjustments"), ())
        return tuple(path.decode("utf-8", "surrogateescape") for path in found)

    def raw_of(self, path: str) -> str:
        """The RAW file beside a picture; empty if there is none, or if the picture is RAW itself."""
        found = self._raw.get(_bytes(path.rpartition(".")[0]), b"").decode("utf-8", "surrogateescape")
        return found if found != path else ""

    def thumbnail_of(self, folder: str, name: str) -> str:
        """The largest thumbnail of a picture."""
        found = [path for path in usual_thumbnails(folder, name) if path in self]
        parent = _thumbnails_of(folder, name)
        if unusual := self._unusual.get(_bytes(parent)):
            found.append(f"{parent}/{unusual.decode('utf-8', 'surrogateescape')}")
        return max(found, key=self._bytes_of) if len(found) > 1 else (found or [""])[0]

    def _bytes_of(self, path: str) -> int:
        with suppress(FormatError):
            entry = self._backup.entry(DOMAIN, path)
            return entry.size if entry else 0
        return 0


OWN_FOLDERS = ("Media/DCIM/", "Media/PhotoData/CPLAssets/")
"""Where the originals of the phone's owner are."""
_ALL_FOLDERS = (*OWN_FOLDERS, "Media/PhotoData/PhotoCloudSharingData/")


class OriginalFiles:
    """Which originals a backup has, and nothing else about them, in a third of the time that ``CameraFiles`` takes."""

    def __init__(self, backup: Backup) -> None:
        self._places = array("Q", sorted(place for place, _ in originals(backup, _ALL_FOLDERS)))

    def __contains__(self, path: str) -> bool:
        place = place_of(path)
        at = bisect_left(self._places, place)
        return at < len(self._places) and self._places[at] == place


def originals(backup: Backup, folders: tuple[str, ...] = OWN_FOLDERS) -> list[tuple[int, int]]:
    """Place and size in bytes of each file in the camera's folders; what is damaged in the list is left out."""
    rows = backup.rows
    if isinstance(rows, ManifestDb):
        with suppress(FormatError):
            listed = [each for folder in folders for each in rows.files_below(DOMAIN, folder)]
            return [(place_of(path), _size(packed)) for path, packed in listed]
    found = []
    for row in _all_rows(backup, _is_no_camera_file):
        if not isinstance(row, Row) or row.kind is not Kind.FILE or row.domain != DOMAIN:
            continue
        if row.relative_path.startswith(folders):
            with suppress(FormatError):
                found.append((place_of(row.relative_path), row.glance()[0]))
    return found


def pictured(backup: Backup) -> set[int]:
    """The places of the pictures of which a backup has a small version; none if its list is damaged or very old."""
    rows, found = backup.rows, set[int]()
    if isinstance(rows, ManifestDb):
        start = _THUMBNAILS.decode()
        with suppress(FormatError):
            of = {path.rpartition("/")[0] for path, _ in rows.files_below(DOMAIN, start)}
            found.update(place_of(f"Media/{each.removeprefix(start)}") for each in of)
    return found


def usual_thumbnails(folder: str, name: str) -> tuple[str, ...]:
    """Where most phones have the thumbnail of a picture, the largest first."""
    return tuple(f"{_thumbnails_of(folder, name)}/{each}" for each in _USUAL_THUMBNAILS)


def _thumbnails_of(folder: str, name: str) -> str:
    return f"Media/PhotoData/Thumbnails/V2/{folder}/{name}"


def place_of(path: str) -> int:
    """What stands for a file of the camera roll in memory: the first eight bytes of its fileID."""
    return int(file_id_of(DOMAIN, path)[:16], 16)


class LooseFiles:
    """The files in the camera's folders that no picture of the library claimed; fill it with ``claim`` first."""

    def __init__(self, backup: Backup) -> None:
        self._backup = backup
        self._claimed = array("Q")

    def claim(self, path: str) -> None:
        """Say that a file belongs to a picture."""
        self._claimed.append(place_of(path))

    def __iter__(self) -> Iterator[str]:
        """The paths of the others, in the list's order."""
        claimed = array("Q", sorted(self._claimed))
        for row in _all_rows(self._backup, _is_no_camera_file):
            if not isinstance(row, Row) or row.kind is not Kind.FILE or row.domain != DOMAIN:
                continue
            path = row.relative_path
            if path.encode("utf-8", "surrogateescape").startswith((_CAMERA, _CLOUD)):
                place = int(row.true_id[:16], 16)
                at = bisect_left(claimed, place)
                if at == len(claimed) or claimed[at] != place:
                    yield path


def _is_no_camera_file(_digest: bytes, domain: bytes, path: bytes, flags: int, _packed: bytes) -> bool:
    return domain != _DOMAIN or flags != Kind.FILE or not path.startswith((_CAMERA, _CLOUD, _SHARED))


def _all_rows(backup: Backup, settles: Settles) -> Iterator[Row | BadRow]:
    """The list's rows that `settles` does not accept; all that can be read of a damaged list."""
    try:
        yield from backup.rows.rows(settles=settles)
    except FormatError:
        yield from backup.rows.salvaged_rows()


def _size(packed: bytes) -> int:
    with suppress(FormatError):
        return glance(packed)[0]
    return 0


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
