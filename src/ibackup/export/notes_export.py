"""Notes: a page each, in folders of their folders' names, with attachments beside them, and a list of all."""

from collections.abc import Iterator
from datetime import tzinfo

from ibackup.apple.backup import Backup
from ibackup.base.confined import Parts
from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.all_notes import all_notes
from ibackup.contents.notes.written_note import DOMAIN, WrittenNote
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine, in_zone
from ibackup.export.export_folder import plain_name
from ibackup.export.note_html import note_html
from ibackup.export.note_markdown import escaped, note_markdown
from ibackup.export.note_parts import Attachments, ShownAttachment
from ibackup.export.pages import page
from ibackup.export.tables import json_list

_TITLE = "Notes"
_DELETED = "Recently Deleted"


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every note."""
    return (note.id for note in all_notes(backup, gaps))


def export(run: Export) -> None:
    """Write each note, then the list of all."""
    writing = _Writing(run)
    for note in all_notes(run.backup, run.gaps):
        if run.wants(note.id, note.modified or note.created):
            writing.write(note)
    writing.finish()


class _Writing:
    def __init__(self, run: Export) -> None:
        self._run = run
        self._above = run.folder.place((), _TITLE, "folder notes")
        self._index = run.folder.place(
            self._above, "index.html", "notes index"
        )  # before a note of that title
        self._list = run.folder.place(self._above, "notes.json", "notes list")
        self._records: list[dict[str, object]] = []
        self._lines: list[dict[str, str]] = []

    def write(self, note: WrittenNote) -> None:
        place = None
        if not note.locked:
            place = self._write_page(note)
            self._run.count("notes")
        state = "locked" if note.locked else "its text cannot be read" if note.unreadable else ""
        about = " · ".join(part for part in ("/".join(note_folders(note)), self._time(note), state) if part)
        href = self._run.folder.link(self._index, place) if place is not None else ""
        self._lines.append({"title": note.title or "Untitled", "about": about, "href": href})
        self._records.append(
            {
                "id": note.id,
                "title": note.title,
                "account": note.account,
                "folder": list(note.folder),
                "created": note.created,
                "modified": note.modified,
                "pinned": note.pinned,
                "recently_deleted": note.trashed,
                "locked": note.locked,
                "hint": note.hint or None,
                "unreadable": note.unreadable,
                "text": "\n".join(paragraph.text for paragraph in note.paragraphs),
                "file": "/".join(place[len(self._above) :]) if place is not None else None,
            }
        )

    def _write_page(self, note: WrittenNote) -> Parts:
        run, markdown = self._run, self._run.request.note_format == "markdown"
        above = self._folder(note_folders(note))
        name = plain_name(note.title, "Untitled")
        form = "md" if markdown else "html"
        place = run.folder.place(above, f"{name}.{form}", f"note {form} {note.id}")
        attachments = self._attachments(note, place)
        modified = note.modified or note.created
        about = about_note(note, run.request.zone)
        chunks = note_page(note, attachments, about, markdown=markdown)
        run.folder.write(place, chunks, modified.timestamp() if modified else None)
        return place

    def _attachments(self, note: WrittenNote, place: Parts) -> Attachments:
        """Copy the files of a note into a folder beside its page."""
        run = self._run
        shown: dict[str, ShownAttachment] = {}
        folder: Parts | None = None
        for each in note.attachments.values():
            addresses: list[str] = []
            for path, wanted in (
                (each.path, each.file_name),
                (each.preview, each.preview.rpartition("/")[2]),
            ):
                entry = run.backup.entry(DOMAIN, path) if path and not (addresses and addresses[0]) else None
                if entry is None:
                    addresses.append("")
                    continue
                if folder is None:
                    stem = place[-1].rpartition(".")[0]
                    folder = run.folder.place(place[:-1], f"{stem} files", f"note files {note.id}")
                target = run.folder.place(folder, attachment_name(wanted), f"note file {note.id} {path}")
                run.folder.copy(entry, target)
                addresses.append(run.folder.link(place, target))
            shown[each.id] = ShownAttachment(each, *addresses)
        return shown

    def _folder(self, titles: tuple[str, ...]) -> Parts:
        place = self._above
        for depth, title in enumerate(titles, start=1):
            key = "\0".join(titles[:depth])
            place = self._run.folder.place(place, plain_name(title, "Folder"), f"note folder {key}")
        return place

    def _time(self, note: WrittenNote) -> str:
        moment = note.modified or note.created
        return f"{self._run.local(moment):%Y-%m-%d}" if moment else ""

    def finish(self) -> None:
        """Write the list of all notes, or say that there are none."""
        run = self._run
        if not self._records:
            run.nothing()
            return
        number = len(self._records)
        about = counted(number, "notes")
        lines = sorted(self._lines, key=lambda line: (line["title"].casefold(), line["about"]))
        run.folder.write(self._index, page("index.html", title=_TITLE, about=about, lines=lines, gaps=[]))
        run.folder.write(self._list, json_list(self._records))
        run.index.append(IndexLine(_TITLE, self._index, about))


def note_page(note: WrittenNote, attachments: Attachments, about: str, *, markdown: bool) -> Iterator[str]:
    """A note as a page, piece by piece.

    Args:
        note: the note.
        attachments: with their addresses relative to the page.
        about: a line about it.
        markdown: in place of HTML.
    """
    if not markdown:
        content = note_html(note.paragraphs, attachments)
        return page("note.html", title=note.title or "Untitled", about=about, content=content)
    head = [] if note.paragraphs else [f"# {escaped(note.title)}\n\n"]
    return iter([*head, *note_markdown(note.paragraphs, attachments), f"---\n\n*{escaped(about)}*\n"])


def about_note(note: WrittenNote, zone: tzinfo) -> str:
    """A line about a note: where it is, and when it was made and changed."""
    said = [note.account, *note_folders(note)[1:]] if note.account else list(note_folders(note))
    if note.created:
        said.append(f"created {in_zone(note.created, zone):%Y-%m-%d %H:%M}")
    if note.modified:
        said.append(f"changed {in_zone(note.modified, zone):%Y-%m-%d %H:%M}")
    if note.pinned:
        said.append("pinned")
    if note.unreadable:
        said.append("the text of this note is damaged and cannot be read")
    return " · ".join(part for part in said if part)


def note_folders(note: WrittenNote) -> tuple[str, ...]:
    """The folders of a note, below its account."""
    head = (note.account,) if note.account else ()
    inner = note.folder
    if note.trashed and (not inner or inner[-1] != _DELETED):
        inner = (_DELETED,)
    return (*head, *inner)


def attachment_name(name: str) -> str:
    """The name of an attached file, valid on every system."""
    stem, dot, ending = name.rpartition(".")
    return f"{plain_name(stem, 'file')}{dot}{plain_name(ending, '')}" if dot else plain_name(name, "file")
