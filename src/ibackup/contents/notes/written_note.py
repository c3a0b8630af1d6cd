"""What a store of notes says of each note."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ibackup.apple.app_places import NOTES
from ibackup.contents.notes.note_text import NoteParagraph

DOMAIN: Final = NOTES.domain


@dataclass(frozen=True, slots=True)
class NoteAttachment:
    """Something in a note. Paths are those of the backup's list, below `DOMAIN`.

    Attributes:
        id: what the note's text calls it.
        type: Apple's identifier, such as "public.jpeg" or "com.apple.notes.table".
        title: its name, as far as it has one.
        file_name: the name of its file.
        path: of its file; empty if it has none, or if the backup lacks it.
        preview: path of a picture or PDF of it: of a drawing or a scan often all there is.
        missing: whether it has a file that the backup lacks.
        shown: what stands in the line in its place: a hashtag, the name of a person or of another note.
        url: where it leads.
        rows: the cells of a table.
        unreadable: whether it is a table that cannot be read; `title` then says what is known of it.
        pages: ids of the attachments that a gallery or scan consists of.
    """

    id: str
    type: str
    title: str = ""
    file_name: str = ""
    path: str = ""
    preview: str = ""
    missing: bool = False
    shown: str = ""
    url: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    unreadable: bool = False
    pages: tuple[str, ...] = ()

    @property
    def inline(self) -> bool:
        """Whether it is a word in the line: a hashtag, a mention, a link to a note."""
        return self.type.startswith("com.apple.notes.inlinetextattachment")


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """A note.

    Attributes:
        id: stable from snapshot to snapshot.
        title: as the list of notes shows it.
        folder: titles from the outermost folder to its own; empty if its folder is gone.
        account: "iCloud", "On My iPhone".
        created: when.
        modified: when it was last changed.
        pinned: as it says.
        trashed: in Recently Deleted.
        locked: whether a password or the phone's passcode protects it; then only the title can be read.
        hint: the password's hint.
        unreadable: whether its text is damaged.
        paragraphs: its text.
        attachments: what is in it, by id.
    """

    id: str
    title: str
    folder: tuple[str, ...] = ()
    account: str = ""
    created: datetime | None = None
    modified: datetime | None = None
    pinned: bool = False
    trashed: bool = False
    locked: bool = False
    hint: str = ""
    unreadable: bool = False
    paragraphs: tuple[NoteParagraph, ...] = ()
    attachments: dict[str, NoteAttachment] = field(default_factory=dict)
