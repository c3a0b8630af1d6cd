"""Safari: bookmarks by folder, the Reading List, and the history by day."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.base.counts import count_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.only_encrypted import why_none
from ibackup.contents.safari import HISTORY, Bookmark, SafariBookmarks, SafariHistory, Visit
from ibackup.contents.time_zones import local_zone
from ibackup.export.formats.bookmark_file import BUILT_IN_FOLDERS, bookmark_file
from ibackup.export.safari_export import (
    READING_HEADS,
    READING_LIST,
    VISIT_HEADS,
    reading_record,
    visit_record,
)
from ibackup.export.tables import csv_table
from ibackup.export.web_links import safe_link
from ibackup.view.kinds_shown.entry_times import (
    clock_of,
    day_heading,
    day_of,
    moment_of,
    month_heading,
    short_day_of,
    whole_moment_of,
)
from ibackup.view.kinds_shown.entry_types import (
    Download,
    EntryDetail,
    EntryMark,
    EntryRow,
    Fact,
    FactLine,
    RelatedEntries,
    RelatedEntry,
    TakeForm,
    dated,
    facts,
)
from ibackup.view.kinds_shown.kind_ways import kind_ways
from ibackup.view.kinds_shown.shown_kind import EntryChip, EntryLook, KindShelf, ShownKind, comparable

_PARTS: Final = (
    ("safari", "Bookmarks"),
    ("safari/reading-list", "Reading List"),
    ("safari/history", "History"),
)
_NO_FOLDER: Final = "Without a folder"
_UNTITLED: Final = "Without a title"
_MOST_VISITS: Final = 20


class _Pages(ShownKind[Bookmark]):
    """What bookmarks and the Reading List share."""

    icon = "compass"
    parts = _PARTS

    def ident(self, record: Bookmark) -> str:
        """As the phone has it."""
        return record.id

    def words(self, record: Bookmark) -> str:
        """Title, address, what the phone shows of it."""
        return "\n".join((record.title, record.url, record.preview, *record.folders))

    def changed(self, record: Bookmark) -> datetime | None:
        """When it was changed."""
        return record.changed

    def detail(self, record: Bookmark, shelf: KindShelf[Bookmark], look: EntryLook) -> EntryDetail:
        """The page."""
        del shelf, look
        read = {True: "Yes", False: "Not yet", None: ""}[record.read]
        return EntryDetail(
            title=record.title or record.url or _UNTITLED,
            subtitle=_site(record.url),
            text=record.preview,
            text_heading="How the page begins",
            facts=facts(
                Fact("Address", (FactLine(record.url, safe_link(record.url)),)) if record.url else None,
                Fact.of("Folder", _folder(record) if record.part != READING_LIST else ""),
                Fact.of("Added", whole_moment_of(record.added)),
                Fact.of("Read", read if record.part == READING_LIST else ""),
                Fact.of("Changed", whole_moment_of(record.changed)),
            ),
            technical=facts(Fact.of("Id", record.id)),
        )


class Bookmarks(_Pages):
    """The bookmarks."""

    page = "safari"
    title = "Bookmarks"
    one = "bookmark"
    many = "bookmarks"
    find = "Find a bookmark"
    forms = (TakeForm("html", "", "All {}, for any browser"),)

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[Bookmark]:
        """The bookmarks, folder by folder."""
        found = [
            each for each in _bookmarks(backup, gaps) if not each.is_folder and each.part != READING_LIST
        ]
        found.sort(key=lambda each: (not each.folders, comparable(_folder(each)), each.order))
        return found

    def heading(self, record: Bookmark) -> str:
        """Its folder."""
        return _folder(record) or _NO_FOLDER

    def row(self, record: Bookmark) -> EntryRow:
        """What it is called, where it leads."""
        return EntryRow(record.title or record.url or _UNTITLED, _site(record.url))

    def take(self, records: Sequence[Bookmark], form: str, backup: Backup, *, alone: bool) -> Download:
        """The file that browsers import, with the folders."""
        del form, records, alone
        lines = bookmark_file(_bookmarks(backup, Gaps()))
        return Download("Bookmarks.html", "text/html; charset=utf-8", (line.encode() for line in lines))


class ReadingList(_Pages):
    """The Reading List."""

    page = "safari/reading-list"
    title = "Reading List"
    one = "page"
    many = "pages"
    find = "Find a page"
    forms = (TakeForm("csv", "", "All {} as a table (CSV)"),)
    chips = (EntryChip[Bookmark]("unread", "Not read", "ring", lambda each: each.read is False),)

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[Bookmark]:
        """Its pages, the newest first."""
        found = [
            each for each in _bookmarks(backup, gaps) if not each.is_folder and each.part == READING_LIST
        ]
        found.sort(key=lambda each: dated(each.added or each.changed), reverse=True)
        return found

    def heading(self, record: Bookmark) -> str:
        """The month."""
        return month_heading(record.added or record.changed)

    def row(self, record: Bookmark) -> EntryRow:
        """What it is called, and how it begins."""
        marks = (EntryMark("Not read", "ring"),) if record.read is False else ()
        about = record.preview.strip()[:120] or _site(record.url)
        return EntryRow(record.title or record.url or _UNTITLED, about, short_day_of(record.added), marks)

    def take(self, records: Sequence[Bookmark], form: str, backup: Backup, *, alone: bool) -> Download:
        """The table that an export writes."""
        del form, backup, alone
        lines = csv_table(READING_HEADS, map(reading_record, records), local_zone())
        return Download("Reading List.csv", "text/csv; charset=utf-8", (line.encode() for line in lines))


class BrowsingHistory(ShownKind[Visit]):
    """The history."""

    page = "safari/history"
    icon = "compass"
    title = "History"
    one = "visit"
    many = "visits"
    find = "Find a page or an address"
    place_word = "profiles"
    forms = (TakeForm("csv", "", "All {} as a table (CSV)"),)
    dated = True
    parts = _PARTS
    chips = (EntryChip[Visit]("elsewhere", "On another device", "phone", lambda each: each.elsewhere),)

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[Visit]:
        """Every visit, the newest first."""
        history = SafariHistory.of(backup, gaps)
        if history is None:
            return []
        with history:
            return sorted(history, key=lambda visit: dated(visit.time), reverse=True)

    def why_none(self, shelf: KindShelf[Visit]) -> str:
        """Only encrypted backups have it."""
        if why_none(shelf.gaps, HISTORY):
            return (
                "There is no history in this backup, because it is not encrypted: a phone puts it only into encrypted "
                "backups. Turn on encryption in Settings here, and the next backup has it."
            )
        return super().why_none(shelf)

    def ident(self, record: Visit) -> str:
        """As the phone has it."""
        return record.id

    def heading(self, record: Visit) -> str:
        """The day."""
        return day_heading(record.time)

    def day(self, record: Visit) -> date | None:
        """The day."""
        return day_of(record.time)

    def place(self, record: Visit) -> str:
        """Safari's profile."""
        return record.profile

    def words(self, record: Visit) -> str:
        """Title and address."""
        return f"{record.title}\n{record.url}"

    def row(self, record: Visit) -> EntryRow:
        """The page and when."""
        marks = (EntryMark("On another device", "phone"),) if record.elsewhere else ()
        return EntryRow(
            record.title or _site(record.url) or _UNTITLED, _site(record.url), clock_of(record.time), marks
        )

    def detail(self, record: Visit, shelf: KindShelf[Visit], look: EntryLook) -> EntryDetail:
        """The visit, and others to the same page."""
        del look
        same = [each for each in shelf.records if each.url == record.url and each is not record]
        lines = tuple(RelatedEntry(each.id, moment_of(each.time)) for each in same[:_MOST_VISITS])
        heading = f"{count_text(len(same), 'other visit')} to this page"
        led_to = record.redirected_to
        return EntryDetail(
            title=record.title or _site(record.url) or _UNTITLED,
            subtitle=moment_of(record.time),
            facts=facts(
                Fact("Address", (FactLine(record.url, safe_link(record.url)),)) if record.url else None,
                Fact("Led at once to", (FactLine(led_to, safe_link(led_to)),)) if led_to else None,
                Fact.of("Device", "Another of the person's devices" if record.elsewhere else ""),
                Fact.of("Profile", record.profile),
            ),
            related=(RelatedEntries(heading, lines),) if lines else (),
            technical=facts(Fact.of("Id", record.id)),
        )

    def take(self, records: Sequence[Visit], form: str, backup: Backup, *, alone: bool) -> Download:
        """The table that an export writes."""
        del form, backup, alone
        lines = csv_table(VISIT_HEADS, map(visit_record, records), local_zone())
        return Download("History.csv", "text/csv; charset=utf-8", (line.encode() for line in lines))


def _bookmarks(backup: Backup, gaps: Gaps) -> list[Bookmark]:
    bookmarks = SafariBookmarks.of(backup, gaps)
    if bookmarks is None:
        return []
    with bookmarks:
        return list(bookmarks)


def _folder(bookmark: Bookmark) -> str:
    return " / ".join(BUILT_IN_FOLDERS.get(each, each) for each in bookmark.folders if each)


def _site(url: str) -> str:
    """The host of a web address, else the beginning of it."""
    _, slashes, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2] if slashes else ""
    return (host or url)[:120]


WAYS = (*kind_ways(Bookmarks()), *kind_ways(ReadingList()), *kind_ways(BrowsingHistory()))
