"""A message on a page. Every text goes through ``escape``: what it says, and what it is called, comes from strangers.

Put together here, not by a template, since an export has millions of them.
"""

import re
from html import escape
from typing import Final, NamedTuple

_STYLES: Final = frozenset({"bold", "italic", "underline", "strikethrough", "quiet"})
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_REL: Final = 'rel="noreferrer noopener"'
_HOW: Final = {
    **dict.fromkeys(("jpg", "jpeg", "png", "gif", "webp", "avif", "bmp"), "picture"),
    **dict.fromkeys(("mp4", "mov", "m4v", "webm"), "film"),
    **dict.fromkeys(("m4a", "mp3", "wav", "aac", "ogg", "opus"), "sound"),
}


class ShownPiece(NamedTuple):
    """A piece of text with its styles, and where it leads: an address from ``safe_link``, or ""."""

    text: str
    style: str = ""
    link: str = ""


class ShownFile(NamedTuple):
    """An attachment; ``how`` is "picture", "film", "sound", "file" or "missing"."""

    how: str
    address: str
    name: str
    about: str = ""


class ShownReply(NamedTuple):
    """What a message answers, and where that is."""

    text: str
    address: str


class ShownMessage(NamedTuple):
    """A message as the page shows it.

    Attributes:
        anchor: its id on the page.
        day: set on the first one of a day.
        time: of the day.
        moment: with date and zone, for programs.
        sender: set where it changes, if the page names senders.
        mine: whether the owner sent it.
        event: what happened, in place of everything else.
        subject: line above the text.
        reply: what it answers.
        content: text and attachments, in their order.
        card: what an app shows, line by line.
        card_link: where the last of these lines leads: an address from ``safe_link``, or "".
        reactions: each in words.
        edits: earlier texts.
        notes: what else to know.
    """

    anchor: str
    day: str
    time: str
    moment: str
    sender: str
    mine: bool
    event: str
    subject: str
    reply: ShownReply | None
    content: tuple[ShownPiece | ShownFile, ...]
    card: tuple[str, ...]
    card_link: str
    reactions: tuple[str, ...]
    edits: tuple[str, ...]
    notes: tuple[str, ...]


def how_shown(name: str) -> str:
    """How a page shows a file, by its ending."""
    return _HOW.get(name.rpartition(".")[2].lower(), "file")


def message_html(shown: ShownMessage) -> str:
    """A message as HTML."""
    head = f'<h2 class="day">{escape(shown.day)}</h2>\n' if shown.day else ""
    time = f'<time datetime="{escape(shown.moment)}">{escape(shown.time)}</time>' if shown.time else ""
    anchor = escape(shown.anchor)
    if shown.event:
        return f'{head}<p class="event" id="{anchor}">{_calm_html(shown.event)} {time}</p>\n'
    parts = [head, f'<div class="message{" mine" if shown.mine else ""}" id="{anchor}">\n']
    if shown.sender:
        parts.append(f'<div class="about">{_calm_html(shown.sender)}</div>\n')
    if shown.reply is not None:
        parts.append(_reply(shown.reply))
    if shown.subject or shown.content or shown.card:
        parts.append('<div class="bubble">')
        if shown.subject:
            parts.append(f"<b>{escape(shown.subject)}</b>\n")
        parts += [_piece(each) if isinstance(each, ShownPiece) else _file(each) for each in shown.content]
        if shown.card:
            parts.append(_card(shown))
        parts.append("</div>\n")
    if shown.reactions:
        parts.append(f'<div class="about">{_calm_html(", ".join(shown.reactions))}</div>\n')
    if shown.edits:
        earlier = "".join(f"<p>{escape(each)}</p>" for each in shown.edits)
        parts.append(f'<details class="about"><summary>Edited</summary>{earlier}</details>\n')
    notes = f" · {_calm_html(' · '.join(shown.notes))}" if shown.notes else ""
    parts.append(f'<div class="about">{time}{notes}</div>\n</div>\n')
    return "".join(parts)


def _reply(reply: ShownReply) -> str:
    text = _calm_html(reply.text)
    shown = f'<a href="{escape(reply.address)}">{text}</a>' if reply.address else text
    return f'<div class="about">Reply to {shown}</div>\n'


def _piece(piece: ShownPiece) -> str:
    text = escape(piece.text)
    if not piece.style and not piece.link:
        return text
    style = " ".join(each for each in piece.style.split() if each in _STYLES)
    styled = f' class="{style}"' if style else ""
    if piece.link:
        return f'<a href="{escape(piece.link)}" {_REL}{styled}>{text}</a>'
    return f"<span{styled}>{text}</span>" if styled else text


def _file(file: ShownFile) -> str:
    name, address, about = _calm_html(file.name), escape(file.address), escape(file.about)
    more = f' <span class="quiet">{about}</span>' if about else ""
    if file.how == "missing":
        return f'<span class="file"><span class="quiet">{name}</span>{more}</span>'
    if file.how == "picture":
        picture = f'<img src="{address}" alt="{about or name}" loading="lazy">'
        return f'<span class="file"><a href="{address}">{picture}</a></span>'
    player = ""
    if file.how == "film":
        player = f'<video src="{address}" controls preload="none"></video> '
    elif file.how == "sound":
        player = f'<audio src="{address}" controls preload="none"></audio> '
    return f'<span class="file">{player}<a href="{address}">{name}</a>{more}</span>'


def _card(shown: ShownMessage) -> str:
    first, *rest = shown.card
    lines = [f"<b>{_calm_html(first)}</b>", *(_calm_html(each) for each in rest)]
    if shown.card_link:
        lines[-1] = f'<a href="{escape(shown.card_link)}" {_REL}>{lines[-1]}</a>'
    joined = "\n".join(lines)
    return f'<span class="card">{joined}</span>'


def _calm_html(text: str) -> str:
    """A name or a sentence with names, to be put on a page."""
    return escape(calm(text))


def calm(text: str) -> str:
    """The same without marks that turn the direction of everything after them."""
    return text if text.isascii() else _TURNING.sub("", text)
