"""The albums of a photo library, in their folders, and which pictures are in each."""

import re
from array import array
from functools import cached_property
from typing import Final

from ibackup.contents.app_database import AppDatabase, Cell, number, text
from ibackup.contents.photos.photo_asset import PhotoAlbum

_ALBUM, _SHARED, _FOLDER = 2, 1505, 4000
_SHOWN: Final = frozenset((_ALBUM, _SHARED, _FOLDER))
_JOIN: Final = r"Z_\d+ASSETS"  # its number changes from one model to the next
_LEFT, _RIGHT = re.compile(r"Z_\d+ALBUMS", re.IGNORECASE), re.compile(r"Z_\d+ASSETS", re.IGNORECASE)
_ORDER = re.compile(r"Z_FOK_\d+ASSETS", re.IGNORECASE)
_MOST_FOLDERS: Final = 64  # deep
_MOST_TITLE: Final = 1000  # characters


class AlbumTree:
    """The albums and folders that people made.

    Attributes:
        albums: those that are not deleted, in the library's order.
    """

    def __init__(self, database: AppDatabase) -> None:
        self.albums: list[PhotoAlbum] = []
        table = database.table("ZGENERICALBUM")
        if table is None:
            return
        rows: dict[int, tuple[Cell, ...]] = {
            number(cells[0]): cells[1:]
            for cells in table.select("ZKIND", "ZTITLE", "ZUUID", "ZTRASHEDSTATE", "ZPARENTFOLDER")
        }
        members = _members(database)
        for row, (kind, title, uuid, _, _) in rows.items():
            if number(kind) not in _SHOWN or _in_trash(rows, row):
                continue
            album = PhotoAlbum(
                id=text(uuid) or f"album {row}",
                title=text(title)[:_MOST_TITLE],
                path=_path(rows, row),
                folder=number(kind) == _FOLDER,
                shared=number(kind) == _SHARED,
                rows=members.get(row, array("q")),
            )
            self.albums.append(album)

    def of(self, row: int) -> tuple[str, ...]:
        """The ids of the albums that a picture is in."""
        return self._by_asset.get(row, ())

    @cached_property
    def _by_asset(self) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        same: dict[tuple[str, ...], tuple[str, ...]] = {}  # thousands of pictures are in the same albums
        for album in self.albums:
            for row in album.rows:
                whole = (*found.get(row, ()), album.id)
                found[row] = same.setdefault(whole, whole)
        return found


def _members(database: AppDatabase) -> "dict[int, array[int]]":
    """The pictures of each album in its order, from every table that joins albums and pictures."""
    found: dict[int, tuple[array[int], array[int]]] = {}
    for table in database.tables(_JOIN):
        left = [column for column in table.columns if _LEFT.fullmatch(column)]
        right = [column for column in table.columns if _RIGHT.fullmatch(column)]
        order = [column for column in table.columns if _ORDER.fullmatch(column)]
        if not left or not right:
            continue
        for _, album, asset, place in table.select(left[0], right[0], order[0] if order else ()):
            if type(album) is int and type(asset) is int:
                assets, places = found.setdefault(album, (array("q"), array("q")))
                assets.append(asset)
                places.append(place if type(place) is int else 0)
    return {album: _in_order(*pair) for album, pair in found.items()}


def _in_order(assets: "array[int]", places: "array[int]") -> "array[int]":
    """Sorted by place; of equal places in the table's order, and each picture once."""
    seen: dict[int, None] = dict.fromkeys(
        assets[at] for at in sorted(range(len(assets)), key=places.__getitem__)
    )
    return array("q", seen)


def _path(rows: dict[int, tuple[Cell, ...]], row: int) -> tuple[str, ...]:
    """The titles from the outermost folder to the album itself; a circle of folders ends where it closes."""
    titles: list[str] = []
    seen: set[int] = set()
    while row in rows and row not in seen and len(seen) < _MOST_FOLDERS:
        seen.add(row)
        kind, title, _, _, parent = rows[row]
        if number(kind) in _SHOWN:  # not the root, which has no name
            titles.append(text(title)[:_MOST_TITLE])
        row = number(parent)
    return tuple(reversed(titles))


def _in_trash(rows: dict[int, tuple[Cell, ...]], row: int) -> bool:
    """Whether it, or a folder around it, is deleted."""
    seen: set[int] = set()
    while row in rows and row not in seen and len(seen) < _MOST_FOLDERS:
        seen.add(row)
        if number(rows[row][3]) == 1:
            return True
        row = number(rows[row][4])
    return False
