"""Safari: bookmarks as a file that every browser imports, the Reading List and the history as tables."""

from collections.abc import Iterator

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.only_encrypted import why_none
from ibackup.contents.safari import HISTORY, Bookmark, SafariBookmarks, SafariHistory, Visit
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.formats.bookmark_file import bookmark_file
from ibackup.export.tables import Record, write_tables

READING_HEADS = {"added": "Added", "title": "Title", "url": "Address", "read": "Read", "preview": "Preview"}
VISIT_HEADS = {
    "time": "Time",
    "title": "Title",
    "url": "Address",
    "redirected_to": "Redirected to",
    "elsewhere": "On another device",
    "profile": "Profile",
}
READING_LIST = "reading list"


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every bookmark and visit."""
    bookmarks = SafariBookmarks.of(backup, gaps)
    if bookmarks is not None:
        with bookmarks:
            for bookmark in bookmarks:
                yield f"bookmark {bookmark.id}"
    history = SafariHistory.of(backup, gaps)
    if history is not None:
        with history:
            for visit in history:
                yield f"visit {visit.id}"


def export(run: Export) -> None:
    """Write the bookmarks, the Reading List and the history, as far as the backup has them."""
    found = _export_bookmarks(run)
    if not (_export_history(run) or found):
        run.nothing(why_none(run.gaps, HISTORY))


def _export_bookmarks(run: Export) -> bool:
    bookmarks = SafariBookmarks.of(run.backup, run.gaps)
    if bookmarks is None:
        return False
    with bookmarks:
        wanted: list[Bookmark] = [
            each
            for each in bookmarks
            if each.is_folder or run.wants(f"bookmark {each.id}", each.added or each.changed)
        ]
    pages = [each for each in wanted if not each.is_folder and each.part != READING_LIST]
    reading = [each for each in wanted if not each.is_folder and each.part == READING_LIST]
    if not (pages or reading):
        return False
    above = run.folder.place((), "Safari", "folder safari")
    if pages:
        place = run.folder.place(above, "Bookmarks.html", "safari bookmarks")
        run.folder.write(place, bookmark_file(wanted))
        run.count("bookmarks", len(pages))
        run.index.append(IndexLine("Safari: bookmarks", place, counted(len(pages), "bookmarks")))
    if reading:
        records = [reading_record(each) for each in reading]
        shown, _ = write_tables(run, above, "Reading List", READING_HEADS, lambda _gaps: records)
        run.count("bookmarks", len(reading))
        run.index.append(IndexLine("Safari: Reading List", shown, counted(len(reading), "pages")))
    return True


def _export_history(run: Export) -> bool:
    def records(gaps: Gaps) -> Iterator[Record]:
        history = SafariHistory.of(run.backup, gaps)
        if history is None:
            return
        with history:
            for visit in history:
                if run.wants(f"visit {visit.id}", visit.time):
                    yield visit_record(visit)

    above = run.folder.place((), "Safari", "folder safari")
    shown, count = write_tables(run, above, "History", VISIT_HEADS, records)
    if count:
        run.count("visits", count)
        run.index.append(IndexLine("Safari: history", shown, counted(count, "visits")))
    return count > 0


def reading_record(page: Bookmark) -> Record:
    """A page of the Reading List as a row of its table."""
    return {
        "id": page.id,
        "added": page.added,
        "title": page.title,
        "url": page.url,
        "read": page.read,
        "preview": page.preview,
    }


def visit_record(visit: Visit) -> Record:
    """A visit as a row of the history."""
    return {
        "id": visit.id,
        "time": visit.time,
        "title": visit.title,
        "url": visit.url,
        "redirected_to": visit.redirected_to,
        "elsewhere": visit.elsewhere,
        "profile": visit.profile,
    }
