"""What a photo library says of each picture, film and album."""

from array import array
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from ibackup.apple.app_places import PHOTOS

PHOTO, VIDEO = "photo", "video"
DOMAIN: Final = PHOTOS.domain


class Holds(StrEnum):
    """What a backup has of a picture or film."""

    ORIGINAL = "original"
    SMALLER = "smaller"
    """A smaller version, which iCloud Photos put in the original's place."""
    EDIT = "edit"
    """The edited version in full size, without its original."""
    THUMBNAIL = "thumbnail"
    NOTHING = "nothing"


class PhotoSource(StrEnum):
    """Whose a picture is, and how it came to the phone."""

    PHONE = "phone"
    ICLOUD = "icloud"
    SHARED_ALBUM = "shared album"
    SHARED_WITH_YOU = "shared with you"
    MOMENT = "moment share"
    UNKNOWN = "unknown"

    @property
    def own(self) -> bool:
        """Whether it belongs to the phone's owner."""
        return self in (PhotoSource.PHONE, PhotoSource.ICLOUD, PhotoSource.UNKNOWN)


class PhotoAsset(NamedTuple):
    """A picture or film of the library.

    Paths are those of the backup's list, below `CameraRollDomain`; empty if there is no such file.

    Attributes:
        id: stable from snapshot to snapshot.
        row: its number in this library, by which albums name it.
        path: where its file is on the phone, whether or not the backup has it.
        name: the file's name on the phone.
        original_name: its name before it was imported, or else `name`.
        kind: "photo" or "video".
        style: "panorama", "screenshot", "slow motion", "time-lapse", "screen recording", or "".
        file_type: Apple's identifier, such as "public.heic".
        live: "on" for a Live Photo, "off" if its film is switched off.
        film: the film of a Live Photo.
        raw: the RAW file beside it.
        edits: its edited versions: a picture, a film, or both for a Live Photo.
        holds: what the backup has of it.
        stand_in: what the backup has in place of the original: a smaller version, an edit or a thumbnail.
        placeholder: whether the library itself says that the original is not on the phone.
        edited: whether its owner edited it.
        favorite: marked with a heart.
        hidden: in the album Hidden.
        trashed: in Recently Deleted.
        trashed_at: since when.
        shown: whether the library shows it; not what is hidden, trashed, or a frame of a burst that nobody
            chose.
        burst: the same for all frames of a burst.
        burst_pick: whether a person chose this frame.
        source: whose it is.
        taken: when, with the offset of the place where it was taken, as far as that is known; else UTC.
        zone: the name of that time zone.
        added: when it came to the library.
        modified: when its entry was changed.
        edited_at: when it was edited.
        latitude: degrees.
        longitude: degrees.
        width: pixels.
        height: pixels.
        duration_s: seconds of a film.
        original_bytes: size of the original as the library noted it; 0 if unknown.
        title: given by a person.
        caption: given by a person.
        people: those whom the phone or a person recognized and who have a name.
        albums: ids of the albums it is in.
    """

    id: str
    row: int
    path: str
    name: str
    original_name: str
    kind: str
    style: str
    file_type: str
    live: str
    film: str
    raw: str
    edits: tuple[str, ...]
    holds: Holds
    stand_in: str
    placeholder: bool
    edited: bool
    favorite: bool
    hidden: bool
    trashed: bool
    trashed_at: datetime | None
    shown: bool
    burst: str
    burst_pick: bool
    source: PhotoSource
    taken: datetime | None
    zone: str
    added: datetime | None
    modified: datetime | None
    edited_at: datetime | None
    latitude: float | None
    longitude: float | None
    width: int
    height: int
    duration_s: float
    original_bytes: int
    title: str
    caption: str
    people: tuple[str, ...]
    albums: tuple[str, ...]


class PhotoCamera(NamedTuple):
    """What a picture was taken with; each member may be empty or 0.

    Attributes:
        make: the maker.
        model: such as "iPhone 15 Pro".
        lens: its name.
        iso: the film speed.
        aperture: the f-number.
        exposure_s: seconds.
        focal_mm: millimeters.
    """

    make: str
    model: str
    lens: str
    iso: int
    aperture: float
    exposure_s: float
    focal_mm: float


class Presence(NamedTuple):
    """What a backup has of a picture or film; the members are those of ``PhotoAsset``."""

    source: PhotoSource
    trashed: bool
    placeholder: bool
    holds: Holds


@dataclass(frozen=True, slots=True)
class PhotoAlbum:
    """An album, or a folder of albums.

    Attributes:
        id: stable from snapshot to snapshot.
        title: as shown.
        path: titles of the folders it is in, and its own.
        folder: whether it holds albums, not pictures.
        shared: whether it is shared by iCloud.
        rows: the numbers of its pictures in this library, in the album's order.
    """

    id: str
    title: str
    path: tuple[str, ...]
    folder: bool = False
    shared: bool = False
    rows: "array[int]" = field(default_factory=lambda: array("q"))
