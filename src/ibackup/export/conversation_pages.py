"""The pages of a conversation, written message by message."""

from collections.abc import Container, Iterator, Mapping
from datetime import date
from typing import Final

from ibackup.base.confined import Parts
from ibackup.contents.messages.message_types import Attachment, Conversation, ConversationKind, TextMessage
from ibackup.export.conversation_files import ConversationFiles
from ibackup.export.counting import counted
from ibackup.export.export_context import Export
from ibackup.export.message_html import (
    ShownFile,
    ShownMessage,
    ShownPiece,
    ShownReply,
    calm,
    how_shown,
    message_html,
)
from ibackup.export.message_records import notes_of, reaction_text, shown_text
from ibackup.export.pages import escaped_already, page
from ibackup.export.web_links import safe_link

_SNIPPET: Final = 80
_NO_DAY: Final = date.min
_HERE: Final = "<!-- messages -->"
_NOT_HERE: Final = ShownReply("a message that is not here", "")


class ConversationPages:
    """Makes the pages of one conversation.

    Args:
        run: the export.
        folder: of the conversation.
        conversation: it.
        files: its attachments.
        answered: has the ids of the messages that others answer.
    """

    def __init__(
        self,
        run: Export,
        folder: Parts,
        conversation: Conversation,
        files: ConversationFiles,
        answered: Container[str],
    ) -> None:
        self._run = run
        self._folder = folder
        self._conversation = conversation
        self._files = files
        self._answered = answered
        self._seen: dict[str, ShownReply] = {}
        self._day = _NO_DAY
        self._sender = ""
        self._page: Parts = self.front

    @property
    def front(self) -> Parts:
        """The page to open."""
        return (*self._folder, "index.html")

    def of_year(self, year: int) -> Parts:
        """The page of a year; 0 for what has no time."""
        return (*self._folder, f"{year or 'undated'}.html")

    def begin(self, year: int | None) -> tuple[str, str]:
        """What comes before and after the messages of a page: of a year, or of all."""
        self._page = self.front if year is None else self.of_year(year)
        self._day, self._sender = _NO_DAY, ""
        whole = "".join(
            page(
                "conversation.html",
                title=calm(self._conversation.title),
                about=self._about(),
                year="" if year is None else str(year or "undated"),
                front="" if year is None else self._link(self.front),
                years=[],
                count="",
                former=[calm(each.name) for each in self._conversation.former],
                messages=[escaped_already(_HERE)],
            )
        )
        before, _, after = whole.partition(_HERE)
        return before, after

    def years(self, years: Mapping[int, int]) -> Iterator[str]:
        """The page that links the pages of the years."""
        lines = [
            {
                "title": str(year or "undated"),
                "about": counted(count, "messages"),
                "href": self._link(self.of_year(year)),
            }
            for year, count in sorted(years.items())
        ]
        title = calm(self._conversation.title)
        return page("index.html", title=title, about=self._about(), lines=lines, gaps=[])

    def _about(self) -> str:
        found = self._conversation
        people = ", ".join(
            each.name if each.name == each.address else f"{each.name} ({each.address})"
            for each in found.participants
        )
        return calm(" · ".join(part for part in (people, ", ".join(found.services), found.filtered) if part))

    def _link(self, place: Parts) -> str:
        return self._run.folder.link(self._page, place)

    # -- one message ----------------------------------------------------------------------------------------

    def message(self, message: TextMessage) -> str:
        """A message as HTML."""
        local = self._run.local(message.time) if message.time is not None else None
        day = time = moment = ""
        if local is not None:
            time, moment = f"{local.hour:02}:{local.minute:02}", local.isoformat(timespec="seconds")
            if local.date() != self._day:
                self._day = local.date()
                day = f"{local:%A}, {local.day} {local:%B} {local.year}"
        anchor = f"m{message.number}"
        if message.id in self._answered:
            snippet = shown_text(message).replace("\n", " ")[:_SNIPPET] or "an attachment"
            self._seen[message.id] = ShownReply(snippet, f"{self._link(self._page)}#{anchor}")
        who = "" if message.from_me else message.sender.name
        named = self._conversation.kind is not ConversationKind.DIRECT and (day or who != self._sender)
        self._sender = who
        event = message.event is not None or message.reaction is not None
        reply, app = message.reply_to, message.app
        shown = ShownMessage(
            anchor,
            day,
            time,
            moment,
            who if named else "",
            message.from_me,
            shown_text(message) if event else "",
            message.subject,
            (self._seen.get(reply.id) or _NOT_HERE) if reply is not None else None,
            () if event else tuple(self._content(message)),
            tuple(app.text.split("\n")) if app is not None else (),
            safe_link(app.link) if app is not None else "",
            tuple(reaction_text(each) for each in message.reactions) if message.reactions else (),
            tuple(each.text for each in message.edits) if message.edits else (),
            tuple(each for each in notes_of(message) if each != "edited" or not message.edits),
        )
        return message_html(shown)

    def _content(self, message: TextMessage) -> Iterator[ShownPiece | ShownFile]:
        """Text and attachments in the order of the message; the latter also if the text has no place for them."""
        if message.all_unsent:
            yield ShownPiece(shown_text(message), "quiet")
        link = message.app.link if message.app is not None else ""
        by_id = {each.id: each for each in message.attachments} if message.attachments else {}
        for piece in message.pieces:
            if piece.attachment:
                placed = by_id.get(piece.attachment)
                if placed is not None and not placed.hidden:
                    yield self._file(message, placed)
            elif not link or piece.text.strip() != link:
                styled = piece.styles or piece.link
                yield (
                    ShownPiece(piece.text, " ".join(piece.styles), safe_link(piece.link))
                    if styled
                    else ShownPiece(piece.text)
                )
        if message.attachments:
            for each in message.loose_attachments:
                yield self._file(message, each)

    def _file(self, message: TextMessage, attachment: Attachment) -> ShownFile:
        name = attachment.name or "Attachment"
        place = self._files.place(message, attachment)
        if place is None:
            return ShownFile("missing", "", name, attachment.absent)
        about = attachment.transcript or attachment.description
        shown = self._files.picture(message, attachment) or place
        return ShownFile(how_shown(shown[-1]), self._link(shown), name, about)
