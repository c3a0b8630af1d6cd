"""The photo library of an open backup, kept while that is open: its pictures, in which order, and by filter."""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ibackup.contents.gaps import Gaps
from ibackup.contents.photos.camera_files import MARKER
from ibackup.contents.photos.photo_asset import DOMAIN, PhotoAlbum, PhotoAsset
from ibackup.contents.photos.photo_library import PhotoLibrary
from ibackup.contents.photos.photo_lines import PhotoIndex, PhotoMark
from ibackup.view.opened.opened_backups import OpenedBackup

_NOT_SHOWN: Final = PhotoMark.TRASHED | PhotoMark.HIDDEN | PhotoMark.UNSEEN | PhotoMark.OF_OTHERS
_MOST_ORDERS: Final = 8


@dataclass(frozen=True, slots=True)
class PhotoFilter:
    """What a list of photos is limited to.

    Attributes:
        name: in addresses.
        title: for people.
        icon: the name of its drawing.
        wanted: marks that each has.
        unwanted: marks that none has.
    """

    name: str
    title: str
    icon: str
    wanted: int
    unwanted: int = int(_NOT_SHOWN)


FILTERS: Final = (
    PhotoFilter("", "All", "", 0),
    PhotoFilter("favorites", "Favorites", "heart", PhotoMark.FAVORITE),
    PhotoFilter("videos", "Videos", "video", PhotoMark.VIDEO),
    PhotoFilter("screenshots", "Screenshots", "screenshot", PhotoMark.SCREENSHOT),
    PhotoFilter("live", "Live Photos", "live", PhotoMark.LIVE),
    PhotoFilter("hidden", "Hidden", "lock", PhotoMark.HIDDEN, PhotoMark.TRASHED | PhotoMark.OF_OTHERS),
    PhotoFilter("deleted", "Recently Deleted", "trash", PhotoMark.TRASHED, int(PhotoMark.OF_OTHERS)),
)
GONE: Final = "gone"
"""The name of the list of those that are gone from the phone, which is made from all backups."""
BY_NAME: Final = {each.name: each for each in FILTERS}


@dataclass(frozen=True, slots=True)
class PhotoMonth:
    """A month of a list.

    Attributes:
        month: year and month; None for pictures without a date.
        start: the place of its first in the list.
        count: how many it has.
        videos: how many of them are films.
    """

    month: tuple[int, int] | None
    start: int
    count: int
    videos: int


@dataclass(frozen=True, slots=True)
class PhotoOrder:
    """The photos of a list, in its order.

    Attributes:
        numbers: their numbers in the index.
        months: in the same order.
    """

    numbers: "array[int]"
    months: Sequence[PhotoMonth]


def library_of(opened: OpenedBackup) -> PhotoLibrary | None:
    """The library alone, for those who know which picture they want; None as for ``PhotoShelf.of``."""
    gaps = opened.once(Gaps, lambda _: Gaps())
    return opened.once(PhotoLibrary, lambda each: PhotoLibrary.open(each.backup, gaps))


class PhotoShelf:
    """The library of an open backup; use it inside the ``with`` block of the backup.

    Attributes:
        library: stays open as long as the backup.
        index: all of its pictures.
        gaps: what could not be read.
        counts: how many each filter has, by its name.
        cloud_is_on: whether the phone used iCloud Photos.
        lacking: how many of those shown the backup has no original of.
    """

    def __init__(self, library: PhotoLibrary, gaps: Gaps, *, cloud_is_on: bool) -> None:
        self.library = library
        self.gaps = gaps
        self.cloud_is_on = cloud_is_on
        self.index = PhotoIndex(library.lines())
        self._orders: OrderedDict[tuple[str, str], PhotoOrder] = OrderedDict()
        self.counts = {each.name: len(self.index.chosen(each.wanted, each.unwanted)) for each in FILTERS}
        self.lacking = len(self.index.chosen(PhotoMark.LACKING, _NOT_SHOWN))

    @classmethod
    def of(cls, opened: OpenedBackup) -> "PhotoShelf | None":
        """For ``OpenedBackup.once``; None if the backup has no library that can be read. Raises NoRoom."""
        gaps = opened.once(Gaps, lambda _: Gaps())
        library = library_of(opened)
        if library is None:
            return None
        return cls(library, gaps, cloud_is_on=opened.backup.entry(DOMAIN, MARKER) is not None)

    @property
    def albums(self) -> list[PhotoAlbum]:
        """The albums that have pictures, folders left out."""
        return [album for album in self.library.albums if not album.folder and album.rows]

    def asset(self, number: int) -> PhotoAsset | None:
        """All that the library says of a picture, by its number in the index."""
        return self.library.asset(self.index.rows[number])

    def order(self, only: str = "", album: str = "") -> PhotoOrder:
        """The pictures of a filter, within an album or everywhere.

        Args:
            only: the name of a filter; an unknown one means all.
            album: the id of an album; in its own order.
        """
        key = (only if only in BY_NAME else "", album)
        if key not in self._orders:
            self._orders[key] = self._make_order(*key)
            if len(self._orders) > _MOST_ORDERS:
                self._orders.popitem(last=False)
        self._orders.move_to_end(key)
        return self._orders[key]

    def _make_order(self, only: str, album: str) -> PhotoOrder:
        chosen = BY_NAME[only]
        numbers = self.index.chosen(chosen.wanted, chosen.unwanted)
        if album:
            rows = next((each.rows for each in self.library.albums if each.id == album), array("q"))
            by_row = {self.index.rows[number]: number for number in numbers}
            numbers = array("I", (by_row[row] for row in rows if row in by_row))
        return PhotoOrder(numbers, self._months(numbers))

    def _months(self, numbers: "array[int]") -> Sequence[PhotoMonth]:
        months: list[PhotoMonth] = []
        start = 0
        video = int(PhotoMark.VIDEO)
        for month, group in groupby(numbers, key=self.index.month):
            members = list(group)
            videos = sum(1 for number in members if self.index.marks[number] & video)
            months.append(PhotoMonth(month, start, len(members), videos))
            start += len(members)
        return months
