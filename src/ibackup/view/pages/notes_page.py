"""Notes: pinned ones first, then by month; a note with its styles, tables and attachments."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO
from typing import BinaryIO, Final
from urllib.parse import quote

from markupsafe import Markup

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.base.confined import Parts
from ibackup.base.counts import count_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.all_notes import all_notes
from ibackup.contents.notes.note_text import ATTACHED, NoteParagraph
from ibackup.contents.notes.written_note import DOMAIN, NoteAttachment, WrittenNote
from ibackup.contents.time_zones import local_zone
from ibackup.explore.target_names import Namer, NameRules
from ibackup.export.export_folder import plain_name
from ibackup.export.note_html import note_html
from ibackup.export.note_parts import ShownAttachment
from ibackup.export.notes_export import about_note, attachment_name, note_folders, note_page
from ibackup.search.sources import words_in_note
from ibackup.view.kinds_shown.entry_times import month_heading, short_day_of, whole_moment_of
from ibackup.view.kinds_shown.entry_types import (
    Download,
    EntryDetail,
    EntryMark,
    EntryNotice,
    EntryRow,
    Fact,
    TakeForm,
    dated,
    facts,
)
from ibackup.view.kinds_shown.kind_ways import kind_ways
from ibackup.view.kinds_shown.shown_kind import EntryChip, EntryLook, KindShelf, ShownKind, is_stored
from ibackup.view.zip_stream import ZipMember, zip_stream

_UNTITLED: Final = "Untitled"
_SNIPPET: Final = 120  # characters
_TYPES: Final = {"html": "text/html; charset=utf-8", "md": "text/markdown; charset=utf-8"}
_PREVIEW: Final = "preview "


class Notes(ShownKind[WrittenNote]):
    """The kind."""

    page = "notes"
    icon = "note"
    title = "Notes"
    one = "note"
    many = "notes"
    find = "Find in all notes"
    forms = (
        TakeForm("html", "Take this note out", "All {}, as pages"),
        TakeForm("md", "As Markdown", "All {}, as Markdown"),
    )
    chips = (
        EntryChip[WrittenNote]("pinned", "Pinned", "pin", lambda each: each.pinned),
        EntryChip[WrittenNote]("locked", "Locked", "lock", lambda each: each.locked),
        EntryChip[WrittenNote]("deleted", "Recently deleted", "trash", lambda each: each.trashed),
    )

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[WrittenNote]:
        """Every note: pinned ones, then the newest first, then those in Recently Deleted."""
        found = list(all_notes(backup, gaps))
        found.sort(key=_when_changed, reverse=True)
        found.sort(key=lambda note: (note.trashed, not note.pinned))
        return found

    def summary(self, shelf: KindShelf[WrittenNote]) -> str:
        """How many are locked."""
        locked = sum(note.locked for note in shelf.records)
        return f"{count_text(locked, 'is', 'are')} locked." if locked else ""

    def ident(self, record: WrittenNote) -> str:
        """As the phone has it."""
        return record.id

    def heading(self, record: WrittenNote) -> str:
        """The month."""
        if record.trashed:
            return "Recently deleted"
        return "Pinned" if record.pinned else month_heading(record.modified or record.created)

    def words(self, record: WrittenNote) -> str:
        """Everything in it."""
        return "\n".join((record.title, *words_in_note(record), *record.folder))

    def place(self, record: WrittenNote) -> str:
        """Its folder."""
        return " / ".join(record.folder)

    def changed(self, record: WrittenNote) -> datetime | None:
        """When its text was changed."""
        return record.modified

    def row(self, record: WrittenNote) -> EntryRow:
        """Its title, and how it goes on."""
        marks = [EntryMark("Locked", "lock")] if record.locked else []
        if record.unreadable:
            marks.append(EntryMark("Damaged", "warn", "bad"))
        when = short_day_of(record.modified or record.created)
        return EntryRow(record.title or _UNTITLED, _snippet(record), when, tuple(marks))

    def detail(self, record: WrittenNote, shelf: KindShelf[WrittenNote], look: EntryLook) -> EntryDetail:
        """The note."""
        del shelf
        body = Markup("").join(note_html(_behind_title(record), _shown(record, look), top=3))
        return EntryDetail(
            title=record.title or _UNTITLED,
            notices=tuple(_notices(record)),
            body=body or None,
            facts=facts(
                Fact.of("Folder", " / ".join(note_folders(record))),
                Fact.of("Written", whole_moment_of(record.created)),
                Fact.of("Changed", whole_moment_of(record.modified)),
            ),
            technical=facts(Fact.of("Id", record.id)),
            can_be_taken=not record.locked,
        )

    def file(self, record: WrittenNote, name: str, backup: Backup) -> Entry | None:
        """An attachment's file, or a picture of it."""
        each = record.attachments.get(name.removeprefix(_PREVIEW))
        if each is None:
            return None
        path = each.preview if name.startswith(_PREVIEW) else each.path
        return backup.entry(DOMAIN, path) if path else None

    def take(self, records: Sequence[WrittenNote], form: str, backup: Backup, *, alone: bool) -> Download:
        """Pages; with files beside them, or more than one, in a zip."""
        markdown = form == "md"
        readable = [each for each in records if not each.locked]
        if alone and len(readable) == 1 and not any(map(_files, readable[0].attachments.values())):
            note = readable[0]
            chunks = note_page(note, {}, about_note(note, local_zone()), markdown=markdown)
            name = f"{plain_name(note.title, _UNTITLED)}.{'md' if markdown else 'html'}"
            return Download(name, _TYPES[form], (chunk.encode() for chunk in chunks))
        name = plain_name(readable[0].title, _UNTITLED) if alone and readable else self.title
        members = list(_Pages(backup, markdown=markdown).members(readable))
        return Download(f"{name}.zip", "application/zip", zip_stream(members))


def _when_changed(note: WrittenNote) -> float:
    return dated(note.modified or note.created)


def _snippet(note: WrittenNote) -> str:
    """How the text goes on behind the title."""
    lines = (paragraph.text.replace(ATTACHED, "").strip() for paragraph in note.paragraphs[:20])
    rest = [line for line in lines if line and line != note.title.strip()]
    return " ".join(rest)[:_SNIPPET]


def _behind_title(note: WrittenNote) -> Sequence[NoteParagraph]:
    """The text without its first line if that is the title, which stands above it."""
    first = note.paragraphs[0] if note.paragraphs else None
    return note.paragraphs[1:] if first is not None and first.text == note.title else note.paragraphs


def _shown(note: WrittenNote, look: EntryLook) -> dict[str, ShownAttachment]:
    return {
        each.id: ShownAttachment(
            each,
            look.link(each.id) if each.path else "",
            look.link(_PREVIEW + each.id) if each.preview else "",
        )
        for each in note.attachments.values()
    }


def _notices(note: WrittenNote) -> Iterator[EntryNotice]:
    if note.locked:
        hint = f" The hint for its password: {note.hint}." if note.hint else ""
        yield EntryNotice(
            "This note is locked",
            "Its text is encrypted with a password or with the phone's passcode, also in the backup. Only its title "
            f"can be read here. On a phone that was restored, it opens as before.{hint}",
            "lock",
        )
    if note.unreadable:
        yield EntryNotice(
            "The text of this note cannot be read",
            "It is damaged, or written by a newer iOS in a way that ibackup does not know. An older backup may have it "
            "whole.",
            "warn",
            "bad",
        )
    if note.trashed:
        yield EntryNotice(
            "In Recently Deleted", "The phone removes such notes after some weeks.", "trash", "wait"
        )
    missing = [each for each in note.attachments.values() if each.missing]
    if missing:
        named = count_text(len(missing), "attached file is", "attached files are")
        yield EntryNotice(f"{named} not in this backup", "They may be only in iCloud.", "cloud", "wait")


def _files(attachment: NoteAttachment) -> bool:
    return bool(attachment.path or attachment.preview)


class _Pages:
    """Notes as pages in folders, with their files beside them."""

    def __init__(self, backup: Backup, *, markdown: bool) -> None:
        self._backup = backup
        self._markdown = markdown
        self._names = Namer(NameRules.everywhere(), lambda _: None)
        self._folders: dict[tuple[str, ...], Parts] = {(): ()}

    def members(self, notes: Sequence[WrittenNote]) -> Iterator[ZipMember]:
        """The files of a zip."""
        for note in notes:
            place = self._names.place(self._folder(note_folders(note)), self._name(note))
            modified = int(max(dated(note.modified or note.created), 0))
            attached: dict[str, ShownAttachment] = {}
            for each in note.attachments.values():
                path = each.path or each.preview
                entry = self._backup.entry(DOMAIN, path) if path else None
                if entry is None or not is_stored(self._backup, entry):
                    attached[each.id] = ShownAttachment(each, "", "")
                    continue
                folder = (*place[:-1], f"{place[-1].rpartition('.')[0]} files")
                target = self._names.place(folder, attachment_name(each.file_name or path.rpartition("/")[2]))
                href = "/".join(quote(part) for part in target[-2:])
                attached[each.id] = ShownAttachment(each, href if each.path else "", href)
                yield ZipMember("/".join(target), modified, entry.open)
            yield ZipMember("/".join(place), modified, self._page(note, attached))

    def _page(self, note: WrittenNote, attached: dict[str, ShownAttachment]) -> "_Opens":
        return _Opens(note, attached, markdown=self._markdown)

    def _name(self, note: WrittenNote) -> str:
        return f"{plain_name(note.title, _UNTITLED)}.{'md' if self._markdown else 'html'}"

    def _folder(self, titles: tuple[str, ...]) -> Parts:
        found = self._folders.get(titles)
        if found is None:
            found = self._names.place(self._folder(titles[:-1]), plain_name(titles[-1], "Folder"))
            self._folders[titles] = found
        return found


class _Opens:
    """Makes a page when the zip comes to it."""

    def __init__(self, note: WrittenNote, attached: dict[str, ShownAttachment], *, markdown: bool) -> None:
        self._note = note
        self._attached = attached
        self._markdown = markdown

    def __call__(self) -> BinaryIO:
        about = about_note(self._note, local_zone())
        pieces = note_page(self._note, self._attached, about, markdown=self._markdown)
        return BytesIO("".join(pieces).encode("utf-8", "replace"))


WAYS = kind_ways(Notes())
