"""The documents of Messages: each conversation by its name and people, and each message by all its texts."""

from collections.abc import Iterator
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.message_types import AppContent, Attachment, Conversation, TextMessage
from ibackup.contents.messages.messages_reader import MessageReader
from ibackup.contents.people.names_of_backup import names_of
from ibackup.search.documents import Document

_MOST_PEOPLE: Final = 200


def message_documents(backup: Backup, gaps: Gaps) -> Iterator[Document]:
    """Every conversation and every message. Raises NoRoom, FormatError."""
    reader = MessageReader.of(backup, gaps, lambda own: names_of(backup, own))
    if reader is None:
        return
    with reader:
        for conversation in reader.conversations():
            yield _conversation(conversation)
            for message in reader.messages(conversation):
                yield Document(
                    "messages",
                    message.id,
                    "",
                    message_words(message),
                    who="" if message.event is not None else message.sender.name,
                    place=conversation.title,
                    when=message.time,
                )


def _conversation(conversation: Conversation) -> Document:
    people = (*conversation.participants, *conversation.former)[:_MOST_PEOPLE]
    lines = dict.fromkeys(part for each in people for part in (each.name, each.address))
    place = f"{', '.join(conversation.services)}" if conversation.services else ""
    ident = f"conversation {conversation.id}"
    return Document("messages", ident, conversation.title, "\n".join(lines), place=place)


def message_words(message: TextMessage) -> str:
    """All texts of a message, a line each, by which it is found."""
    return "\n".join(part for part in _texts(message) if part)


def _texts(message: TextMessage) -> Iterator[str]:
    yield message.subject
    yield message.text
    if message.edits:
        yield from (edit.text for edit in message.edits)
    if message.deleted_parts:
        yield from (part.text for part in message.deleted_parts)
    if message.app is not None:
        yield from _in_app(message.app)
    if message.event is not None:
        yield message.event.text
    for each in message.attachments:
        if not each.hidden:
            yield from _with_file(each)


def _in_app(content: AppContent) -> Iterator[str]:
    yield from (content.title, *content.lines, *(option.text for option in content.options), content.link)


def _with_file(attachment: Attachment) -> Iterator[str]:
    yield from (attachment.name, attachment.description, attachment.transcript)
