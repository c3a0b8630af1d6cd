"""One photo: large, with what is known about it, in which backups it is, and a download."""

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from ibackup.apple.entry import Entry
from ibackup.base.errors import IbackupError
from ibackup.contents.photos.photo_asset import DOMAIN, VIDEO, Holds, PhotoAsset, PhotoCamera
from ibackup.contents.photos.photo_history import GonePhoto, PhotoHistory
from ibackup.view.asked import Asked
from ibackup.view.opened.media import shown_kind
from ibackup.view.opened.media_kinds import HEIC, Family, MediaKind
from ibackup.view.opened.opened_backups import OpenedBackup
from ibackup.view.opened.photo_shelf import BY_NAME, GONE, PhotoShelf
from ibackup.view.opened.pictures import can_decode
from ibackup.view.pages.photo_files_page import film_path, view_path
from ibackup.view.pages.photos_page import history_of, ids_on_phone, said_moment
from ibackup.view.shown_phones import ShownBackup
from ibackup.view.way import Way

_LOOK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What the page says of a photo beside the library.

    Attributes:
        view: how it is shown: "picture", "film", "small" (the small version alone) or "nothing".
        why_small: why only the small version is shown; empty if it is not.
        main_bytes: size of the file that is taken out; None if there is none.
        film_bytes: the same of a Live Photo's film.
        camera: what it was taken with, and how.
        place: where it was taken, in words.
        albums: their titles.
    """

    view: str
    why_small: str
    main_bytes: int | None
    film_bytes: int | None
    camera: tuple[str, str]
    place: str
    albums: tuple[str, ...]


def photo(asked: Asked) -> Response:
    """The page of a photo by its id, in the backup that is looked at."""
    ident, only, album = (asked.query.get(name, "") for name in ("id", "only", "album"))
    newest = asked.phone.newest
    here = asked.backup
    on_phone = ids_on_phone(asked)
    is_gone = on_phone is not None and ident not in on_phone.index
    history = _looked(asked, ident, is_gone=is_gone)
    gone = (
        next((each for each in history.gone if each.line.id == ident), None) if history and is_gone else None
    )
    with asked.open() as opened:
        shelf = opened.once(PhotoShelf, PhotoShelf.of)
        number = shelf.index.number_of(ident) if shelf is not None else None
        asset = shelf.asset(number) if shelf is not None and number is not None else None
        if shelf is None or number is None or asset is None:
            return _not_there(asked, ident, gone, on_phone=not is_gone and on_phone is not None)
        facts = _facts(opened, shelf, asset)
        beside = _beside_of_list(shelf, number, only, album) if only != GONE else (None, None)
        counts = {"photos": shelf.counts[""]} if here == newest else {}
    if only == GONE and history is not None:
        before, after = _beside_of_gone(history, ident)
    else:
        before, after = ({"id": each} if each else None for each in beside)
    taken = asset.taken.replace(tzinfo=None) if asset.taken else None
    return asked.render(
        "photo.html",
        page="photos",
        title=said_moment(taken),
        counts=counts,
        asset=asset,
        taken=taken,
        facts=facts,
        at_id=here.id,
        is_video=asset.kind == VIDEO,
        is_gone=is_gone,
        gone=gone,
        history=history,
        in_backups=_in_backups(asked, history, asset),
        before=before,
        after=after,
        only=only if only in BY_NAME or only == GONE else "",
        album=album,
    )


def _looked(asked: Asked, ident: str, *, is_gone: bool) -> PhotoHistory | None:
    """What is known of other backups; looks further if the page asks, or if it must be known when a photo went."""
    history = history_of(asked)
    if history is not None and not history.done:
        known = any(each.line.id == ident for each in history.gone)
        if "look" in asked.query or (is_gone and not known):
            history.look(_LOOK_S)
    return history


def _not_there(asked: Asked, ident: str, gone: GonePhoto | None, *, on_phone: bool) -> Response:
    """The photo exists at another time only."""
    newest, here = asked.phone.newest, asked.backup
    elsewhere = gone.backup if gone else newest.id if on_phone and newest else ""
    later = bool(gone and gone.after and here.made and here.made > gone.after)
    return asked.render(
        "photo_elsewhere.html",
        404,
        page="photos",
        title="Not in this backup",
        photo_id=ident,
        elsewhere=asked.phone.by_id.get(elsewhere),
        too_early=on_phone or (gone is not None and not later),
        too_late=later,
    )


def _facts(opened: OpenedBackup, shelf: PhotoShelf, asset: PhotoAsset) -> PhotoFacts:
    main = asset.path if asset.holds is Holds.ORIGINAL else asset.stand_in
    view, why = _how_shown(opened, asset)
    titles = {each.id: " · ".join(each.path) for each in shelf.library.albums}
    return PhotoFacts(
        view,
        why,
        _bytes_of(_entry(opened, main)),
        _bytes_of(_entry(opened, asset.film)),
        _camera(shelf.library.camera(asset.row)),
        _place(asset),
        tuple(titles[each] for each in asset.albums if each in titles),
    )


def _how_shown(opened: OpenedBackup, asset: PhotoAsset) -> tuple[str, str]:
    """What the page shows, and why that is only the small version."""
    film = asset.kind == VIDEO
    path = film_path(asset) if film else view_path(asset)
    kind = _kind_of(_entry(opened, path))
    if film and kind is not None and kind.family is Family.FILM:
        return "film", ""
    if kind is HEIC and not can_decode():
        return (
            "small",
            "Browsers cannot show HEIC photos, and ibackup is installed without what turns them into JPEGs.",
        )
    if not film and kind is not None and kind.family is Family.PICTURE:
        return "picture", ""
    if asset.holds is Holds.NOTHING:
        return "nothing", ""
    if asset.holds is Holds.THUMBNAIL or (film and kind is not None):
        return "small", ""
    return "small", "A browser cannot show this kind of file, or it is damaged. Take it out to open it."


def _kind_of(entry: Entry | None) -> MediaKind | None:
    if entry is None:
        return None
    try:
        with entry.open() as source:
            return shown_kind(source)
    except (OSError, IbackupError):
        return None


def _entry(opened: OpenedBackup, path: str) -> Entry | None:
    return opened.backup.entry(DOMAIN, path) if path else None


def _bytes_of(entry: Entry | None) -> int | None:
    try:
        return entry.size if entry is not None else None
    except IbackupError:
        return None


def _camera(camera: PhotoCamera | None) -> tuple[str, str]:
    if camera is None:
        return "", ""
    make = (
        "" if camera.model.lower().startswith(camera.make.lower()) or camera.make == "Apple" else camera.make
    )
    parts = []
    if 0 < camera.aperture < 1000:
        parts.append(f"f/{camera.aperture:.2g}")
    if 1e-6 < camera.exposure_s < 1:
        parts.append(f"1/{round(1 / camera.exposure_s):,} s")
    elif 1 <= camera.exposure_s < 100_000:
        parts.append(f"{camera.exposure_s:.0f} s")
    if 0 < camera.iso < 10_000_000:
        parts.append(f"ISO {camera.iso}")
    return f"{make} {camera.model or camera.lens}".strip(), ", ".join(parts)


def _place(asset: PhotoAsset) -> str:
    if asset.latitude is None or asset.longitude is None:
        return ""
    north, east = asset.latitude, asset.longitude
    return f"{abs(north):.4f}° {'N' if north >= 0 else 'S'}, {abs(east):.4f}° {'E' if east >= 0 else 'W'}"


def _in_backups(asked: Asked, history: PhotoHistory | None, asset: PhotoAsset) -> list[ShownBackup]:
    """The backups that have its file, oldest first, among those looked at."""
    found = history.backups_with(asset.path) if history is not None and asset.path else []
    return [asked.phone.by_id[each] for each in reversed(found) if each in asked.phone.by_id]


def _beside_of_list(shelf: PhotoShelf, number: int, only: str, album: str) -> tuple[str | None, str | None]:
    numbers = shelf.order(only, album).numbers
    try:
        place = numbers.index(number)
    except ValueError:
        return None, None
    before = shelf.index.ids[numbers[place - 1]] if place else None
    after = shelf.index.ids[numbers[place + 1]] if place + 1 < len(numbers) else None
    return before, after


def _beside_of_gone(history: PhotoHistory, ident: str) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    found = list(history.gone)
    place = next((place for place, each in enumerate(found) if each.line.id == ident), None)
    if place is None:
        return None, None
    before = found[place - 1] if place else None
    after = found[place + 1] if place + 1 < len(found) else None
    named = ({"id": each.line.id, "at": each.backup} if each else None for each in (before, after))
    return next(named), next(named)


WAYS = (Way("GET", "/phone/{phone}/photos/photo", photo),)
