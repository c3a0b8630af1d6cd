"""Messages as records: an object of JSON for programs, a row of CSV for spreadsheets, and plain text."""

from collections.abc import Iterator, Mapping
from typing import Final

from ibackup.contents.app_times import rfc3339
from ibackup.contents.messages.message_types import (
    Attachment,
    Participant,
    Reaction,
    TextMessage,
)
from ibackup.export.conversation_files import ConversationFiles
from ibackup.export.export_context import Export
from ibackup.export.formats.csv_rows import CsvCell
from ibackup.export.tables import shown_time

CSV_HEADS: Final = (
    *("Time", "Sender", "Address", "Text", "Subject", "Attachments", "Reactions", "Edited", "Earlier texts"),
    *("Notes", "Service", "Read", "Id"),
)


def message_record(message: TextMessage, files: ConversationFiles) -> Mapping[str, object]:
    """A message with everything that is known of it; what does not apply is null, false or an empty list."""
    reply, app, event = message.reply_to, message.app, message.event
    return {
        "id": message.id,
        "time": rfc3339(message.time),
        "sender": message.sender.name,
        "address": message.sender.address or None,
        "from_me": message.from_me,
        "own_address": message.own_address or None,
        "service": message.service or None,
        "text": message.text,
        "subject": message.subject or None,
        "attachments": [_attachment(message, each, files) for each in message.attachments if not each.hidden],
        "edited": message.edited,
        "edits": [
            {"part": each.part, "time": rfc3339(each.time), "text": each.text} for each in message.edits
        ],
        "unsent_parts": list(message.unsent),
        "unsent": message.all_unsent,
        "reactions": [_reaction(message, each, files) for each in message.reactions],
        "reaction": _reaction(message, message.reaction, files) if message.reaction is not None else None,
        "reply_to": {"id": reply.id, "part": reply.part} if reply is not None else None,
        "effect": message.effect or None,
        "app": {
            "name": app.name,
            "bundle": app.bundle or None,
            "title": app.title or None,
            "lines": list(app.lines),
            "link": app.link or None,
            "options": [
                {"text": each.text, "voters": [_person(who) for who in each.voters]} for each in app.options
            ],
        }
        if app is not None
        else None,
        "event": {
            "kind": event.kind.value,
            "text": event.text,
            "name": event.name or None,
            "subject": _person(event.subject) if event.subject is not None else None,
        }
        if event is not None
        else None,
        "mentions": [each.mention for each in message.pieces if each.mention],
        "links": [each.link for each in message.pieces if each.link],
        "delivered": rfc3339(message.delivered),
        "read": rfc3339(message.read),
        "played": rfc3339(message.played),
        "voice": message.voice,
        "failed": message.failed,
        "scheduled": message.scheduled,
        "filtered": message.filtered or None,
        "recently_deleted": message.is_deleted,
        "deleted": rfc3339(message.deleted),
        "deleted_parts": [
            {"part": each.part, "time": rfc3339(each.time), "text": each.text}
            for each in message.deleted_parts
        ],
        "flaws": list(message.flaws),
    }


def csv_row(run: Export, message: TextMessage, files: ConversationFiles) -> list[CsvCell]:
    """A row for the heads ``CSV_HEADS``."""
    return [
        shown_time(run, message.time) if message.time is not None else None,
        message.sender.name,
        message.sender.address,
        shown_text(message),
        message.subject,
        "; ".join(attachment_text(message, each, files) for each in message.attachments if not each.hidden),
        "; ".join(reaction_text(each) for each in message.reactions),
        message.edited,
        "\n".join(each.text for each in message.edits),
        "; ".join(notes_of(message)),
        message.service,
        shown_time(run, message.read) if message.read is not None else None,
        message.id,
    ]


def text_of(run: Export, message: TextMessage, files: ConversationFiles) -> str:
    """A message as plain text."""
    when = shown_time(run, message.time) if message.time is not None else "at an unknown time"
    lines = [message.subject, shown_text(message)]
    lines += [f"[{attachment_text(message, each, files)}]" for each in message.attachments if not each.hidden]
    lines += [f"[{reaction_text(each)}]" for each in message.reactions]
    lines += [f"[earlier: {each.text}]" for each in message.edits]
    lines += [f"[{each}]" for each in notes_of(message)]
    below = "\n".join(line for line in lines if line).splitlines()
    return "\n".join([f"{when}  {message.sender.name}", *(f"    {line}" for line in below), "\n"])


def shown_text(message: TextMessage) -> str:
    """What a message says in words: its text, what an app shows, what happened, or what became of it."""
    if message.event is not None:
        return message.event.text
    if message.reaction is not None:
        return f"{reaction_text(message.reaction)} to a message that is not in this backup"
    if message.app is not None:
        link = message.app.link
        shown = message.app.text
        return shown if not message.text or message.text == link else f"{message.text}\n{shown}"
    if message.all_unsent:
        return "Unsent; what it said is not in this backup"
    return message.text


def notes_of(message: TextMessage) -> Iterator[str]:
    """What else to know about a message, in a few words each."""
    if message.edited:
        yield "edited"
    if message.unsent and not message.all_unsent:
        yield "a part was unsent"
    if message.failed:
        yield "not delivered"
    if message.scheduled:
        yield "scheduled, not sent yet"
    if message.is_deleted:
        yield "in Recently Deleted"
    for each in message.deleted_parts:
        yield f"in Recently Deleted: {each.text}"
    if message.filtered:
        yield message.filtered
    if message.effect:
        yield f"sent with {message.effect}"
    yield from message.flaws


def attachment_text(message: TextMessage, attachment: Attachment, files: ConversationFiles) -> str:
    """Where an attachment is, or why it is not there; with what it says or shows."""
    what = files.address(message, attachment) or f"{attachment.name or 'Attachment'}: {attachment.absent}"
    more = attachment.transcript or attachment.description
    return f"{what} ({more})" if more else what


def reaction_text(reaction: Reaction) -> str:
    """A reaction in words: "❤️ Ada"."""
    return f"{reaction.emoji or reaction.kind} {reaction.sender.name}"


def _person(who: Participant) -> Mapping[str, object]:
    return {"name": who.name, "address": who.address or None}


def _attachment(
    message: TextMessage, attachment: Attachment, files: ConversationFiles
) -> Mapping[str, object]:
    return {
        "id": attachment.id,
        "name": attachment.name,
        "type": attachment.mime or None,
        "size": attachment.size,
        "file": files.address(message, attachment) or None,
        "missing": attachment.absent or None,
        "sticker": attachment.sticker,
        "description": attachment.description or None,
        "transcript": attachment.transcript or None,
    }


def _reaction(message: TextMessage, reaction: Reaction, files: ConversationFiles) -> Mapping[str, object]:
    return {
        "kind": reaction.kind,
        "emoji": reaction.emoji or None,
        "sender": reaction.sender.name,
        "address": reaction.sender.address or None,
        "from_me": reaction.from_me,
        "part": reaction.part,
        "time": rfc3339(reaction.time),
        "file": (files.address(message, reaction.sticker) or None) if reaction.sticker is not None else None,
    }
