"""What the fuzzers try of notes: their text, their tables, and the pages made of both."""

import gzip
from html.parser import HTMLParser

from ibackup.contents.decoding.protobuf import ProtoMessage
from ibackup.contents.notes.mail_notes import html_paragraphs
from ibackup.contents.notes.note_tables import table_of
from ibackup.contents.notes.note_text import read_text
from ibackup.contents.notes.written_note import NoteAttachment
from ibackup.export.note_html import note_html
from ibackup.export.note_markdown import note_markdown
from ibackup.export.note_parts import ShownAttachment
from ibackup.simulator.life.note_bodies import CHECKBOX, NUMBERED, MadeRun, note, table

TEXT_WORDS = (
    b"\x08\x64",
    b"\x12\x02\x08\x00",
    b"\xef\xbf\xbc",
    b"javascript:",
    b"<script>",
    b"](x)",
    b"`" * 4,
    b"\n",
)
TABLE_WORDS = (
    b"\x12\x02\x30\x00",
    b"\x6a\x04\x08\x00",
    b"crRows",
    b"cellColumns",
    b"com.apple.notes.ICTable",
    b"\x30\xff\x7f",
)


class _Nesting(HTMLParser):
    """A page whose tags are nested, and are ours."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "style", "iframe", "svg", "object"}
        assert not any(name.startswith("on") for name, _ in attrs)
        assert not str(dict(attrs).get("href") or "").lower().startswith(("javascript", "data", "file"))
        if tag not in {"img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text(data: bytes) -> None:
    """Paragraphs whose pages are well-formed, whatever they say; as HTML of a mail, too."""
    for paragraphs in (read_text(ProtoMessage(data)), html_paragraphs(data.decode("utf-8", "replace"))):
        ids = {span.attachment for paragraph in paragraphs for span in paragraph.spans if span.attachment}
        attachments = {
            each: ShownAttachment(
                NoteAttachment(each, "public.url", title=each, url=each, shown=each), "", ""
            )
            for each in sorted(ids)[:5]
        }
        _Nesting("".join(note_html(paragraphs, attachments)))
        "".join(note_markdown(paragraphs, attachments)).encode("utf-8", "surrogatepass")


def text_seeds() -> list[bytes]:
    runs = (
        MadeRun(text="List 🍏\n", style=0),
        MadeRun(text="one\n", style=NUMBERED, indent=2),
        MadeRun(text="two\n", style=CHECKBOX, checked=True),
        MadeRun(text="\ufffc", attachment=("A", "public.png")),
        MadeRun(text="<b>", weight=3, struck=True, link="https://a.example"),
    )
    document = ProtoMessage(gzip.decompress(note(runs))).message(2)
    inner = document.data(3) if document is not None else None
    return [inner or b"", b"<div>a<b>b</div><a href=x>c", b"<ul><li>x<br></ul>"]


def rows(data: bytes) -> None:
    """A table with rows of one length."""
    found = table_of(data)
    assert len({len(row) for row in found}) <= 1
    "".join(cell for row in found for cell in row).encode("utf-8", "surrogatepass")


def row_seeds() -> list[bytes]:
    return [gzip.decompress(table((("a", "b"), ("c", "")))), gzip.decompress(table(()))]
