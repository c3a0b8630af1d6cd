"""The bodies of notes and the tables in them, as Notes stores them: protocol buffers, compressed."""

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ibackup.simulator.life.made_protobuf import block, number

TITLE, HEADING, SUBHEADING, MONOSPACED = 0, 1, 2, 4
DOTTED, DASHED, NUMBERED, CHECKBOX = 100, 101, 102, 103
BOLD, ITALIC = 1, 2
ATTACHED = "\ufffc"
"""Stands in the text where an attachment is shown."""


@dataclass(frozen=True, kw_only=True)
class MadeRun:
    """A piece of a note's text with one style.

    Attributes:
        text: the piece; it ends its paragraph with a newline.
        style: one of the paragraph styles; None for body text.
        indent: levels.
        checked: whether a checkbox is ticked; None if there is none.
        quote: whether it is a block quote.
        weight: BOLD, ITALIC or both.
        underlined: also for `struck`.
        raised: 1 superscript, -1 subscript.
        link: where it leads.
        attachment: identifier and type of the attachment that is here.
    """

    text: str
    style: int | None = None
    indent: int = 0
    checked: bool | None = None
    quote: bool = False
    weight: int = 0
    underlined: bool = False
    struck: bool = False
    raised: int = 0
    link: str = ""
    attachment: tuple[str, str] | None = None


def note(runs: Sequence[MadeRun]) -> bytes:
    """ZICNOTEDATA.ZDATA of a note."""
    return packed(block(2, number(2, 1), block(3, *_text_fields(runs))))


def packed(message: bytes) -> bytes:
    """Compressed, the same every time."""
    return gzip.compress(message, mtime=0)


def table(rows: Sequence[Sequence[str]], *, right_to_left: bool = False) -> bytes:
    """ZMERGEABLEDATA1 of a table. Its rows and columns have been moved, so that their order is not that of storage."""
    return packed(_Table(rows, right_to_left=right_to_left).message())


def gallery(identifiers: Sequence[str]) -> bytes:
    """ZMERGEABLEDATA1 of a gallery or a scan: objects that name the attachments that are its pages."""
    pages = [
        block(13, number(1, 0), block(3, number(1, 0), block(2, block(4, each)))) for each in identifiers
    ]
    return packed(block(2, number(2, 1), block(3, *(block(3, page) for page in pages))))


def _text_fields(runs: Sequence[MadeRun]) -> list[bytes]:
    return [block(2, "".join(run.text for run in runs)), *(block(5, _run(run)) for run in runs)]


def _run(run: MadeRun) -> bytes:
    fields = [number(1, len(run.text.encode("utf-16-le")) // 2)]
    paragraph = [] if run.style is None else [number(1, run.style)]
    if run.indent:
        paragraph.append(number(4, run.indent))
    if run.checked is not None:
        mark = hashlib.md5(run.text.encode(), usedforsecurity=False).digest()
        paragraph.append(block(5, block(1, mark), number(2, int(run.checked))))
    if run.quote:
        paragraph.append(number(8, 1))
    if paragraph:
        fields.append(block(2, *paragraph))
    for field, value in ((5, run.weight), (6, int(run.underlined)), (7, int(run.struck)), (8, run.raised)):
        if value:
            fields.append(number(field, value))
    if run.link:
        fields.append(block(9, run.link))
    if run.attachment:
        identifier, uti = run.attachment
        fields.append(block(12, block(1, identifier), block(2, uti)))
    return b"".join(fields)


class _Objects:
    """The objects of a mergeable document; they name each other by their place."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []

    def add(self, entry: bytes) -> int:
        """Store one and return its place."""
        self.entries.append(entry)
        return len(self.entries) - 1

    @staticmethod
    def reference(place: int) -> bytes:
        """What names an object."""
        return number(6, place)

    @staticmethod
    def texts(text: str) -> bytes:
        """An object that is a text."""
        return block(10, *_text_fields([MadeRun(text=text)]))


class _Table(_Objects):
    _KEYS = ("crRows", "crColumns", "cellColumns", "crTableColumnDirection", "self", "UUIDIndex")
    _TYPES = ("com.apple.notes.ICTable", "com.apple.CRDT.NSUUID", "com.apple.CRDT.NSString")

    def __init__(self, rows: Sequence[Sequence[str]], *, right_to_left: bool) -> None:
        super().__init__()
        self._uuids: list[bytes] = []
        width = max(map(len, rows), default=0)
        root = self.add(b"")  # the table itself comes first, its parts after it
        row_marks = [self._uuid(f"row {place} {rows!r}") for place in range(len(rows))]
        column_marks = [self._uuid(f"column {place} {rows!r}") for place in range(width)]
        cells = self._cells(rows, row_marks, column_marks)
        direction = (
            "CRTableColumnDirectionRightToLeft" if right_to_left else "CRTableColumnDirectionLeftToRight"
        )
        parts = {
            0: self.add(self._ordered(row_marks)),
            1: self.add(self._ordered(column_marks)),
            2: cells,
            3: self.add(self._map(2, {4: block(4, direction)})),
        }
        self.entries[root] = self._map(0, {key: self.reference(place) for key, place in parts.items()})

    def message(self) -> bytes:
        """The whole document."""
        contents = [block(3, entry) for entry in self.entries]
        contents += [block(4, key) for key in self._KEYS]
        contents += [block(5, each) for each in self._TYPES]
        contents += [block(6, each) for each in self._uuids]
        return block(2, number(2, 1), block(3, *contents))

    def _cells(self, rows: Sequence[Sequence[str]], row_marks: list[int], column_marks: list[int]) -> int:
        columns = []
        for across, column in enumerate(column_marks):
            elements = []
            for down, row in enumerate(rows):
                if across < len(row) and row[across]:
                    text = self.add(self.texts(row[across]))
                    elements.append(self._element(self._mark(row_marks[down]), text))
            columns.append(self._element(self._mark(column), self.add(block(6, *elements))))
        return self.add(block(6, *columns))

    def _ordered(self, marks: list[int]) -> bytes:
        """An ordered set: the visible order is one of other UUIDs, from which a dictionary leads to the real ones."""
        shown = [self._uuid(f"shown {mark} {len(self._uuids)}") for mark in marks]
        attachments = (block(2, number(1, at), block(2, self._uuids[mark])) for at, mark in enumerate(shown))
        array = block(1, block(1, *_text_fields([MadeRun(text=ATTACHED * len(marks))])), *attachments)
        contents = [
            self._element(self._mark(seen), self._mark(mark)) for seen, mark in zip(shown, marks, strict=True)
        ]
        contents.reverse()
        elements = [self._element(self._mark(mark), self._mark(mark)) for mark in reversed(marks)]
        return block(16, block(1, array, block(2, *contents)), block(2, *elements))

    def _uuid(self, seed: str) -> int:
        self._uuids.append(hashlib.md5(seed.encode(), usedforsecurity=False).digest())
        return len(self._uuids) - 1

    def _mark(self, uuid: int) -> int:
        """An object that stands for a UUID."""
        return self.add(self._map(1, {5: number(2, uuid)}))

    def _map(self, kind: int, values: dict[int, bytes]) -> bytes:
        return block(
            13, number(1, kind), *(block(3, number(1, key), block(2, value)) for key, value in values.items())
        )

    def _element(self, key: int, value: int) -> bytes:
        return block(1, block(1, self.reference(key)), block(2, self.reference(value)))
