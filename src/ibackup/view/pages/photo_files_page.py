"""The pictures and films themselves: small ones for the grid, large ones to look at, and downloads."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import BinaryIO, Final

from starlette.responses import Response

from ibackup.apple.entry import Entry
from ibackup.base.errors import IbackupError
from ibackup.contents.photos.camera_files import usual_thumbnails
from ibackup.contents.photos.photo_asset import DOMAIN, PHOTO, Holds, PhotoAsset
from ibackup.export.export_folder import plain_name
from ibackup.view.asked import Asked
from ibackup.view.not_shown import NotShown
from ibackup.view.opened.media import media_response, streamed_download
from ibackup.view.opened.opened_backups import OpenedBackup
from ibackup.view.opened.photo_shelf import GONE, library_of
from ibackup.view.opened.thumbnails import Thumbnail, Thumbnails, thumbnail, thumbnail_response
from ibackup.view.shown_phones import ShownBackup
from ibackup.view.way import Way
from ibackup.view.zip_stream import ZipMember, zip_stream

LARGE: Final = 2560
"""Pixels of the longer side of a HEIC picture that is shown as a JPEG."""
MOST_CHOSEN: Final = 3000
_PICTURES: Final = frozenset(("jpg", "jpeg", "heic", "heif", "png", "gif", "webp"))


def small(asked: Asked) -> Response:
    """The square of the grid for a row of the library."""
    row = _row(asked.query.get("row", ""))
    found = kept_of_gone(asked, row)
    if found is not None:
        return thumbnail_response(found)

    def files(opened: OpenedBackup) -> Iterable[Entry]:
        return _entries(opened, _small_paths(opened, row))

    return thumbnail_response(thumbnail(asked.open(), f"photo {row}", files))


def kept_of_gone(asked: Asked, row: int) -> Thumbnail | None:
    """The small picture of a photo that is gone, if it was kept when its backup was looked through."""
    newest = asked.phone.newest
    opened = asked.house.opened.peek(newest, asked.session) if newest is not None else None
    shelf = opened.peek(GONE) if opened is not None else None
    return shelf.get(f"{asked.at}/{row}")[1] if isinstance(shelf, Thumbnails) else None


def file(asked: Asked) -> Response:
    """A file of a picture: what to look at (``view``), its film, or the file itself as a download.

    ``what`` is ``view``, ``main``, ``film``, ``raw`` or the number of an edit.
    """
    what, download = asked.query.get("what", "main"), "download" in asked.query
    with asked.open() as opened:
        asset = _asset(opened, _row(asked.query.get("row", "")))
        path = _path(asset, what) if asset is not None else ""
        entry = opened.backup.entry(DOMAIN, path) if path else None
        if asset is None or entry is None:
            raise NotShown("This photo is not in this backup.", hint="Go back to the photos.")
        source = _opened(entry)
    name = file_name(asset, path)
    return media_response(source, asked.headers, name=name, download=download, most_side=LARGE)


def chosen(asked: Asked) -> Response:
    """The chosen photos as a zip, made while it is sent."""
    picked: list[tuple[ShownBackup, int]] = []
    for value in asked.form.get("photo", ())[:MOST_CHOSEN]:
        at, _, row = value.rpartition("/")
        backup = asked.phone.by_id.get(at) if at else asked.backup
        if backup is not None and row.isascii() and row.isdigit():
            picked.append((backup, _row(row)))
    if not picked:
        raise NotShown("No photo was chosen.", hint="Go back, select “Choose” and then some photos.")
    with asked.open():
        pass  # the password is asked for now, not in the middle of the archive
    name = f"{plain_name(asked.phone.name, 'iPhone')} photos.zip"
    return streamed_download(zip_stream(_members(asked, picked)), name, "application/zip")


def _members(asked: Asked, picked: Iterable[tuple[ShownBackup, int]]) -> Iterator[ZipMember]:
    names: set[str] = set()
    for backup, row in picked:
        with asked.open_other(backup) as opened:
            asset = _asset(opened, row)
            if asset is None:
                continue
            paths = dict.fromkeys((_path(asset, "main"), asset.film, asset.raw, *asset.edits))
            present = [path for path in paths if path and opened.backup.entry(DOMAIN, path)]
        modified = int(asset.taken.timestamp()) if asset.taken else 0
        for path in present:
            yield ZipMember(
                _free(names, file_name(asset, path)), modified, partial(_reopened, asked, backup, path)
            )


def _reopened(asked: Asked, backup: ShownBackup, path: str) -> BinaryIO:
    with asked.open_other(backup) as opened:
        entry = opened.backup.entry(DOMAIN, path)
        if entry is None:
            raise NotShown("This photo is not in this backup.")
        return _opened(entry)


def _opened(entry: Entry) -> BinaryIO:
    try:
        return entry.open()
    except OSError as error:
        raise IbackupError(
            "This file is missing or cannot be read.",
            why=error.strerror or "",
            hint="Another backup may have it. The timeline shows how to read this one in full.",
        ) from error


def file_name(asset: PhotoAsset, path: str) -> str:
    """What a file of a picture is called when it is taken out: as the picture, with the ending of the file."""
    stem = plain_name(asset.original_name.rpartition(".")[0] or asset.original_name, "Photo")
    ending = path.rpartition("/")[2].rpartition(".")[2]
    ending = ending if ending.isascii() and ending.isalnum() and len(ending) <= 8 else "bin"
    if asset.holds is Holds.ORIGINAL and path == asset.path:
        given = asset.original_name.rpartition(".")[2]
        ending = given if given.lower() == ending.lower() else ending
    mark = " (edited)" if path in asset.edits else " (small)" if path == asset.stand_in else ""
    return f"{stem}{mark}.{ending}"


def view_path(asset: PhotoAsset) -> str:
    """The picture to look at: as its owner edited it; empty if the backup has none in full size."""
    edits = [path for path in asset.edits if _is_picture(path)] if asset.kind == PHOTO else []
    return edits[0] if edits else _path(asset, "main")


def film_path(asset: PhotoAsset) -> str:
    """The film of a video, as its owner edited it, or of a Live Photo."""
    if asset.kind == PHOTO:
        return asset.film
    edits = [path for path in asset.edits if not _is_picture(path)]
    return edits[0] if edits else _path(asset, "main")


def _path(asset: PhotoAsset, what: str) -> str:
    if what == "view":
        return view_path(asset)
    if what == "film":
        return film_path(asset)
    if what == "raw":
        return asset.raw
    if what.isascii() and what.isdigit():
        number = int(what[:3])
        return asset.edits[number] if number < len(asset.edits) else ""
    return asset.path if asset.holds is Holds.ORIGINAL else asset.stand_in


def _small_paths(opened: OpenedBackup, row: int) -> Iterator[str]:
    """What a small picture can be made of, the best first: the phone's own needs the least knowledge."""
    library = library_of(opened)
    named = library.named(row) if library is not None else None
    if library is None or named is None:
        return
    yield from usual_thumbnails(*named)
    asset = library.asset(row)
    if asset is None:
        return
    yield library.files.thumbnail_of(*named)
    for path in (*asset.edits, asset.path, asset.stand_in):
        if _is_picture(path):
            yield path


def _entries(opened: OpenedBackup, paths: Iterable[str]) -> Iterator[Entry]:
    for path in paths:
        entry = opened.backup.entry(DOMAIN, path) if path else None
        if entry is not None:
            yield entry


def _asset(opened: OpenedBackup, row: int) -> PhotoAsset | None:
    library = library_of(opened)
    return library.asset(row) if library is not None else None


def _is_picture(path: str) -> bool:
    return path.rpartition(".")[2].lower() in _PICTURES


def _free(names: set[str], name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    number, free = 1, name
    while free.casefold() in names:
        number += 1
        free = f"{stem} ({number}){dot}{ending}"
    names.add(free.casefold())
    return free


def _row(given: str) -> int:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0


WAYS = (
    Way("GET", "/phone/{phone}/photos/small", small, "data"),
    Way("GET", "/phone/{phone}/photos/file", file, "data"),
    Way("POST", "/phone/{phone}/photos/chosen", chosen),
)
