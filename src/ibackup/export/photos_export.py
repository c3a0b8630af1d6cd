"""Photos and videos: originals as they are, with films, edits and a sidecar beside them, in folders by month.

All files of one picture share one name. So the names that an export gives out here are those without an ending: what
is beside a picture can never get the number of another.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.base.confined import Parts
from ibackup.base.errors import IbackupError
from ibackup.contents.app_times import from_unix
from ibackup.contents.gaps import Gaps
from ibackup.contents.photos.camera_files import LooseFiles
from ibackup.contents.photos.photo_asset import DOMAIN, VIDEO, Holds, PhotoAlbum, PhotoAsset, PhotoSource
from ibackup.contents.photos.photo_library import PART, PhotoLibrary
from ibackup.explore.file_times import Times
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.export_folder import plain_name
from ibackup.export.heic_jpeg import Convert, converter
from ibackup.export.photo_sidecars import sidecar_json, sidecar_xmp

ONLY_IN_ICLOUD = "the original is only in iCloud"
LOST = "the original is not in this backup"
NO_JPEG = "no JPEG could be made of the picture"
NO_LINKS = "this disk has no hard links: albums.json lists the pictures of each album instead"
_TITLE = "Photos"
_ENDING = re.compile(r"[A-Za-z0-9]{1,8}")
_HEIC = frozenset(("heic", "heif"))
_FILMS = frozenset(("mov", "mp4", "m4v", "3gp", "avi"))
_PICTURES = frozenset((*_HEIC, "jpg", "jpeg", "png", "gif", "tif", "tiff", "webp", "bmp", "dng"))
_LEFT_OUT = frozenset((PhotoSource.SHARED_WITH_YOU, PhotoSource.MOMENT))


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every picture and film."""
    library = PhotoLibrary.open(backup, gaps)
    if library is not None:
        with library:
            for asset in library.assets():
                if asset.holds is not Holds.NOTHING:
                    yield asset.id


def export(run: Export) -> None:
    """Copy everything, then link the albums."""
    convert = converter() if run.request.jpeg else None
    above = run.folder.place((), _TITLE, "folder photos")
    library = PhotoLibrary.open(run.backup, run.gaps)
    writing = _Writing(run, above, convert)
    if library is not None:
        with library:
            writing.learn(library.albums)
            run.expect(library.count())
            for asset in library.assets():
                writing.take(asset)
            writing.make_jpegs()
            writing.write_albums(library.albums)
    writing.take_loose()
    if not writing.photos + writing.videos:
        run.nothing()
        return
    for noun, number in (("photos", writing.photos), ("videos", writing.videos)):
        if number:
            run.count(noun, number)
    about = f"{counted(writing.photos, 'photos')} and {counted(writing.videos, 'videos')}, in the folder {above[-1]}"
    run.index.append(IndexLine(_TITLE, None, about))


@dataclass(slots=True)
class _Exported:
    """The files of one picture that album links need: their common name, and the ending of each."""

    above: Parts
    stem: str
    endings: list[str] = field(default_factory=list)


class _Writing:
    def __init__(self, run: Export, above: Parts, convert: Convert | None) -> None:
        self.photos = self.videos = 0
        self._run = run
        self._above = above
        self._convert = convert
        self._folders: dict[str, Parts] = {}
        self._in_albums: dict[int, _Exported] = {}
        self._album_paths: dict[str, str] = {}
        self._loose = LooseFiles(run.backup)
        self._heic: list[tuple[str, Parts, float | None, str]] = []
        self._edited: set[str] = set()

    def learn(self, albums: list[PhotoAlbum]) -> None:
        """Note what the albums are called."""
        self._album_paths = {album.id: "/".join(album.path) for album in albums}

    # -- one picture ------------------------------------------------------------------------------------------

    def take(self, asset: PhotoAsset) -> None:
        """Copy a picture with everything that belongs to it."""
        for path in (asset.path, asset.film, asset.raw, asset.stand_in, *asset.edits):
            if path:
                self._loose.claim(path)
        if asset.source in _LEFT_OUT or not self._run.wants(asset.id, asset.taken):
            return
        if asset.holds is Holds.NOTHING and self._run.request.later is not None:
            return  # what this backup does not have either has not gone since
        if asset.holds is not Holds.ORIGINAL:
            self._run.gaps.add(PART, ONLY_IN_ICLOUD if asset.placeholder else LOST, asset.original_name)
        if asset.holds is Holds.NOTHING or (self._run.request.immich and asset.holds is Holds.THUMBNAIL):
            return
        main = asset.path if asset.holds is Holds.ORIGINAL else asset.stand_in
        entry = self._run.backup.entry(DOMAIN, main)
        if entry is not None:
            self._take(asset, main, entry)

    def _take(self, asset: PhotoAsset, main: str, entry: Entry) -> None:
        above = self._folder(asset)
        times = _times(asset.taken)
        made = _Exported(above, self._stem(above, asset))
        files: dict[str, object] = {}
        # A stand-in that is an edit is named as what it is, below.
        if asset.holds is not Holds.EDIT:
            label = "original" if asset.holds is Holds.ORIGINAL else "small_version"
            files[label] = self._copy(entry, made, "", _ending(main), times, jpeg=True)
        for label, path in (("film", asset.film), ("raw", asset.raw)):
            other = self._run.backup.entry(DOMAIN, path) if path else None
            if other is not None:
                files[label] = self._copy(other, made, "", _ending(path), times)
        edits = self._edits(asset, made, times)
        if edits:
            files["edits"] = edits
        self._write_sidecars(asset, made, files)
        if asset.kind == VIDEO:
            self.videos += 1
        else:
            self.photos += 1
        if asset.albums:
            self._in_albums[asset.row] = made

    def _edits(self, asset: PhotoAsset, made: _Exported, times: Times | None) -> list[str]:
        names = []
        for number, path in enumerate(asset.edits):
            entry = self._run.backup.entry(DOMAIN, path)
            if entry is None:
                continue
            ending = _ending(path)
            mark = " (edited)" if f" (edited).{ending}" not in made.endings else f" (edited {number + 1})"
            names.append(self._copy(entry, made, mark, ending, times, jpeg=True))
        return names

    def _copy(
        self,
        entry: Entry,
        made: _Exported,
        mark: str,
        ending: str,
        times: Times | None,
        *,
        jpeg: bool = False,
    ) -> str:
        tail = f"{mark}.{ending}" if ending else mark
        name = f"{made.stem}{tail}"
        parts = (*made.above, name)
        self._run.folder.copy(entry, parts, times)
        made.endings.append(tail)
        if jpeg and self._convert is not None and ending.lower() in _HEIC:
            place = (*made.above, f"{made.stem}{mark}.jpg")
            if mark:
                self._edited.add(entry.relative_path)
            self._heic.append((entry.relative_path, place, times.modified if times else None, name))
            made.endings.append(f"{mark}.jpg")
        return name

    def _write_sidecars(self, asset: PhotoAsset, made: _Exported, files: dict[str, object]) -> None:
        albums = (self._album_paths[each] for each in asset.albums if each in self._album_paths)
        modified = asset.taken.timestamp() if asset.taken else None
        text = sidecar_json(asset, files, albums)
        self._run.folder.write((*made.above, f"{made.stem}.json"), [text], modified)
        if self._run.request.immich and made.endings:
            name = f"{made.stem}{made.endings[0]}.xmp"
            self._run.folder.write((*made.above, name), [sidecar_xmp(asset)], modified)

    def make_jpegs(self) -> None:
        """Make the JPEGs of what was copied."""
        if self._convert is None:
            return
        for path, place, modified, name in self._heic:
            entry = self._run.backup.entry(DOMAIN, path)
            # An original never changes, and a picture takes a third of a second; an edit may be a new one.
            if entry is None or (path not in self._edited and self._run.folder.is_as_written(place)):
                continue
            try:
                with entry.open() as source:
                    picture = self._convert(source.read())
            except (OSError, ValueError, IbackupError) as error:
                self._run.gaps.add(PART, NO_JPEG, f"{name}: {error}")
            else:
                self._run.folder.write(place, [picture], modified)

    # -- places -----------------------------------------------------------------------------------------------

    def _folder(self, asset: PhotoAsset) -> Parts:
        """The folder of a picture: its month, below what is special about it."""
        special = ""
        if asset.trashed:
            special = "Recently Deleted"
        elif asset.hidden:
            special = "Hidden"
        elif asset.source is PhotoSource.SHARED_ALBUM:
            special = "Shared albums"
        elif asset.holds in (Holds.SMALLER, Holds.THUMBNAIL):
            special = "Only in iCloud"
        month = f"{asset.taken:%Y-%m}" if asset.taken else "Without date"
        above = self._named(self._above, special) if special else self._above
        return self._named(above, month)

    def _named(self, above: Parts, name: str) -> Parts:
        key = "/".join((*above, name))
        if key not in self._folders:
            self._folders[key] = self._run.folder.place(above, name, f"folder {key}")
        return self._folders[key]

    def _stem(self, above: Parts, asset: PhotoAsset) -> str:
        name = asset.original_name.rpartition(".")[0] or asset.original_name
        return self._run.folder.place(above, plain_name(name, "Photo"), f"photo {asset.id}")[-1]

    # -- albums -----------------------------------------------------------------------------------------------

    def write_albums(self, albums: list[PhotoAlbum]) -> None:
        """Write `albums.json`, and a folder of links for each album where the disk has links."""
        run = self._run
        run.folder.flush()
        listed = [
            (album, [self._in_albums[row] for row in album.rows if row in self._in_albums])
            for album in albums
        ]
        listed = [
            (album, members) for album, members in listed if not album.folder and (members or not album.rows)
        ]
        if not listed:
            return
        base = len(self._above)
        record = [
            {
                "id": album.id,
                "title": album.title,
                "path": list(album.path),
                "shared": album.shared,
                "pictures": [
                    "/".join((*each.above[base:], f"{each.stem}{each.endings[0]}"))
                    for each in members
                    if each.endings
                ],
            }
            for album, members in listed
        ]
        text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
        run.folder.write(
            (*self._above, run.folder.place(self._above, "albums.json", "albums.json")[-1]), [text]
        )
        run.count("albums", len(listed))
        for album, members in listed:
            if members and not self._link(album, members):
                run.gaps.add(PART, NO_LINKS)
                return

    def _link(self, album: PhotoAlbum, members: list[_Exported]) -> bool:
        """Give the pictures of an album second names in a folder of its own; False if no link could be made."""
        place = self._named(self._above, "Albums")
        for depth, title in enumerate(album.path, start=1):
            last = depth == len(album.path)
            key = album.id if last else "\0".join(album.path[:depth])
            place = self._run.folder.place(place, plain_name(title, "Album"), f"album {key}")
        done = False
        for member in members:
            stem = self._run.folder.place(place, member.stem)[-1]
            for ending in member.endings:
                there = (*member.above, f"{member.stem}{ending}")
                done |= self._run.folder.hard_link(there, (*place, f"{stem}{ending}"))
        return done

    # -- the rest ---------------------------------------------------------------------------------------------

    def take_loose(self) -> None:
        """Copy the pictures in the camera's folders that the library does not name. They have no ids to compare."""
        if self._run.request.later is not None:
            return
        for path in self._loose:
            entry = self._run.backup.entry(DOMAIN, path)
            if entry is None or not self._run.wants(path, _moment(entry)):
                continue
            folder, _, name = path.rpartition("/")
            above = self._named(
                self._named(self._above, "Not in the library"), plain_name(folder.rpartition("/")[2], "DCIM")
            )
            self._run.folder.copy(entry, self._run.folder.place(above, name, f"loose photo {path}"))
            ending = _ending(name).lower()
            self.videos += ending in _FILMS
            self.photos += ending in _PICTURES


def _ending(path: str) -> str:
    ending = path.rpartition("/")[2].rpartition(".")[2]
    return ending if _ENDING.fullmatch(ending) else ""


def _times(taken: datetime | None) -> Times | None:
    return Times(taken.timestamp(), taken.timestamp()) if taken else None


def _moment(entry: Entry) -> datetime | None:
    return from_unix(entry.mtime)
