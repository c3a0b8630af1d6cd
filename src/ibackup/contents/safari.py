"""Safari's bookmarks, Reading List and history, also of its profiles."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from ibackup.apple.app_places import SAFARI_FOLDERS
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, Cell, blob, number, text
from ibackup.contents.app_times import from_apple, from_unix
from ibackup.contents.decoding.archived_objects import plain_plist
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.gaps import Gaps
from ibackup.contents.odd_values import OddValues
from ibackup.contents.only_encrypted import note_if_not_encrypted

PART: Final = "Safari bookmarks"
HISTORY: Final = "Safari history"
_SPECIAL: Final = {1: "favorites", 2: "menu", 3: "reading list"}
_ALLOW_LIST: Final = 4  # web pages that parents allow: not the person's bookmarks
_ROOT: Final = 0
_DEPTH: Final = 64
_MOST_FOLDERS: Final = 200_000
_MOST_PAGES: Final = 5_000_000
_UNIX_FROM: Final = 978_307_200  # as seconds since 2001 that is the year 2032


@dataclass(frozen=True, kw_only=True, slots=True)
class Bookmark:
    """A bookmark, an entry of the Reading List, or a folder.

    Attributes:
        id: the same in every snapshot.
        row, parent, order: its number, its folder's, and its place in the folder.
        is_folder: whether it is a folder.
        title, url: what it shows and where it leads; the address may be of any scheme, also "javascript:".
        folders: the titles of the folders it is in, from the outside.
        part: "favorites", "menu" or "reading list"; empty for others.
        changed: when it was last changed.
        added, preview, read: for an entry of the Reading List, when it was put there, what the phone shows of it, and
            whether it was read.
    """

    id: str
    row: int
    parent: int
    order: int
    is_folder: bool
    title: str
    url: str
    folders: tuple[str, ...]
    part: str
    changed: datetime | None
    added: datetime | None = None
    preview: str = ""
    read: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """A visit to a page.

    Attributes:
        id: the same in every snapshot of this phone.
        time: when; None if the phone's value is no time.
        url, title: of the page.
        redirected_to: where the page led at once; empty if it did not.
        elsewhere: whether it happened on another of the person's devices.
        profile: the identifier of Safari's profile; empty for the ordinary one.
    """

    id: str
    time: datetime | None
    url: str
    title: str
    redirected_to: str
    elsewhere: bool
    profile: str


class SafariBookmarks:
    """A backup's bookmarks; iterate over it. Close it when done."""

    def __init__(self, database: AppDatabase, gaps: Gaps) -> None:
        self._database = database
        self._odd = OddValues(PART, gaps)
        self._folders: dict[int, tuple[str, int, int]] = {}

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """Open it; None if the backup has none or, with a gap, if it cannot be read. Raises NoRoom, FormatError."""
        places = [(domain, f"{folder}/Bookmarks.db") for domain, folder in SAFARI_FOLDERS]
        database = AppDatabase.of(backup, places, PART, gaps)
        return None if database is None else cls(database, gaps)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its database."""
        self._database.close()

    def __iter__(self) -> Iterator[Bookmark]:
        """Every bookmark and folder, in the order in which they were made; without what the person deleted."""
        table = self._database.table("bookmarks")
        if table is None:
            return
        # The column is the row's number on every phone; reading it as well costs nothing and survives another.
        for row, key, parent, kind, special, title in table.select(
            "id", "parent", "type", "special_id", "title"
        ):
            if number(kind) == 1 and len(self._folders) < _MOST_FOLDERS:
                own = number(key) if key is not None else number(row)
                self._folders[own] = (text(title), number(parent), number(special))
        columns = ("id", "parent", "type", "special_id", "title", "url", "order_index", "external_uuid")
        more = ("last_modified", "deleted", "read", "extra_attributes")
        for row, *cells in table.select(*columns, *more):
            found = self._bookmark(number(row), cells)
            if found is not None:
                yield found

    def _bookmark(self, row: int, cells: list[Cell]) -> Bookmark | None:
        key, parent, kind, special, title, url, order, unique, changed, deleted, read, extra = cells
        own = number(key) if key is not None else row
        above = list(self._above(own, number(parent)))
        specials = [number(special), *(each[2] for each in above)]
        is_root = own == _ROOT and number(kind) == 1 and parent is None
        if is_root or number(deleted) or _ALLOW_LIST in specials:
            return None
        added, preview = self._reading_list(blob(extra))
        return Bookmark(
            id=text(unique) or f"bookmark {own}",
            row=own,
            parent=number(parent),
            order=number(order),
            is_folder=number(kind) == 1,
            title=text(title),
            url=text(url),
            folders=tuple(each[0] for each in reversed(above)),
            part=next((_SPECIAL[each] for each in specials if each in _SPECIAL), ""),
            changed=self._odd.time(changed, from_unix),
            added=added,
            preview=preview,
            read=self._odd.flag(read),
        )

    def _above(self, own: int, parent: int) -> Iterator[tuple[str, int, int]]:
        """The folders that something is in, from the inside; a circle of folders ends where it closes."""
        seen = {own, _ROOT}
        while parent not in seen and parent in self._folders and len(seen) < _DEPTH:
            seen.add(parent)
            yield self._folders[parent]
            parent = self._folders[parent][1]

    def _reading_list(self, extra: bytes) -> tuple[datetime | None, str]:
        if not extra:
            return None, ""
        try:
            found = plain_plist(extra)
        except Undecodable:
            self._odd.odd("additional data that cannot be read", "")
            return None, ""
        listed = found.get("com.apple.ReadingList") if isinstance(found, dict) else None
        if not isinstance(listed, dict):
            return None, ""
        added, preview = listed.get("DateAdded"), listed.get("PreviewText")
        if isinstance(added, datetime) and added.tzinfo is None:
            added = added.replace(tzinfo=UTC)
        return added if isinstance(added, datetime) else None, preview if isinstance(preview, str) else ""


class SafariHistory:
    """A backup's history of pages; iterate over it. Close it when done."""

    def __init__(self, databases: list[tuple[AppDatabase, str]], gaps: Gaps, stack: ExitStack) -> None:
        self._databases = databases
        self._odd = OddValues(HISTORY, gaps)
        self._stack = stack

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """Open it; None if the backup has none, with a gap if that is because it is not encrypted.

        Raises NoRoom, FormatError.
        """
        with ExitStack() as stack:
            found = []
            for place, profile in _histories(backup):
                database = AppDatabase.of(backup, [place], HISTORY, gaps)
                if database is not None:
                    found.append((stack.enter_context(database), profile))
            if not found:
                note_if_not_encrypted(backup, HISTORY, gaps)
                return None
            return cls(found, gaps, stack.pop_all())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its databases."""
        self._stack.close()

    def __iter__(self) -> Iterator[Visit]:
        """Every visit, in the order in which the phone noted them."""
        for database, profile in self._databases:
            items, visits = database.table("history_items"), database.table("history_visits")
            if items is None or visits is None:
                continue
            pages: dict[int, str] = {}
            for row, key, url in items.select("id", "url"):
                if len(pages) < _MOST_PAGES:
                    pages[number(key) if key is not None else number(row)] = text(url)
            targets = visits.select("history_item")
            columns = ("history_item", "visit_time", "title", "redirect_destination", "origin")
            for row, item, time, title, led_to, origin in visits.select(*columns):
                target = targets.at(number(led_to)) if led_to else None
                yield Visit(
                    id=f"{profile or 'visit'} {number(row)}",
                    time=self._odd.time(time, _visit_time),
                    url=pages.get(number(item), ""),
                    title=text(title),
                    redirected_to=pages.get(number(target[1]), "") if target else "",
                    elsewhere=number(origin) == 1,
                    profile=profile,
                )


def _histories(backup: Backup) -> Iterator[tuple[tuple[str, str], str]]:
    """The place of each history that the backup has, and its profile."""
    for domain, folder in SAFARI_FOLDERS:
        path = f"{folder}/History.db"
        if backup.entry(domain, path) is not None:
            yield (domain, path), ""
        profiles = f"{folder}/Profiles/"
        for entry in backup.entries(domain, f"{profiles}*/History.db", bad=lambda _: None):
            yield (domain, entry.relative_path), entry.relative_path.removeprefix(profiles).partition("/")[0]


def _visit_time(value: object) -> datetime | None:
    """Seconds since 2001; iOS 26 also stores seconds since 1970."""
    unix = isinstance(value, (int, float)) and value > _UNIX_FROM
    return from_unix(value) if unix else from_apple(value)
