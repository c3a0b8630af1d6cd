"""The conversations of Messages as pages show them."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Self

from ibackup.apple.backup import Backup
from ibackup.apple.rows import Kind
from ibackup.base.how_far import HowFar, part_of, untold
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.message_types import (
    Attachment,
    Conversation,
    ConversationKind,
    Reaction,
    TextMessage,
)
from ibackup.contents.messages.messages_reader import MessageReader
from ibackup.contents.people.names_of_backup import names_of
from ibackup.export.message_html import ShownPiece
from ibackup.export.message_records import notes_of, shown_text
from ibackup.export.web_links import safe_link
from ibackup.search.message_source import message_words
from ibackup.view.conversations.bubbles import (
    MOST_FILES,
    NOT_HERE,
    Answered,
    Bubble,
    BubbleFile,
    BubbleReaction,
    EarlierText,
    Left,
    PieceBudget,
    answered,
    id_of,
)
from ibackup.view.conversations.read_talks import ReadTalks
from ibackup.view.conversations.shown_conversations import (
    ShownConversation,
    TalkFile,
    how_on_a_page,
    place_number,
    slug_of,
)

_BUNDLE: Final = "it is a folder of several files; it comes with what you take out"
_FILING: Final = 0.85
"""Of the time; the rest goes into reading the ids."""
_MOST_EDITS: Final = 50
_MOST_REACTIONS: Final = 200
_DID: Final = {
    "love": "loved",
    "like": "liked",
    "dislike": "disliked",
    "laugh": "laughed at",
    "emphasis": "emphasized",
    "question": "questioned",
}


class MessageTalks(ReadTalks[Conversation]):
    """The conversations of Messages.

    Args:
        reader: it; closed with this.
        gaps: what it could not read.
        made: when the backup was made.
    """

    def __init__(self, reader: MessageReader, gaps: Gaps, made: datetime | None) -> None:
        self._reader = reader
        whole = {each.id: each for each in reader.conversations()}
        super().__init__(reader, gaps, whole, map(_shown, whole.values()), made)

    @classmethod
    def of(cls, backup: Backup, made: datetime | None, how_far: HowFar = untold) -> Self | None:
        """Those of a backup; None if it has none. Raises NoRoom, FormatError.

        Args:
            backup: unlocked.
            made: when it was made.
            how_far: is told how much is read.
        """
        gaps = Gaps()
        told = part_of(how_far, 0, _FILING)
        reader = MessageReader.of(backup, gaps, lambda own: names_of(backup, own), how_far=told)
        if reader is None:
            return None
        reader.row_of("")  # reads all ids now, so that no later page waits for them
        return cls(reader, gaps, made)

    def conversation_of(self, row: int) -> ShownConversation | None:
        """See ``Talks``."""
        found = self._reader.conversation_of(row)
        return self.by_slug(slug_of(found.id)) if found is not None else None

    def bubbles(self, conversation: ShownConversation, rows: Iterable[int]) -> Iterator[Bubble]:
        """See ``Talks``."""
        whole = self.whole[conversation.id]
        for message in self._reader.built(whole, rows, MOST_FILES):
            yield self._bubble(whole, message)

    def all_words(self, conversation: ShownConversation, row: int) -> str:
        """See ``Talks``."""
        found = self._reader.built(self.whole[conversation.id], [row], MOST_FILES)
        return "\n".join(map(message_words, found))

    def said(self, conversation: ShownConversation, row: int) -> str:
        """See ``Talks``."""
        found = self._reader.built(self.whole[conversation.id], [row], 0)
        return "\n".join(map(shown_text, found))

    def file(self, place: str) -> TalkFile | None:
        """See ``Talks``."""
        number = place_number(place)
        found = self._reader.attachment(number) if number is not None else None
        if found is None or found.entry is None or found.entry.kind is not Kind.FILE:
            return None
        return TalkFile(found.entry, found.name or "Attachment")

    # -- one message ------------------------------------------------------------------------------------------

    def _bubble(self, conversation: Conversation, message: TextMessage) -> Bubble:
        event = message.event is not None or message.reaction is not None
        budget = PieceBudget()
        content = () if event else tuple(_content(message, budget))
        app = message.app
        return Bubble(
            id=id_of(message.id, message.number),
            number=message.number,
            time=message.time,
            sender=message.sender.name,
            mine=message.from_me,
            event=shown_text(message) if event else "",
            subject=message.subject,
            answered=self._answered(conversation, message),
            content=content,
            characters=budget.left_out,
            more_files=max(0, self._reader.count_files(message.number) - MOST_FILES),
            card=tuple(app.text.split("\n")) if app is not None else (),
            card_link=safe_link(app.link) if app is not None else "",
            reactions=tuple(map(_reaction, message.reactions[:_MOST_REACTIONS])),
            edits=tuple(EarlierText(each.text, each.time) for each in message.edits[:_MOST_EDITS]),
            notes=tuple(each for each in notes_of(message) if each != "edited" or not message.edits),
            service=message.service,
            delivered=message.delivered,
            read=message.read,
            left=self.gone.left(message.number) if self.gone is not None else Left.ALL,
        )

    def _answered(self, conversation: Conversation, message: TextMessage) -> Answered | None:
        if message.reply_to is None:
            return None
        row = self._reader.row_of(message.reply_to.id)
        found = next(self._reader.built(conversation, [row], 1), None) if row is not None else None
        if found is None:
            return NOT_HERE
        return answered(found.sender.name, shown_text(found), found.id, found.number)


def _shown(each: Conversation) -> ShownConversation:
    return ShownConversation(
        slug_of(each.id),
        each.id,
        each.title,
        each.kind is not ConversationKind.DIRECT,
        tuple((who.name, who.address) for who in each.participants),
        tuple(who.name for who in each.former),
        each.services,
        each.filtered,
        each.archived,
        each.messages,
        each.first,
        each.last,
    )


def _content(message: TextMessage, budget: PieceBudget) -> Iterator[ShownPiece | BubbleFile]:
    """Text and files in the order of the message, then the files that have no place in the text."""
    if message.all_unsent:
        yield ShownPiece(shown_text(message), "quiet")
    link = message.app.link if message.app is not None else ""
    by_id = {each.id: each for each in message.attachments}
    for piece in message.pieces:
        if piece.attachment:
            placed = by_id.get(piece.attachment)
            if placed is not None and not placed.hidden:
                yield _file(placed)
        elif not link or piece.text.strip() != link:
            kept = budget.cut(ShownPiece(piece.text, " ".join(piece.styles), safe_link(piece.link)))
            if kept is not None:
                yield kept
    for each in message.loose_attachments:
        yield _file(each)


def _file(attachment: Attachment) -> BubbleFile:
    name = attachment.name or "Attachment"
    about = attachment.transcript or attachment.description
    entry = attachment.entry
    if entry is None or entry.kind is not Kind.FILE:
        return BubbleFile("missing", name, about=attachment.absent or _BUNDLE, size=attachment.size)
    how = how_on_a_page(name, attachment.mime)
    return BubbleFile(how, name, str(attachment.number), about, attachment.size, attachment.sticker)


def _reaction(reaction: Reaction) -> BubbleReaction:
    who = "You" if reaction.from_me else reaction.sender.name
    did = f"reacted with {reaction.emoji}" if reaction.emoji else "put a sticker on this"
    if reaction.kind in _DID:
        did = f"{_DID[reaction.kind]} this"
    file = _file(reaction.sticker) if reaction.sticker is not None else None
    return BubbleReaction(reaction.emoji, f"{who} {did}", file)
