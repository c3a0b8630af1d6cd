"""A note as Markdown. Characters that mean something in Markdown are escaped, and HTML in a text stays text."""

import re
from collections.abc import Iterable, Sequence

from ibackup.contents.notes.note_text import ATTACHED, NoteParagraph, NoteSpan
from ibackup.export.note_parts import PICTURES, Attachments, ShownAttachment, blocks, ending
from ibackup.export.web_links import safe_link

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>&|~])")
_BEGINS = re.compile(r"^(\s*)([#+>-]|\d+[.)]|=+$)")
_HEADS = {"title": "# ", "heading": "## ", "subheading": "### "}
_ITEMS = {"bullet": "- ", "dash": "- ", "number": "1. "}


def note_markdown(paragraphs: Sequence[NoteParagraph], attachments: Attachments) -> Iterable[str]:
    """The text, block by block."""
    for block in blocks(paragraphs):
        if block.kind == "monospaced":
            lines = [paragraph.text.replace(ATTACHED, "") for paragraph in block.paragraphs]
            fence = "`" * max(
                3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
            )
            yield "\n".join((fence, *lines, fence)) + "\n\n"
        elif block.kind == "list":
            yield "\n".join(_item(each, attachments) for each in block.paragraphs) + "\n\n"
        elif block.kind == "quote":
            yield "\n>\n".join(f"> {_line(each, attachments)}" for each in block.paragraphs) + "\n\n"
        else:
            for each in block.paragraphs:
                line = _line(each, attachments)
                yield (f"{_HEADS.get(block.kind, '')}{line}\n\n") if line.strip() else ""


def _item(item: NoteParagraph, attachments: Attachments) -> str:
    mark = _ITEMS.get(item.style) or ("- [x] " if item.checked else "- [ ] ")
    return "    " * item.indent + mark + _line(item, attachments, plain_start=False)


def _line(paragraph: NoteParagraph, attachments: Attachments, *, plain_start: bool = True) -> str:
    text = "".join(_span(span, attachments) for span in paragraph.spans)
    return _BEGINS.sub(r"\1\\\2", text) if plain_start and not paragraph.style else text


def _span(span: NoteSpan, attachments: Attachments) -> str:
    if span.attachment:
        shown = attachments.get(span.attachment)
        if shown is None:
            return "*[something that is not in this backup]*"
        return escaped(shown.attachment.shown) if shown.attachment.inline else _attachment(shown, attachments)
    text = span.text.replace(ATTACHED, "")
    core = text.strip()
    if not core:
        return text
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    marked = escaped(core)
    for wanted, left, right in (
        (span.bold, "**", "**"),
        (span.italic, "*", "*"),
        (span.struck, "~~", "~~"),
        (span.underlined, "<u>", "</u>"),
        (span.raised > 0, "<sup>", "</sup>"),
        (span.raised < 0, "<sub>", "</sub>"),
    ):
        if wanted:
            marked = f"{left}{marked}{right}"
    link = safe_link(span.link)
    return f"{before}[{marked}](<{_address(link)}>){after}" if link else f"{before}{marked}{after}"


def _attachment(shown: ShownAttachment, attachments: Attachments) -> str:
    each = shown.attachment
    if each.rows:
        return f"\n\n{_table(each.rows)}\n\n"
    if each.pages:
        pages = (attachments.get(page) for page in each.pages)
        return "".join(_attachment(page, {}) for page in pages if page is not None)
    href = shown.href or shown.preview
    if href:
        mark = "!" if ending(each.file_name if shown.href else shown.preview) in PICTURES else ""
        return f"\n\n{mark}[{escaped(shown.name)}](<{_address(href)}>)\n\n"
    link = safe_link(each.url)
    if link:
        return f"[{escaped(each.title or link)}](<{_address(link)}>)"
    if each.unreadable:
        return f"*[a table that cannot be read: {escaped(each.title or 'no text is known')}]*"
    return f"*[not in this backup: {escaped(shown.name)}]*"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(escaped(cell).replace("\n", "<br>") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def escaped(text: str) -> str:
    """A text in which nothing means anything in Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", text)


def _address(address: str) -> str:
    """An address inside angle brackets."""
    return address.replace("<", "%3C").replace(">", "%3E").replace("\n", "%0A").replace("\r", "%0D")
