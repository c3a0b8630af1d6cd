"""Reads `Photos.sqlite`: every picture and film, with albums, people and what the backup has of it."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property, lru_cache
from typing import Final, Self
from zoneinfo import ZoneInfo

from ibackup.apple.app_places import PHOTOS
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, AppTable, Cell, number, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.gaps import Gaps
from ibackup.contents.photos.album_tree import AlbumTree
from ibackup.contents.photos.camera_files import CameraFiles, OriginalFiles
from ibackup.contents.photos.photo_asset import (
    PHOTO,
    VIDEO,
    Holds,
    PhotoAlbum,
    PhotoAsset,
    PhotoCamera,
    PhotoSource,
    Presence,
)
from ibackup.contents.photos.photo_lines import SOURCES, TABLES, PhotoLine, lines
from ibackup.contents.time_zones import known_zone

PART: Final = "photos"
_COLUMNS: Final = (
    "ZUUID",
    "ZDIRECTORY",
    "ZFILENAME",
    "ZUNIFORMTYPEIDENTIFIER",
    "ZKIND",
    "ZKINDSUBTYPE",
    "ZPLAYBACKSTYLE",
    "ZVIDEOCPVISIBILITYSTATE",
    "ZFAVORITE",
    "ZHIDDEN",
    "ZTRASHEDSTATE",
    "ZVISIBILITYSTATE",
    "ZSAVEDASSETTYPE",
    ("ZADJUSTMENTSSTATE", "ZHASADJUSTMENTS"),
    "ZCLOUDPLACEHOLDERKIND",
    "ZAVALANCHEUUID",
    "ZAVALANCHEPICKTYPE",
    "ZDATECREATED",
    "ZADDEDDATE",
    "ZMODIFICATIONDATE",
    "ZADJUSTMENTTIMESTAMP",
    "ZTRASHEDDATE",
    "ZLATITUDE",
    "ZLONGITUDE",
    "ZWIDTH",
    "ZHEIGHT",
    "ZDURATION",
    "ZADDITIONALATTRIBUTES",
)
_PRESENCE: Final = (
    "ZDIRECTORY",
    "ZFILENAME",
    "ZTRASHEDSTATE",
    "ZSAVEDASSETTYPE",
    ("ZADJUSTMENTSSTATE", "ZHASADJUSTMENTS"),
    "ZCLOUDPLACEHOLDERKIND",
    "ZADDITIONALATTRIBUTES",
)
_ATTRIBUTES: Final = (
    "ZASSET",
    "ZORIGINALFILENAME",
    "ZORIGINALFILESIZE",
    "ZTIMEZONENAME",
    "ZTIMEZONEOFFSET",
    "ZTITLE",
)
_CAMERA: Final = (
    "ZASSET",
    "ZCAMERAMAKE",
    "ZCAMERAMODEL",
    "ZLENSMODEL",
    "ZISO",
    "ZAPERTURE",
    "ZSHUTTERSPEED",
    "ZFOCALLENGTH",
)
_STYLES: Final = {
    1: "panorama",
    10: "screenshot",
    101: "slow motion",
    102: "time-lapse",
    103: "screen recording",
}
_LIVE, _LIVE_SHOWN, _LIVE_OFF = 2, 3, 15
_PICKED: Final = 8
_NO_PLACE: Final = -180.0
_STAND_INS: Final = frozenset(
    (4, 7, 8)
)  # kinds of placeholder that are a smaller file in the original's place
_ENDINGS_OF_FILMS: Final = ("MOV", "mov", "MP4", "mp4")
_MOST_TEXT: Final = 10_000  # characters of a title or a caption
_CLOUD_FOLDER: Final = "PhotoData/CPLAssets/"


class PhotoLibrary:
    """The library of a backup. Use `open`; close it when done.

    Args:
        database: of the library.
        backup: unlocked.
    """

    def __init__(self, database: AppDatabase, backup: Backup) -> None:
        self._database = database
        self._backup = backup
        self._attributes = _Attributes(database)

    @cached_property
    def files(self) -> CameraFiles:
        """Which files of the camera roll the backup has. Raises FormatError."""
        return CameraFiles(self._backup)

    @cached_property
    def _tree(self) -> AlbumTree:
        return AlbumTree(self._database)

    @cached_property
    def _people(self) -> "_People":
        return _People(self._database)

    @classmethod
    def open(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """The library; None if the backup has none, or, with a gap, if it cannot be read.

        Args:
            backup: unlocked.
            gaps: takes what cannot be read, now and later.

        Raises:
            NoRoom: there is no space for a temporary copy.
            FormatError: the backup's list of files cannot be read.
        """
        database = AppDatabase.of(backup, [PHOTOS], PART, gaps)
        if database is None:
            return None
        try:
            return cls(database, backup)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def albums(self) -> list[PhotoAlbum]:
        """The albums and folders that people made and that are not deleted, in the library's order."""
        return self._tree.albums

    def count(self) -> int:
        """How many pictures and films ``assets`` gives; 0 if that is not known."""
        table = self._database.table(*TABLES)
        return 0 if table is None else table.count()

    def assets(self) -> Iterator[PhotoAsset]:
        """Every picture and film, also hidden and recently deleted ones, in the order of the library's rows."""
        table = self._assets_table()
        if table is None:
            return
        for cells in table.select(*_COLUMNS):
            yield self._asset(cells)

    def asset(self, row: int) -> PhotoAsset | None:
        """One picture or film by its row; None if there is none, or, with a gap, if it cannot be read."""
        table = self._assets_table()
        cells = table.select(*_COLUMNS).at(row) if table is not None else None
        return self._asset(cells) if cells is not None else None

    def lines(self) -> Iterator[PhotoLine]:
        """A few words about each, in a fifth of the time that ``assets`` takes. Raises FormatError."""
        return lines(self._database, OriginalFiles(self._backup).__contains__)

    def named(self, row: int) -> tuple[str, str] | None:
        """Folder and name of a picture's file below `Media/`; None if there is no such row."""
        table = self._assets_table()
        cells = table.select("ZDIRECTORY", "ZFILENAME").at(row) if table is not None else None
        return (text(cells[1]), text(cells[2])) if cells is not None else None

    def camera(self, row: int) -> PhotoCamera | None:
        """What a picture was taken with, by its row; None if the library does not say."""
        assets, cameras = self._assets_table(), self._database.table("ZEXTENDEDATTRIBUTES")
        if assets is None or cameras is None:
            return None
        link = assets.select("ZEXTENDEDATTRIBUTES").at(row)
        cells = cameras.select(*_CAMERA).at(number(link[1])) if link is not None else None
        if cells is None or number(cells[1]) != row:
            return None
        make, model, lens = (text(cell).strip()[:200] for cell in cells[2:5])
        found = PhotoCamera(make, model, lens, number(cells[5]), *map(_real, cells[6:9]))
        return found if any(found) else None

    def presences(self) -> Iterator[Presence]:
        """What the backup has of each picture and film, in a third of the time that ``assets`` takes."""
        table = self._assets_table()
        for cells in table.select(*_PRESENCE) if table is not None else ():
            folder, name = text(cells[1]), text(cells[2])
            trashed, saved, edited, placeholder = (number(cell) for cell in cells[3:7])
            path = f"Media/{folder}/{name}" if folder and name else ""
            files = _Files(self.files, folder, name, path)
            original_bytes = 0
            if path and self.files.size(path) is not None:
                original_bytes = number(self._attributes.of(number(cells[0]), number(cells[7]))[3])
            holds, _ = files.holds(files.edits() if edited > 0 else (), original_bytes, placeholder)
            yield Presence(
                SOURCES.get(saved, PhotoSource.UNKNOWN),
                trashed == 1,
                placeholder > 0 or folder.startswith(_CLOUD_FOLDER),
                holds,
            )

    def _assets_table(self) -> AppTable | None:
        table = self._database.table(*TABLES)
        if table is None:
            self._database.gaps.add(
                PART, "the library has no table of photos that ibackup knows", damage=True
            )
        return table

    def _asset(self, cells: tuple[Cell, ...]) -> PhotoAsset:
        row = number(cells[0])
        uuid, folder, name, uti = (text(cell) for cell in cells[1:5])
        (
            kind,
            subtype,
            playback,
            visible_film,
            favorite,
            hidden,
            trashed,
            visibility,
            saved,
            edited,
            placeholder,
        ) = (number(cell) for cell in cells[5:16])
        burst, pick = text(cells[16]), number(cells[17])
        taken, added, modified, edited_at, trashed_at = (from_apple(cell) for cell in cells[18:23])
        latitude, longitude = _place(cells[23], cells[24])
        attributes = self._attributes.of(row, number(cells[28]))
        _, _, original_name, original_bytes, zone, offset, title = attributes
        path = f"Media/{folder}/{name}" if folder and name else ""
        is_edited = edited > 0
        files = _Files(self.files, folder, name, path)
        live = "" if subtype != _LIVE or kind else "on"
        if live and playback != _LIVE_SHOWN and visible_film == _LIVE_OFF:
            live = "off"
        edits = files.edits() if is_edited else ()
        holds, stand_in = files.holds(edits, number(original_bytes), placeholder)
        return PhotoAsset(
            id=uuid or f"{folder}/{name}",
            row=row,
            path=path,
            name=name,
            original_name=text(original_name) or name,
            kind=VIDEO if kind == 1 else PHOTO,
            style=_STYLES.get(subtype, ""),
            file_type=uti,
            live=live,
            film=files.film() if live else "",
            raw=self.files.raw_of(path) if path and kind == 0 else "",
            edits=edits,
            holds=holds,
            stand_in=stand_in,
            placeholder=placeholder > 0 or folder.startswith(_CLOUD_FOLDER),
            edited=is_edited,
            favorite=favorite == 1,
            hidden=hidden == 1,
            trashed=trashed == 1,
            trashed_at=trashed_at if trashed == 1 else None,
            shown=visibility == 0 and hidden != 1 and trashed != 1,
            burst=burst,
            burst_pick=bool(burst) and bool(pick & _PICKED),
            source=SOURCES.get(saved, PhotoSource.UNKNOWN),
            taken=_in_zone(taken, text(zone), offset),
            zone=text(zone),
            added=added,
            modified=modified,
            edited_at=edited_at if is_edited else None,
            latitude=latitude,
            longitude=longitude,
            width=number(cells[25]),
            height=number(cells[26]),
            duration_s=_real(cells[27]),
            original_bytes=number(original_bytes),
            title=text(title)[:_MOST_TEXT],
            caption=self._attributes.caption(number(attributes[0])),
            people=self._people.of(row),
            albums=self._tree.of(row),
        )


class _Files:
    """Finds the files of one picture."""

    __slots__ = ("_files", "_folder", "_name", "_path", "_stem")

    def __init__(self, files: CameraFiles, folder: str, name: str, path: str) -> None:
        self._files = files
        self._folder = folder
        self._name = name
        self._path = path
        self._stem = name.rpartition(".")[0] or name

    def film(self) -> str:
        """The film of a Live Photo: in the same folder under the same name, and never in another."""
        stem = f"Media/{self._folder}/{self._stem}"
        return next((path for end in _ENDINGS_OF_FILMS if (path := f"{stem}.{end}") in self._files), "")

    def edits(self) -> tuple[str, ...]:
        """The edited versions; an old iPhone put them beside the original, with an E in the name."""
        found = self._files.edits_of(self._folder, self._stem)
        if found or not self._name.startswith("IMG_"):
            return found
        beside = f"Media/{self._folder}/IMG_E{self._name.removeprefix('IMG_')}"
        stem = beside.rpartition(".")[0]
        candidates = dict.fromkeys((beside, f"{stem}.JPG", f"{stem}.HEIC", f"{stem}.MOV"))
        return tuple(path for path in candidates if path in self._files)

    def holds(self, edits: tuple[str, ...], original_bytes: int, placeholder: int) -> tuple[Holds, str]:
        """What the backup has, and the path of what stands in for an original that it lacks."""
        path = self._path
        if not path:
            return Holds.NOTHING, ""
        if path in self._files:
            size = self._files.size(path)
            smaller = placeholder in _STAND_INS or (size is not None and 0 < size < original_bytes)
            return (Holds.SMALLER, path) if smaller else (Holds.ORIGINAL, "")
        if self._folder.startswith(_CLOUD_FOLDER):
            stem = f"Media/{self._folder}/{self._stem}"
            for ending in ("JPG", "JPEG", "jpg"):
                if (stand_in := f"{stem}.{ending}") in self._files:
                    return Holds.SMALLER, stand_in
        if edits:
            return Holds.EDIT, edits[0]
        thumbnail = self._files.thumbnail_of(self._folder, self._name)
        return (Holds.THUMBNAIL, thumbnail) if thumbnail else (Holds.NOTHING, "")


class _Attributes:
    """The second half of what the library says of a picture; each row is read when it is needed."""

    def __init__(self, database: AppDatabase) -> None:
        table = database.table("ZADDITIONALASSETATTRIBUTES")
        self._rows = table.select(*_ATTRIBUTES) if table else None
        self._by_asset: dict[int, int] | None = None
        self._links = table.select("ZASSET") if table else None
        described = database.table("ZASSETDESCRIPTION")
        self._captions = described.select("ZLONGDESCRIPTION") if described else None
        self._caption_rows: Mapping[int, int] = (
            {number(owner): number(row) for row, owner in described.select("ZASSETATTRIBUTES")}
            if described
            else {}
        )

    def of(self, asset: int, row: int) -> tuple[Cell, ...]:
        """The row of a picture, by the picture's number and by what it says is its row's."""
        if self._rows is None:
            return (None,) * (1 + len(_ATTRIBUTES))
        found = self._rows.at(row) if row else None
        if found is None or found[1] != asset:
            found = self._rows.at(other) if (other := self._row_of(asset)) else None
        return found or (None,) * (1 + len(_ATTRIBUTES))

    def _row_of(self, asset: int) -> int:
        if self._by_asset is None:
            self._by_asset = {number(owner): number(row) for row, owner in self._links or ()}
        return self._by_asset.get(asset, 0)

    def caption(self, row: int) -> str:
        """The caption whose attributes are in this row."""
        place = self._caption_rows.get(row)
        found = self._captions.at(place) if place and self._captions is not None else None
        return text(found[1])[:_MOST_TEXT] if found else ""


class _People:
    """The names of the people in each picture."""

    def __init__(self, database: AppDatabase) -> None:
        self._by_asset: dict[int, tuple[str, ...]] = {}
        persons, faces = database.table("ZPERSON"), database.table("ZDETECTEDFACE")
        if persons is None or faces is None:
            return
        names = {
            number(row): name[:_MOST_TEXT]
            for row, full, shown in persons.select("ZFULLNAME", "ZDISPLAYNAME")
            if (name := text(full) or text(shown))
        }
        if not names:
            return
        same: dict[tuple[str, ...], tuple[str, ...]] = {}
        for _, person, asset in faces.select(("ZPERSONFORFACE", "ZPERSON"), ("ZASSETFORFACE", "ZASSET")):
            who, row = names.get(number(person)), number(asset)
            known = self._by_asset.get(row, ())
            if who and who not in known:
                whole = (*known, who)
                self._by_asset[row] = same.setdefault(whole, whole)

    def of(self, row: int) -> tuple[str, ...]:
        """Those in one picture."""
        return self._by_asset.get(row, ())


def _in_zone(moment: datetime | None, zone: str, offset: Cell) -> datetime | None:
    """A moment with the offset of the place where the picture was taken."""
    if moment is None:
        return None
    if isinstance(offset, (int, float)) and math.isfinite(offset) and abs(offset) < 24 * 3600:
        return _moved(moment, _offset(int(offset)))
    found = known_zone(zone)
    return _moved(moment, found) if found else moment


def _moved(moment: datetime, zone: timezone | ZoneInfo) -> datetime:
    with suppress(OverflowError, ValueError):  # at the ends of the calendar
        return moment.astimezone(zone)
    return moment


@lru_cache(maxsize=256)
def _offset(seconds: int) -> timezone:
    return timezone(timedelta(seconds=seconds)) if seconds else UTC


def _place(latitude: Cell, longitude: Cell) -> tuple[float | None, float | None]:
    if not isinstance(latitude, (int, float)) or not isinstance(longitude, (int, float)):
        return None, None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or latitude == longitude == _NO_PLACE:
        return None, None
    return float(latitude), float(longitude)


def _real(cell: Cell) -> float:
    return float(cell) if isinstance(cell, (int, float)) and math.isfinite(cell) and abs(cell) < 1e12 else 0.0
