"""Photos: by month, with filters and albums, and those that are gone from the phone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby, islice
from typing import Final

from starlette.responses import Response

from ibackup.apple.backup import Backup
from ibackup.base import durations
from ibackup.base.counts import count_text
from ibackup.base.errors import PasswordNeeded
from ibackup.contents.photos.camera_files import usual_thumbnails
from ibackup.contents.photos.photo_asset import DOMAIN
from ibackup.contents.photos.photo_history import GonePhoto, PhotoHistory
from ibackup.contents.photos.photo_lines import PhotoLine, PhotoMark
from ibackup.view import words
from ibackup.view.asked import Asked
from ibackup.view.opened.photo_shelf import BY_NAME, FILTERS, GONE, PhotoMonth, PhotoOrder, PhotoShelf
from ibackup.view.opened.thumbnails import Thumbnails, small_of
from ibackup.view.shown_phones import ShownBackup
from ibackup.view.way import Way

PART: Final = 120
"""Photos that are loaded at once."""
_LOOK_S: Final = 1.0
"""How long one request looks through older backups."""


@dataclass(frozen=True, slots=True)
class PhotoTile:
    """A square of the grid.

    Attributes:
        id: of the picture; row: its row in the library of the backup `at`.
        label: what it is, for people who do not see it.
        length: of a film, such as "0:42".
        is_small: whether it is gone, and only a small version is left.
    """

    id: str
    row: int
    at: str
    label: str
    length: str = ""
    video: bool = False
    favorite: bool = False
    live: bool = False
    screenshot: bool = False
    lacking: bool = False
    gone: bool = False
    is_small: bool = False


@dataclass(frozen=True, slots=True)
class PhotoSection:
    """The squares under one heading; `starts`: whether the heading is new, or goes on from the part before."""

    title: str
    about: str
    starts: bool
    tiles: Sequence[PhotoTile] = field(default_factory=list)


def photos(asked: Asked) -> Response:
    """The grid, from the photo at ``from`` on."""
    only, album, start = asked.query.get("only", ""), asked.query.get("album", ""), _start(asked)
    if only == GONE:
        return _gone(asked, start)
    on_phone = None if not asked.is_past else ids_on_phone(asked)
    at = asked.backup.id
    with asked.open() as opened:
        shelf = opened.once(PhotoShelf, PhotoShelf.of)
        notes = opened.notes
        if shelf is None:
            return asked.render("photos_none.html", page="photos", title="Photos", notes=notes)
        opened.numbers["photos"] = shelf.counts[""]
        order = shelf.order(only, album)
        numbers = order.numbers[start : start + PART]
        tiles = [_tile(shelf, number, at, on_phone) for number in numbers]
        values: dict[str, object] = {
            "counts_of": shelf.counts,
            "lacking": shelf.lacking,
            "cloud": shelf.cloud_is_on,
            "albums": [(each.id, " · ".join(each.path), len(each.rows)) for each in shelf.albums],
            "damaged": [gap for gap in shelf.gaps if gap.damage],
        }
    months = order.months
    sections = list(_by_month(order, tiles, start))
    return asked.render(
        "photos.html",
        200,
        page="photos",
        title="Photos",
        filters=FILTERS,
        gone_count=_gone_count(asked),
        only=only if only in BY_NAME else "",
        album=album,
        sections=sections,
        total=len(order.numbers),
        start=start,
        next=start + PART if start + PART < len(order.numbers) else None,
        months=[(each.start, f"{month_title(each)} ({each.count:,})") for each in months],
        month_of=_month_of(months, start),
        notes=notes,
        **values,
    )


def _gone(asked: Asked, start: int) -> Response:
    """Those that are gone: by when they went, the last ones first."""
    history = history_of(asked)
    if history is None:
        return asked.render("photos_none.html", page="photos", title="Photos", notes=())
    if start + PART >= len(history.gone) and not history.done:
        history.look(_LOOK_S)
    found = list(islice(history.gone, start, start + PART))
    sections = list(_by_window(history.gone, found, start))
    more = start + len(found) < len(history.gone) or not history.done
    newest = asked.open_other(_newest(asked))
    with newest as opened:
        shelf = opened.once(PhotoShelf, PhotoShelf.of)
        counts_of = shelf.counts if shelf else {}
        albums = [(each.id, " · ".join(each.path), len(each.rows)) for each in shelf.albums] if shelf else []
    return asked.render(
        "photos_gone.html",
        page="photos",
        title="Photos that are gone from the phone",
        filters=FILTERS,
        counts_of=counts_of,
        albums=albums,
        gone_count=len(history.gone) if history.done else None,
        only=GONE,
        album="",
        sections=sections,
        history=history,
        start=start,
        next=start + len(found) if more else None,
    )


# -- what other pages need, too -----------------------------------------------------------------------------


def history_of(asked: Asked) -> PhotoHistory | None:
    """What all backups of the phone say together; None if the newest has no library."""
    phone, session = asked.phone, asked.session
    newest = _newest(asked)

    def unlock(backup: Backup) -> None:
        session.unlocker_for(phone.udid).open(backup, phone.udid)
        if not backup.unlocked:
            raise PasswordNeeded("This backup is locked.")

    with asked.open_other(newest) as opened:
        shelf = opened.once(PhotoShelf, PhotoShelf.of)
        if shelf is None:
            return None
        index, kept = shelf.index, opened.once(GONE, Thumbnails.of)

        def keep(backup: Backup, photo: GonePhoto) -> None:
            """Its backup is open now; opening it again for each square of the grid would take seconds."""
            folder, _, name = photo.line.path.removeprefix("Media/").rpartition("/")
            entries = (backup.entry(DOMAIN, path) for path in usual_thumbnails(folder, name))
            small = small_of(entry for entry in entries if entry is not None)
            if small is not None:
                kept.keep(f"{photo.backup}/{photo.line.row}", small)

        return opened.once(PhotoHistory, lambda _: PhotoHistory(phone.backups, index, unlock, keep))


def ids_on_phone(asked: Asked) -> PhotoShelf | None:
    """The library of the newest backup."""
    with asked.open_other(_newest(asked)) as opened:
        return opened.once(PhotoShelf, PhotoShelf.of)


def month_title(month: PhotoMonth) -> str:
    """A month as its heading: "November 2026"."""
    return words.month(date(*month.month, 1)) if month.month else "Without a date"


def said_moment(taken: datetime | None) -> str:
    """When a picture was taken, by the clock of the place."""
    return words.moment(taken) if taken else "date unknown"


# -- squares ------------------------------------------------------------------------------------------------


def _tile(shelf: PhotoShelf, number: int, at: str, on_phone: PhotoShelf | None) -> PhotoTile:
    index = shelf.index
    ident = index.ids[number]
    gone = on_phone is not None and ident not in on_phone.index
    return _made(
        ident,
        index.rows[number],
        at,
        index.taken(number),
        index.duration_s(number),
        index.marks[number],
        gone=gone,
    )


def _gone_tile(photo: GonePhoto) -> PhotoTile:
    line: PhotoLine = photo.line
    taken = line.taken.replace(tzinfo=None) if line.taken else None
    return _made(
        line.id,
        line.row,
        photo.backup,
        taken,
        line.duration_s,
        line.marks,
        gone=True,
        is_small=photo.is_small,
    )


def _made(
    ident: str,
    row: int,
    at: str,
    taken: datetime | None,
    duration_s: float,
    marks: int,
    *,
    gone: bool,
    is_small: bool = False,
) -> PhotoTile:
    video, favorite = bool(marks & PhotoMark.VIDEO), bool(marks & PhotoMark.FAVORITE)
    live, screenshot = bool(marks & PhotoMark.LIVE), bool(marks & PhotoMark.SCREENSHOT)
    length = durations.clock_text(duration_s) if video and duration_s else ""
    kind = "Video" if video else "Live Photo" if live else "Screenshot" if screenshot else "Photo"
    parts = [
        f"{kind} of {length}" if length else kind,
        said_moment(taken),
        "favorite" if favorite else "",
        "gone from the phone" if gone else "",
        "only a small version is left" if is_small else "",
    ]
    return PhotoTile(
        ident,
        row,
        at,
        ", ".join(part for part in parts if part),
        length,
        video,
        favorite,
        live,
        screenshot,
        bool(marks & PhotoMark.LACKING),
        gone,
        is_small,
    )


def _by_month(order: PhotoOrder, tiles: Sequence[PhotoTile], start: int) -> Iterable[PhotoSection]:
    for month in order.months:
        first, last = max(month.start, start), min(month.start + month.count, start + len(tiles))
        if first < last:
            pictures = month.count - month.videos
            about = [
                count_text(count, noun)
                for count, noun in ((pictures, "photo"), (month.videos, "video"))
                if count
            ]
            starts = first == month.start
            yield PhotoSection(
                month_title(month), ", ".join(about), starts, tiles[first - start : last - start]
            )


def _by_window(
    everything: Sequence[GonePhoto], found: Sequence[GonePhoto], start: int
) -> Iterable[PhotoSection]:
    def went(photo: GonePhoto) -> tuple[datetime | None, datetime | None]:
        return photo.after, photo.before

    previous = went(everything[start - 1]) if start else None
    for window, group in groupby(found, key=went):
        members = list(group)
        title = f"Went {words.window(*window)}"
        tiles = [_gone_tile(each) for each in members]
        yield PhotoSection(title, "", window != previous, tiles)


def _month_of(months: Sequence[PhotoMonth], start: int) -> int:
    """The start of the month that a place of the list is in."""
    return max((month.start for month in months if month.start <= start), default=0)


def _gone_count(asked: Asked) -> int | None:
    newest = asked.phone.newest
    opened = asked.house.opened.peek(newest, asked.session) if newest else None
    history = opened.peek(PhotoHistory) if opened is not None else None
    return len(history.gone) if history is not None and history.done else None


def _newest(asked: Asked) -> ShownBackup:
    return asked.phone.newest or asked.backup


def _start(asked: Asked) -> int:
    given = asked.query.get("from", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 8 else 0


WAYS = (Way("GET", "/phone/{phone}/photos", photos),)
