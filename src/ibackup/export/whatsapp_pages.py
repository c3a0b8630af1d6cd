"""What the pages, tables and texts of a WhatsApp chat say of each message."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from ibackup.base.confined import Parts
from ibackup.contents.app_times import rfc3339
from ibackup.contents.whatsapp.whatsapp_message import WhatsAppChat, WhatsAppMessage
from ibackup.export.counting import counted
from ibackup.export.export_context import Export
from ibackup.export.formats.csv_rows import CsvCell
from ibackup.export.message_html import (
    ShownFile,
    ShownMessage,
    ShownPiece,
    ShownReply,
    calm,
    how_shown,
    message_html,
)
from ibackup.export.pages import escaped_already, page
from ibackup.export.tables import shown_time
from ibackup.export.web_links import safe_link
from ibackup.export.whatsapp_files import WhatsAppFiles

CSV_HEADS: Final = ("Time", "Sender", "Text", "File", "Kind", "Reactions", "Starred", "Id")
NO_FILE: Final = "not in this backup"
EVENTS: Final = frozenset(("group event", "system", "call"))
"""Kinds of messages that nobody wrote."""
_SAID: Final = {
    "deleted": "This message was deleted",
    "view once": "A photo or video that could be opened once",
    "poll vote": "A vote in a poll",
    "call": "A call",
    "contact": "A contact",
    "system": "A message of WhatsApp itself",
}
_SNIPPET: Final = 80


def said_text(message: WhatsAppMessage) -> str:
    """What a message says in words, whatever kind it is."""
    if message.kind == "group event":
        return message.text or f"Something about the group changed (event {message.event})"
    if message.kind == "location" and message.place is not None:
        where = f"{message.place[0]:.5f}, {message.place[1]:.5f}"
        return f"{message.text} ({where})" if message.text else where
    if message.kind == "poll":
        return f"Poll: {message.text}" if message.text else "A poll"
    if message.kind.startswith("type "):
        return f"{message.text} ({message.kind})".strip()
    return message.text or _SAID.get(message.kind, "")


def is_quiet(message: WhatsAppMessage) -> bool:
    """Whether ``said_text`` only names what is there, since it has no words of its own."""
    return message.kind in _SAID and not message.text


def chat_record(message: WhatsAppMessage, files: WhatsAppFiles) -> Mapping[str, object]:
    """A message as JSON has it."""
    attachments = []
    if message.file or message.missing:
        attachments.append(
            {
                "name": message.file_name or message.file.rpartition("/")[2] or message.kind,
                "type": message.mime or None,
                "file": files.address(message) or None,
                "missing": NO_FILE if message.missing else None,
                "seconds": message.duration_s or None,
            }
        )
    return {
        "id": message.id,
        "time": rfc3339(message.time),
        "sender": message.sender,
        "address": message.sender_id or None,
        "from_me": message.from_me,
        "kind": message.kind,
        "text": message.text,
        "attachments": attachments,
        "edited": False,
        "reactions": [
            {"emoji": each.emoji, "sender": each.sender or None, "time": rfc3339(each.time)}
            for each in message.reactions
        ],
        "reply_to": message.reply_to or None,
        "starred": message.starred,
        "event": message.event or None,
        "place": {"latitude": message.place[0], "longitude": message.place[1]} if message.place else None,
    }


def chat_row(run: Export, message: WhatsAppMessage, files: WhatsAppFiles) -> list[CsvCell]:
    """A row for the heads ``CSV_HEADS``."""
    return [
        shown_time(run, message.time) if message.time is not None else None,
        message.sender,
        said_text(message),
        files.address(message) or (NO_FILE if message.missing else ""),
        message.kind,
        "; ".join(reactions(message)),
        message.starred,
        message.id,
    ]


def chat_lines(
    run: Export, chat: WhatsAppChat, messages: Iterable[WhatsAppMessage], files: WhatsAppFiles
) -> Iterator[str]:
    """The chat as plain text."""
    yield f"{chat.name}\n\n"
    for message in messages:
        when = shown_time(run, message.time) if message.time is not None else "at an unknown time"
        yield f"{when}  {message.sender}\n"
        lines = [said_text(message)]
        if message.file or message.missing:
            lines.append(f"[{files.address(message) or NO_FILE}]")
        lines += [f"[{each}]" for each in reactions(message)]
        for line in "\n".join(line for line in lines if line).splitlines():
            yield f"    {line}\n"
        yield "\n"


def reactions(message: WhatsAppMessage) -> tuple[str, ...]:
    """The reactions in words: "❤️ Ada"."""
    return tuple(f"{each.emoji} {each.sender}".strip() for each in message.reactions)


class WhatsAppPages:
    """Makes the pages of one chat.

    Args:
        run: the export.
        folder: of the chat.
        chat: it.
        files: its media.
        answered: ids of the messages that others answer.
    """

    def __init__(
        self, run: Export, folder: Parts, chat: WhatsAppChat, files: WhatsAppFiles, answered: set[str]
    ) -> None:
        self._run = run
        self._folder = folder
        self._chat = chat
        self._files = files
        self._answered = answered
        self._seen: dict[str, ShownReply] = {}
        self._day = self._sender = ""
        self._number = 0
        self._page: Parts = self.front

    @property
    def front(self) -> Parts:
        """The page to open."""
        return (*self._folder, "index.html")

    def of_year(self, year: int) -> Parts:
        """The page of a year; 0 for what has no time."""
        return (*self._folder, f"{year or 'undated'}.html")

    def made(
        self,
        messages: Iterator[WhatsAppMessage],
        count: int,
        year: int | None = None,
        years: Iterable[int] = (),
    ) -> Iterator[str]:
        """A page: with all messages, or, if a year is given, with its own and links to the other years."""
        self._page = self.front if year is None else self.of_year(year)
        self._day = self._sender = ""
        links = [
            {
                "text": str(each or "undated"),
                "href": "" if each == year else self._run.folder.link(self._page, self.of_year(each)),
            }
            for each in years
        ]
        return page(
            "conversation.html",
            title=calm(self._chat.name),
            about=calm(", ".join(self._chat.members)),
            year="" if year is None else str(year or "undated"),
            years=links,
            count=counted(count, "messages"),
            former=[],
            front="",
            messages=(escaped_already(message_html(self._shown(each))) for each in messages),
        )

    def years(self, years: Mapping[int, int]) -> Iterator[str]:
        """The page that links the pages of the years."""
        lines = [
            {
                "title": str(year or "undated"),
                "about": counted(count, "messages"),
                "href": self._run.folder.link(self.front, self.of_year(year)),
            }
            for year, count in sorted(years.items())
        ]
        return page("index.html", title=calm(self._chat.name), about="", lines=lines, gaps=[])

    def _shown(self, message: WhatsAppMessage) -> ShownMessage:
        self._number += 1
        anchor = f"m{self._number}"
        local = self._run.local(message.time) if message.time is not None else None
        day = _day(local)
        first = bool(day) and day != self._day
        self._day = day or self._day
        who = "" if message.from_me else calm(message.sender)
        named = self._chat.group and (first or who != self._sender)
        self._sender = who
        if message.id in self._answered:
            snippet = said_text(message).replace("\n", " ")[:_SNIPPET] or "an attachment"
            self._seen[message.id] = ShownReply(
                snippet, f"{self._run.folder.link(self._page, self._page)}#{anchor}"
            )
        reply = None
        if message.reply_to:
            reply = self._seen.get(message.reply_to) or ShownReply("a message that is not here", "")
        event = message.kind in EVENTS
        return ShownMessage(
            anchor,
            day if first else "",
            f"{local:%H:%M}" if local is not None else "",
            local.isoformat(timespec="seconds") if local is not None else "",
            who if named else "",
            message.from_me,
            calm(said_text(message)) or message.kind if event else "",
            "",
            reply,
            () if event else tuple(self._content(message)),
            (),
            "",
            reactions(message),
            (),
            ("starred",) if message.starred else (),
        )

    def _content(self, message: WhatsAppMessage) -> Iterator[ShownPiece | ShownFile]:
        place = self._files.place(message)
        if place is not None:
            yield ShownFile(
                how_shown(place[-1]), self._run.folder.link(self._page, place), message.file_name or place[-1]
            )
        elif message.missing:
            yield ShownFile("missing", "", message.file_name or message.kind, NO_FILE)
        text = said_text(message)
        if text:
            is_link = message.kind == "link" and " " not in text.strip()
            style = "quiet" if is_quiet(message) else ""
            yield ShownPiece(text, style, safe_link(text) if is_link else "")


def _day(local: datetime | None) -> str:
    return f"{local:%A}, {local.day} {local:%B} {local.year}" if local is not None else ""
