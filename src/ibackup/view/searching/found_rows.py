"""Hits as a page shows them: in words, with the backup that has them and the page that shows them there."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import urlencode

from ibackup.search.excerpts import Excerpt
from ibackup.search.search_hits import SearchHit
from ibackup.view import words
from ibackup.view.searching.search_room import PhoneFound
from ibackup.view.shown_phones import ShownPhone

_LIFE: Final = 180
_CONVERSATION: Final = "conversation "
_WHATSAPP: Final = ("WhatsApp ", "WhatsApp Business ")
_SEEN_BY_ID: Final = ("people", "notes", "calendar", "reminders", "calls")


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A piece of a text, and whether it is what was searched for."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class LifeBar:
    """From when to when a phone had something, as a part of the time in which it was backed up."""

    start: float
    width: float


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A hit.

    Attributes:
        href: the page that shows it, in the newest backup that has it.
        title, text: what of it is shown.
        about: who and where, for people.
        when: its time in words; empty if it has none.
        gone: whether the newest backup of the phone does not have it.
        last, next_backup: bound the time when it went.
    """

    phone: ShownPhone
    href: str
    title: tuple[MarkedText, ...]
    text: tuple[MarkedText, ...]
    about: str
    when: str
    life: LifeBar
    gone: bool
    last: datetime | None
    next_backup: datetime | None


def found_rows(phone: ShownPhone, found: PhoneFound, kind: str) -> Iterator[FoundRow]:
    """The hits of a kind of one phone."""
    for hit in found.hits.get(kind, ()):
        yield _row(phone, found, hit)


def _row(phone: ShownPhone, found: PhoneFound, hit: SearchHit) -> FoundRow:
    last = hit.snapshots[-1] if hit.snapshots else ""
    newest = found.snapshots[-1] if found.snapshots else ""
    gone = last != newest
    places = [found.snapshots.index(each) for each in (hit.snapshots[0], last)] if hit.snapshots else [0, 0]
    later = found.snapshots[places[1] + 1] if places[1] + 1 < len(found.snapshots) else ""
    title, text = _pieces(hit.title), _pieces(hit.excerpt)
    if not title:
        title = (MarkedText(hit.who or hit.place or "A message", False),)
        about = hit.place if hit.who else ""
    else:
        about = ", ".join(each for each in (hit.who, hit.place) if each) if hit.kind != "files" else ""
    return FoundRow(
        phone,
        _address(phone, hit, last),
        title,
        text,
        about,
        _when(hit.when),
        _life(places, len(found.snapshots)),
        gone,
        _made(phone, last),
        _made(phone, later),
    )


def _pieces(found: Excerpt) -> tuple[MarkedText, ...]:
    pieces: list[MarkedText] = []
    place = 0
    for start, end in found.marks:
        pieces += [MarkedText(found.text[place:start], False), MarkedText(found.text[start:end], True)]
        place = end
    pieces.append(MarkedText(found.text[place:], False))
    return tuple(each for each in pieces if each.text)


def _life(places: list[int], count: int) -> LifeBar:
    step = _LIFE / max(count, 1)
    return LifeBar(round(places[0] * step, 1), round(max((places[1] - places[0] + 1) * step, 4), 1))


def _made(phone: ShownPhone, ident: str) -> datetime | None:
    backup = phone.by_id.get(ident)
    return backup.made if backup is not None else None


def _when(when: datetime | date | None) -> str:
    with suppress(OverflowError, ValueError, OSError):  # a year that this computer's clock does not have
        if isinstance(when, datetime):
            return words.short_moment(when)
        return words.short_day(when) if when is not None else ""
    return str(when)


def _address(phone: ShownPhone, hit: SearchHit, last: str) -> str:
    """The page that shows it; ``at`` is left out for the newest backup, so that the page follows the newest one."""
    page, query = _page(hit)
    backup = phone.by_id.get(last)
    if backup is not None and backup != phone.newest:
        query["at"] = backup.id
    return f"/phone/{phone.slug}/{page}" + (f"?{urlencode(query)}" if query else "")


def _page(hit: SearchHit) -> tuple[str, dict[str, str]]:
    if hit.kind in _SEEN_BY_ID:
        return hit.kind, {"id": hit.id}
    if hit.kind == "files":
        domain, _, path = hit.id.partition("/")
        return "files", {"in": domain, "path": path} if path else {}
    if hit.id.startswith(_CONVERSATION):
        return "messages", {"name": hit.title.text}
    for app in reversed(_WHATSAPP):
        if hit.id.startswith(f"{app}chat "):
            return "whatsapp", {"name": hit.title.text}
        if hit.id.startswith(app):
            return "whatsapp", {"message": hit.id.removeprefix(app).partition(" ")[2]}
    return "messages", {"message": hit.id}
