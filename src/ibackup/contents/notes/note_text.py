"""The text of a note: paragraphs with their styles, from the protocol buffer in which Notes keeps it.

The message has the whole text and a list of runs, each with its length in UTF-16 units. Source of the field numbers:
readers that others wrote, compared with databases of iOS 17 and macOS 12 to 26.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ibackup.contents.decoding.gunzip import gunzip
from ibackup.contents.decoding.protobuf import ProtoMessage

ATTACHED: Final = "\ufffc"
"""Stands in the text where an attachment is."""
_STYLES: Final = {
    0: "title",
    1: "heading",
    2: "subheading",
    4: "monospaced",
    100: "bullet",
    101: "dash",
    102: "number",
    103: "checkbox",
}
_BOLD, _ITALIC = 1, 2
_MOST_INDENT: Final = 32
_MOST_RUNS: Final = 200_000


@dataclass(frozen=True, slots=True)
class NoteSpan:
    """A piece of a paragraph with one look.

    Attributes:
        text: the piece; `ATTACHED` where an attachment is.
        bold: as it says, like `italic`, `underlined` and `struck`.
        raised: 1 superscript, -1 subscript, 0 neither.
        link: where it leads, as it was typed: it may be anything.
        attachment: the id of the attachment that is here.
    """

    text: str
    bold: bool = False
    italic: bool = False
    underlined: bool = False
    struck: bool = False
    raised: int = 0
    link: str = ""
    attachment: str = ""


@dataclass(frozen=True, slots=True)
class NoteParagraph:
    """A paragraph.

    Attributes:
        spans: its text.
        style: "title", "heading", "subheading", "monospaced", "bullet", "dash", "number", "checkbox", or "" for
            body text.
        indent: levels.
        checked: whether its box is ticked.
        quote: whether it is quoted.
    """

    spans: tuple[NoteSpan, ...]
    style: str = ""
    indent: int = 0
    checked: bool = False
    quote: bool = False

    @property
    def text(self) -> str:
        """Its text without styles."""
        return "".join(span.text for span in self.spans)


class _Run:
    """The look of a run, and the style of the paragraph that it begins."""

    __slots__ = ("_look", "_paragraph")

    def __init__(self, message: ProtoMessage | None) -> None:
        self._look = NoteSpan("")
        self._paragraph = NoteParagraph(())
        if message is None:
            return
        weight = message.integer(5) or 0
        attachment = message.message(12)
        raised = message.signed(8) or 0
        self._look = NoteSpan(
            "",
            bold=bool(weight & _BOLD),
            italic=bool(weight & _ITALIC),
            underlined=bool(message.integer(6)),
            struck=bool(message.integer(7)),
            raised=(raised > 0) - (raised < 0),
            link=message.text(9) or "",
            attachment=(attachment.text(1) or "") if attachment is not None else "",
        )
        style = message.message(2)
        if style is not None:
            box = style.message(5)
            self._paragraph = NoteParagraph(
                (),
                style=_STYLES.get(kind, "") if (kind := style.integer(1)) is not None else "",
                indent=min(style.integer(4) or 0, _MOST_INDENT),
                checked=bool(box.integer(2)) if box is not None else False,
                quote=bool(style.integer(8)),
            )

    def spans(self, text: str) -> list[NoteSpan]:
        return [replace(self._look, text=text)] if text else []

    def paragraph(self, spans: list[NoteSpan]) -> NoteParagraph:
        return replace(self._paragraph, spans=tuple(spans))


def read_body(data: bytes) -> tuple[NoteParagraph, ...]:
    """The paragraphs of a note's compressed body. Raises Undecodable."""
    document = ProtoMessage(gunzip(data)).message(2)
    text = document.message(3) if document is not None else None
    return read_text(text) if text is not None else ()


def read_text(message: ProtoMessage) -> tuple[NoteParagraph, ...]:
    """The paragraphs of a message with a text and its runs. Raises Undecodable."""
    units = (message.text(2) or "").encode("utf-16-le", "surrogatepass")
    found: list[NoteParagraph] = []
    first: _Run | None = None
    spans: list[NoteSpan] = []
    for run, piece in _pieces(units, message):
        *whole, last = piece.split("\n")
        for line in whole:
            spans += run.spans(line)
            found.append((first or run).paragraph(spans))
            first, spans = None, []
        if last:
            first = first or run
            spans += run.spans(last)
    if spans and first is not None:
        found.append(first.paragraph(spans))
    return tuple(found)


def _pieces(units: bytes, message: ProtoMessage) -> Iterator[tuple[_Run, str]]:
    """The text cut at the ends of runs. A run that leads beyond the text ends with it; text after the last is plain."""
    at = 0
    for count, each in enumerate(message.messages(5)):
        if at >= len(units) or count >= _MOST_RUNS:
            break
        length = each.integer(1) or 0
        if not length:
            continue
        end = min(len(units), at + 2 * length)
        yield _Run(each), units[at:end].decode("utf-16-le", "replace")
        at = end
    if at < len(units):
        yield _Run(None), units[at:].decode("utf-16-le", "replace")
