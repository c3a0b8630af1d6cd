"""Notes of mail accounts, and of all accounts before iOS 9: a store of its own, with the text of each note as HTML.

Its tables and columns are those that other readers describe; nobody here has seen them on a phone.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from html.parser import HTMLParser
from typing import Final, Self

from ibackup.apple.app_places import OLD_NOTES
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, number, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.note_store import PART
from ibackup.contents.notes.note_text import NoteParagraph, NoteSpan
from ibackup.contents.notes.written_note import WrittenNote

_MOST_HTML: Final = 8 * 1024 * 1024  # characters
_MOST_PARAGRAPHS: Final = 100_000
_MOST_TITLE: Final = 1000  # characters
_ENDS_A_LINE: Final = frozenset(
    ("br", "div", "p", "li", "tr", "h1", "h2", "h3", "h4", "ul", "ol", "blockquote")
)
_UNSHOWN: Final = frozenset(("script", "style", "head", "title"))
_STYLES: Final = {"h1": "title", "h2": "heading", "h3": "subheading", "li": "bullet", "pre": "monospaced"}


class MailNotes:
    """The notes of the store; iterate over it. Close it when done."""

    def __init__(self, database: AppDatabase) -> None:
        self._database = database
        self._stores: dict[int, str] = {}
        stores = database.table("ZSTORE")
        for row, name in stores.select("ZNAME") if stores else ():
            self._stores[number(row)] = text(name)[:_MOST_TITLE]
        bodies = database.table("ZNOTEBODY")
        self._bodies = bodies.select("ZCONTENT", "ZOWNER") if bodies else None
        self._by_note = (
            {number(owner): number(row) for row, owner in bodies.select("ZOWNER")} if bodies else {}
        )

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """The notes of a backup; None if it has no such store, or, with a gap, if it cannot be read.

        Raises:
            NoRoom: there is no space for a temporary copy.
            FormatError: the backup's list of files is damaged.
        """
        database = AppDatabase.of(backup, [OLD_NOTES], PART, gaps)
        if database is None:
            return None
        with ExitStack() as unwinding:
            unwinding.callback(database.close)
            found = cls(database)
            unwinding.pop_all()
        return found

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[WrittenNote]:
        table = self._database.table("ZNOTE")
        columns = ("ZTITLE", "ZGUID", "ZBODY", "ZSTORE", "ZCREATIONDATE", "ZMODIFICATIONDATE", "ZDELETEDFLAG")
        for cells in table.select(*columns) if table is not None else ():
            row = number(cells[0])
            title, guid = text(cells[1])[:_MOST_TITLE], text(cells[2])
            paragraphs = self._paragraphs(row, number(cells[3]))
            deleted = number(cells[7]) == 1
            if deleted and not paragraphs and not title:
                continue
            folder = self._stores.get(number(cells[4]), "")
            yield WrittenNote(
                id=f"mail {guid or row}",
                title=title,
                folder=(folder,) if folder else (),
                created=from_apple(cells[5]),
                modified=from_apple(cells[6]),
                trashed=deleted,
                paragraphs=paragraphs,
            )

    def _paragraphs(self, note: int, row: int) -> tuple[NoteParagraph, ...]:
        if self._bodies is None:
            return ()
        found = self._bodies.at(row) if row else None
        if found is None or (found[2] is not None and number(found[2]) != note):
            found = self._bodies.at(other) if (other := self._by_note.get(note)) else None
        return html_paragraphs(text(found[1])) if found else ()


def html_paragraphs(html: str) -> tuple[NoteParagraph, ...]:
    """The text of HTML by paragraphs, with bold, italic and links; scripts, styles and everything else is left out."""
    reading = _Reading()
    reading.feed(html[:_MOST_HTML])
    reading.close()
    reading.end_line()
    return tuple(reading.found)


class _Reading(HTMLParser):
    """Collects paragraphs. It keeps counts of open tags, not the tags: what strangers wrote may nest without end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[NoteParagraph] = []
        self._spans: list[NoteSpan] = []
        self._open: dict[str, int] = {}
        self._link = ""
        self._style = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ENDS_A_LINE:
            self.end_line(empty=tag == "br")
        if tag in _STYLES:
            self._style = _STYLES[tag]
        if tag == "a":
            self._link = dict(attrs).get("href") or ""
        if tag != "br":
            self._open[tag] = self._open.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        if tag in _ENDS_A_LINE:
            self.end_line()
        if tag in _STYLES:
            self._style = ""
        if tag == "a":
            self._link = ""
        self._open[tag] = max(0, self._open.get(tag, 0) - 1)

    def handle_data(self, data: str) -> None:
        if any(self._open.get(tag) for tag in _UNSHOWN):
            return
        data = " ".join(data.replace("\u00a0", " ").split("\n"))
        if data.strip() or self._spans:
            bold, italic = self._is("b", "strong"), self._is("i", "em")
            span = NoteSpan(data, bold, italic, self._is("u"), self._is("s", "strike"), 0, self._link)
            self._spans.append(span)

    def _is(self, *tags: str) -> bool:
        return any(self._open.get(tag) for tag in tags)

    def end_line(self, *, empty: bool = False) -> None:
        """End the paragraph; an empty one counts only if a line break made it."""
        if (self._spans or empty) and len(self.found) < _MOST_PARAGRAPHS:
            self.found.append(NoteParagraph(tuple(self._spans), self._style))
        self._spans = []
