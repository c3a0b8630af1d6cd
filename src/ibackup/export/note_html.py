"""A note as HTML. Every text is escaped; only the tags written here are markup."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from ibackup.contents.notes.note_text import ATTACHED, NoteParagraph, NoteSpan
from ibackup.export.note_parts import (
    FILMS,
    PICTURES,
    SOUNDS,
    Attachments,
    Block,
    ShownAttachment,
    blocks,
    ending,
)
from ibackup.export.web_links import safe_link

_LEVELS = {"title": 0, "heading": 1, "subheading": 2}
_MOST_LEVELS = 8


def note_html(
    paragraphs: Sequence[NoteParagraph], attachments: Attachments, *, top: int = 1
) -> Iterable[Markup]:
    """The body of a page, block by block.

    Args:
        paragraphs: the note.
        attachments: with the addresses of their files.
        top: the level of its largest heading.
    """
    for block in blocks(paragraphs):
        yield _block(block, attachments, top) + Markup("\n")


def _block(block: Block, attachments: Attachments, top: int) -> Markup:
    if block.kind == "list":
        return _list(block.paragraphs, attachments)
    if block.kind == "monospaced":
        lines = (
            Markup("").join(_span(each, attachments) for each in line.spans) for line in block.paragraphs
        )
        return Markup("<pre>{}</pre>").format(Markup("\n").join(lines))
    if block.kind == "quote":
        inner = Markup("").join(_paragraph("p", each, attachments) for each in block.paragraphs)
        return Markup("<blockquote>{}</blockquote>").format(inner)
    tag = f"h{top + _LEVELS[block.kind]}" if block.kind in _LEVELS else "p"
    return Markup("\n").join(_paragraph(tag, each, attachments) for each in block.paragraphs)


def _paragraph(tag: str, paragraph: NoteParagraph, attachments: Attachments) -> Markup:
    """A paragraph. What needs a block of its own, such as a table, ends it and begins another."""
    pieces: list[Markup] = []
    line: list[Markup] = []

    def end_line() -> None:
        if line:
            pieces.append(Markup("<{0}>{1}</{0}>").format(Markup(tag), Markup("").join(line)))  # noqa: S704 - our own tags
            line.clear()

    for span in paragraph.spans:
        shown = attachments.get(span.attachment) if span.attachment else None
        if shown is not None and not shown.attachment.inline:
            end_line()
            pieces.append(_attachment(shown, attachments))
        else:
            line.append(_span(span, attachments))
    end_line()
    return Markup("\n").join(pieces) if pieces else Markup("<br>")


def _span(span: NoteSpan, attachments: Attachments) -> Markup:
    if span.attachment:
        shown = attachments.get(span.attachment)
        if shown is not None:
            inline = shown.attachment.inline
            return escape(shown.attachment.shown) if inline else _attachment(shown, attachments)
        return Markup("<span class=warn>{}</span>").format("[something that is not in this backup]")
    text = escape(span.text.replace(ATTACHED, ""))
    for wanted, tag in (
        (span.bold, "b"),
        (span.italic, "i"),
        (span.underlined, "u"),
        (span.struck, "s"),
        (span.raised > 0, "sup"),
        (span.raised < 0, "sub"),
    ):
        if wanted:
            text = Markup("<{0}>{1}</{0}>").format(Markup(tag), text)  # noqa: S704 - our own tags
    link = safe_link(span.link)
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(link, text) if link else text


def _list(items: Sequence[NoteParagraph], attachments: Attachments) -> Markup:
    """A list; deeper items are lists in the item before them."""
    out: list[Markup] = []
    open_tags: list[str] = []
    for item in items:
        tag = "ol" if item.style == "number" else "ul"
        level = min(item.indent, _MOST_LEVELS) + 1
        while len(open_tags) > level:
            out.append(Markup("</li></{}>").format(Markup(open_tags.pop())))  # noqa: S704 - our own tags
        if len(open_tags) == level and open_tags[-1] == tag:
            out.append(Markup("</li>"))
        elif len(open_tags) == level:
            out.append(Markup("</li></{}>").format(Markup(open_tags.pop())))  # noqa: S704 - our own tags
        while len(open_tags) < level:
            open_tags.append(tag)
            out.append(Markup("<{}>").format(Markup(tag)))  # noqa: S704 - our own tags
            if len(open_tags) < level:
                out.append(Markup("<li>"))
        box = ""
        if item.style == "checkbox":
            box = "☑ " if item.checked else "☐ "
        inner = Markup("").join(_span(each, attachments) for each in item.spans)
        out.append(Markup("<li>{}{}").format(box, inner))
    while open_tags:
        out.append(Markup("</li></{}>").format(Markup(open_tags.pop())))  # noqa: S704 - our own tags
    return Markup("").join(out)


def _attachment(shown: ShownAttachment, attachments: Attachments) -> Markup:
    each = shown.attachment
    if each.rows:
        return _table(each.rows)
    if each.pages:
        pages = (attachments.get(page) for page in each.pages)
        inner = Markup("\n").join(_attachment(page, {}) for page in pages if page is not None)
        return Markup("<figure><figcaption>{}</figcaption>\n{}</figure>").format(shown.name, inner)
    if shown.href:
        return _file(shown.href, each.file_name, shown.name)
    if shown.preview:
        return _file(shown.preview, shown.preview, shown.name)
    link = safe_link(each.url)
    if link:
        return Markup('<p><a href="{}" rel="noreferrer">{}</a></p>').format(link, each.title or link)
    if each.unreadable:
        return Markup("<p class=warn>A table that cannot be read: {}</p>").format(
            each.title or "no text is known"
        )
    return Markup("<p class=warn>Not in this backup: {}</p>").format(shown.name)


def _file(href: str, file_name: str, name: str) -> Markup:
    kind = ending(file_name)
    if kind in PICTURES:
        return Markup('<p><img src="{}" alt="{}" loading="lazy"></p>').format(href, name)
    if kind in FILMS:
        return Markup('<p><video src="{}" controls preload="none"></video></p>').format(href)
    if kind in SOUNDS:
        return Markup('<p><audio src="{}" controls preload="none"></audio></p>').format(href)
    return Markup('<p><a href="{}">{}</a></p>').format(href, name)


def _table(rows: Sequence[Sequence[str]]) -> Markup:
    lines = (
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row))
        for row in rows
    )
    return Markup("<table>{}</table>").format(Markup("\n").join(lines))
