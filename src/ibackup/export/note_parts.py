"""What a page of a note needs to know of its attachments, and the blocks that its paragraphs form."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ibackup.contents.notes.note_text import NoteParagraph
from ibackup.contents.notes.written_note import NoteAttachment

PICTURES: Final = frozenset(("jpg", "jpeg", "png", "gif", "webp"))
SOUNDS: Final = frozenset(("m4a", "mp3", "wav", "aac"))
FILMS: Final = frozenset(("mov", "mp4", "m4v"))
_LISTS: Final = frozenset(("bullet", "dash", "number", "checkbox"))


@dataclass(frozen=True, slots=True)
class ShownAttachment:
    """An attachment, with the addresses of its files relative to the page; empty if there is no such file."""

    attachment: NoteAttachment
    href: str
    preview: str

    @property
    def name(self) -> str:
        """What to call it."""
        each = self.attachment
        return each.title or each.file_name or each.type.rpartition(".")[2] or "attachment"


Attachments = Mapping[str, ShownAttachment]


@dataclass(frozen=True, slots=True)
class Block:
    """Paragraphs that belong together, such as those of one list; or a single one."""

    kind: str
    paragraphs: tuple[NoteParagraph, ...]


def blocks(paragraphs: Sequence[NoteParagraph]) -> Iterator[Block]:
    """Group the paragraphs of a note. The kinds are those of paragraphs, and "list" and "quote"."""
    gathered: list[NoteParagraph] = []
    kind = ""
    for paragraph in paragraphs:
        now = _kind(paragraph)
        if gathered and (now != kind or now not in {"list", "quote", "monospaced"}):
            yield Block(kind, tuple(gathered))
            gathered = []
        kind = now
        gathered.append(paragraph)
    if gathered:
        yield Block(kind, tuple(gathered))


def _kind(paragraph: NoteParagraph) -> str:
    if paragraph.style in _LISTS:
        return "list"
    return "quote" if paragraph.quote else paragraph.style


def ending(name: str) -> str:
    """The ending of a file's name in lower case."""
    return name.rpartition(".")[2].lower()
