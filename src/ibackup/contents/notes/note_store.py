"""Reads `NoteStore.sqlite`, and the store in which notes of mail accounts were kept before it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Self

from ibackup.apple.app_places import NOTES
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, AppRows, AppTable, Cell, blob, number, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.decoding.gunzip import gunzip
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.note_files import NoteFiles
from ibackup.contents.notes.note_tables import read_table
from ibackup.contents.notes.note_text import ATTACHED, NoteParagraph, read_body
from ibackup.contents.notes.written_note import NoteAttachment, WrittenNote

PART: Final = "notes"
LOCKED: Final = "the note is locked: only its title can be read"
UNREADABLE_TEXT: Final = "the text of the note cannot be read"
UNREADABLE_TABLE: Final = "a table in the note cannot be read"
NO_FILE: Final = "the attached file is not in this backup"
_OBJECTS: Final = "ZICCLOUDSYNCINGOBJECT"
_CLASSES: Final = ("ICNote", "ICFolder", "ICAccount", "ICAttachment", "ICInlineAttachment", "ICMedia")
_GALLERY, _TABLE = "com.apple.notes.gallery", "com.apple.notes.table"
_TRASH = 1
_MOST_FOLDERS: Final = 64  # deep
_MOST_TITLE: Final = 1000  # characters
_MOST_ATTACHMENTS: Final = 10_000  # of one note
_NOTE: Final = (
    "Z_ENT",
    "ZIDENTIFIER",
    "ZTITLE1",
    "ZSNIPPET",
    "ZFOLDER",
    "ZNOTEDATA",
    "ZISPINNED",
    "ZMARKEDFORDELETION",
    "ZISPASSWORDPROTECTED",
    "ZPASSWORDHINT",
    "ZMODIFICATIONDATE1",
    "ZMODIFICATIONDATE",
    "ZCREATIONDATE3",
    "ZCREATIONDATE1",
    "ZCREATIONDATE",
)
_ATTACHMENT: Final = (
    "ZIDENTIFIER",
    "ZTYPEUTI",
    "ZTITLE",
    "ZSUMMARY",
    "ZALTTEXT",
    "ZURLSTRING",
    "ZMEDIA",
    "ZMERGEABLEDATA1",
    "ZMERGEABLEDATA",
    "ZPARENTATTACHMENT",
    "ZTYPEUTI1",
)


@dataclass(frozen=True, slots=True)
class _Folder:
    title: str
    parent: int
    trash: bool


@dataclass(slots=True)
class _Small:
    """What is small enough to be kept: folders, accounts, and which attachments belong to which note."""

    folders: dict[int, _Folder] = field(default_factory=dict)
    accounts: dict[int, tuple[str, str]] = field(default_factory=dict)  # identifier and name
    attachments: dict[int, list[int]] = field(default_factory=dict)
    media: dict[int, int] = field(
        default_factory=dict
    )  # by attachment, where only the file knows whose it is

    def owner(self, cells: Sequence[Cell]) -> tuple[str, str] | None:
        """The account that a note is in, from the columns that may name it."""
        return next((found for cell in cells if (found := self.accounts.get(number(cell))) is not None), None)

    def path(self, folder: int) -> tuple[str, ...]:
        """The titles of a folder and of those around it; a circle ends where it closes."""
        titles: list[str] = []
        seen: set[int] = set()
        while folder in self.folders and folder not in seen and len(seen) < _MOST_FOLDERS:
            seen.add(folder)
            titles.append(self.folders[folder].title)
            folder = self.folders[folder].parent
        return tuple(reversed(titles))


class NoteStore:
    """The notes of a backup. Use `open`; close it when done."""

    def __init__(self, backup: Backup, database: AppDatabase, gaps: Gaps) -> None:
        self._database = database
        self._gaps = gaps
        self._files = NoteFiles(backup)
        self._kinds = _kinds(database)
        self._small = _Small()
        self._bodies: AppRows | None = None
        self._attached: AppRows | None = None
        self._media: AppRows | None = None
        self._table = database.table(_OBJECTS)
        if self._table is None:
            gaps.add(PART, "the store has no table of notes that ibackup knows", damage=True)
            return
        self._owners = sorted(
            (column for column in self._table.columns if re.fullmatch(r"ZACCOUNT\d*", column, re.IGNORECASE)),
            key=lambda name: -int(name[8:] or 0),
        )
        self._attached = self._table.select(*_ATTACHMENT)
        self._media = self._table.select("ZIDENTIFIER", ("ZGENERATION1", "ZGENERATION"), "ZFILENAME")
        self._read_small(self._table)
        bodies = database.table("ZICNOTEDATA")
        self._bodies = bodies.select("ZNOTE", "ZDATA") if bodies else None
        self._links = bodies.select("ZNOTE") if bodies else None
        self._by_note: dict[int, int] | None = None

    @classmethod
    def open(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """The store; None if the backup has none, or, with a gap, if it cannot be read.

        Args:
            backup: unlocked.
            gaps: takes what cannot be read, now and later.

        Raises:
            NoRoom: there is no space for a temporary copy.
            FormatError: the backup's list of files cannot be read.
        """
        database = AppDatabase.of(backup, [NOTES], PART, gaps)
        if database is None:
            return None
        with ExitStack() as unwinding:
            unwinding.callback(database.close)
            found = cls(backup, database, gaps)
            unwinding.pop_all()
        return found

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def notes(self) -> Iterator[WrittenNote]:
        """Every note, also locked and recently deleted ones; remnants without title and text are left out."""
        if self._table is None:
            return
        for cells in self._table.select(*_NOTE, *self._owners):
            if self._kind(cells) == "ICNote":
                note = self._note(cells)
                if note is not None:
                    yield note

    def _kind(self, cells: tuple[Cell, ...]) -> str:
        """The class of a row; where the store does not say, what has a body is a note."""
        if self._kinds:
            return self._kinds.get(number(cells[1]), "")
        return "ICNote" if number(cells[6]) or cells[3] is not None else ""

    def _note(self, cells: tuple[Cell, ...]) -> WrittenNote | None:
        row = number(cells[0])
        identifier, title, snippet = (text(cell) for cell in cells[2:5])
        folder, body, pinned, deleted, locked = (number(cell) for cell in cells[5:10])
        owner = self._small.owner(cells[16:])
        modified, created = _first(cells[11:13]), _first(cells[13:16])
        known = self._small.folders.get(folder)
        paragraphs: tuple[NoteParagraph, ...] = ()
        unreadable = False
        if locked:
            self._gaps.add(PART, LOCKED, title)
        else:
            data = self._body(row, body)
            if not data and deleted and not title:
                return None
            try:
                paragraphs = read_body(data) if data else ()
            except Undecodable as error:
                unreadable = True
                self._gaps.add(PART, UNREADABLE_TEXT, f"{title}: {error}", damage=True)
        accounts = [owner[0]] if owner else []
        accounts += [each for each, _ in self._small.accounts.values() if each not in accounts]
        return WrittenNote(
            id=identifier or f"note {row}",
            title=(title or snippet if unreadable or locked else title or _first_line(paragraphs))[
                :_MOST_TITLE
            ],
            folder=self._small.path(folder),
            account=owner[1] if owner else "",
            created=created,
            modified=modified,
            pinned=pinned == 1,
            trashed=deleted == 1 or (known is not None and known.trash),
            locked=locked != 0,
            hint=text(cells[10])[:_MOST_TITLE] if locked else "",
            unreadable=unreadable,
            paragraphs=paragraphs,
            attachments={} if locked else self._attachments(row, title, accounts),
        )

    def _body(self, note: int, row: int) -> bytes:
        if self._bodies is None:
            return b""
        found = self._bodies.at(row) if row else None
        if found is None or (found[1] is not None and number(found[1]) != note):
            if self._by_note is None:
                self._by_note = {number(owner): number(place) for place, owner in self._links or ()}
            other = self._by_note.get(note)
            found = self._bodies.at(other) if other else None
        return blob(found[2]) if found else b""

    # -- attachments ------------------------------------------------------------------------------------------

    def _attachments(self, note: int, title: str, accounts: Sequence[str]) -> dict[str, NoteAttachment]:
        found: dict[str, NoteAttachment] = {}
        galleries: dict[int, tuple[str, bytes]] = {}
        children: dict[int, list[str]] = {}
        for row in self._small.attachments.get(note, ())[:_MOST_ATTACHMENTS]:
            cells = self._attached.at(row) if self._attached is not None else None
            if cells is None:
                continue
            each = self._attachment(row, cells, title, accounts)
            found[each.id] = each
            if number(cells[10]):
                children.setdefault(number(cells[10]), []).append(each.id)
            if each.type == _GALLERY:
                galleries[row] = (each.id, blob(cells[8]) or blob(cells[9]))
        for row, (gallery, packed) in galleries.items():
            found[gallery] = replace(found[gallery], pages=tuple(_in_order(children.get(row, []), packed)))
        return found

    def _attachment(
        self, row: int, cells: tuple[Cell, ...], note: str, accounts: Sequence[str]
    ) -> NoteAttachment:
        identifier, uti, title, summary, shown, url = (text(cell) for cell in cells[1:7])
        uti = uti or text(cells[11])
        media = number(cells[7]) or self._small.media.get(row, 0)
        place = self._media.at(media) if media and self._media is not None else None
        file_name = text(place[3]) if place else ""
        path = self._files.media(accounts, text(place[1]), text(place[2]), file_name) if place else ""
        rows: tuple[tuple[str, ...], ...] = ()
        unreadable = False
        if uti == _TABLE:
            try:
                rows = read_table(blob(cells[8]) or blob(cells[9]))
            except Undecodable as error:
                unreadable = True
                self._gaps.add(PART, UNREADABLE_TABLE, f"{note}: {error}", damage=True)
        if file_name and not path:
            self._gaps.add(PART, NO_FILE, f"{note}: {file_name}")
        return NoteAttachment(
            id=identifier or f"attachment {row}",
            type=uti,
            title=(title or (summary if unreadable else ""))[:_MOST_TITLE],
            file_name=file_name,
            path=path,
            preview=self._files.preview(identifier) if identifier else "",
            missing=bool(file_name) and not path,
            shown=shown[:_MOST_TITLE],
            url=url[:_MOST_TITLE],
            rows=rows,
            unreadable=unreadable,
        )

    def _read_small(self, table: AppTable) -> None:
        columns = (
            "Z_ENT",
            "ZIDENTIFIER",
            "ZTITLE2",
            "ZPARENT",
            "ZFOLDERTYPE",
            "ZNAME",
            "ZTYPEUTI",
            "ZNOTE",
            ("ZATTACHMENT1", "ZATTACHMENT"),
            # What stands in the line, such as a hashtag, has columns of its own (seen in other readers' queries).
            "ZTYPEUTI1",
            "ZNOTE1",
        )
        small = self._small
        for (
            row,
            entity,
            identifier,
            title,
            parent,
            kind,
            name,
            uti,
            note,
            attachment,
            *inline,
        ) in table.select(*columns):
            place, kind_name = number(row), self._kinds.get(number(entity), "")
            if kind_name == "ICFolder" or (not self._kinds and title is not None):
                trash = number(kind) == _TRASH or text(identifier).startswith("TrashFolder")
                small.folders[place] = _Folder(text(title)[:_MOST_TITLE], number(parent), trash)
            elif kind_name == "ICAccount":
                small.accounts[place] = (text(identifier), text(name)[:_MOST_TITLE])
            elif (uti is not None and number(note)) or (inline[0] is not None and number(inline[1])):
                small.attachments.setdefault(number(note) or number(inline[1]), []).append(place)
            elif number(attachment):
                small.media[number(attachment)] = place


def _kinds(database: AppDatabase) -> dict[int, str]:
    """The names of the classes by their numbers, which differ from one iOS to the next."""
    table = database.table("Z_PRIMARYKEY")
    if table is None:
        return {}
    return {
        number(entity): name
        for _, entity, said in table.select("Z_ENT", "Z_NAME")
        if (name := text(said)) in _CLASSES
    }


def _first(cells: Sequence[Cell]) -> datetime | None:
    return next((moment for cell in cells if (moment := from_apple(cell)) is not None), None)


def _first_line(paragraphs: Sequence[NoteParagraph]) -> str:
    lines = (paragraph.text.replace(ATTACHED, "").strip() for paragraph in paragraphs)
    return next((line for line in lines if line), "")


def _in_order(pages: list[str], packed: bytes) -> list[str]:
    """The pages of a gallery as its document names them; those that it does not name come last."""
    try:
        document = gunzip(packed) if packed else b""
    except Undecodable:
        document = b""
    places = {page: document.find(page.encode()) for page in pages}
    return sorted(pages, key=lambda page: (places[page] < 0, places[page]))
