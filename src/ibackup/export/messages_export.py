"""Messages: a folder for each conversation, with pages, records for programs, and the attachments."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.base.confined import Parts
from ibackup.contents.app_times import rfc3339
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.message_keys import message_ids
from ibackup.contents.messages.message_types import Conversation
from ibackup.contents.messages.messages_reader import MessageReader
from ibackup.contents.people.names_of_backup import names_of
from ibackup.export.chosen_conversations import is_chosen
from ibackup.export.conversation_files import Bundles, ConversationFiles
from ibackup.export.conversation_pages import ConversationPages
from ibackup.export.conversation_writers import ConversationWriters
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.export_folder import plain_name
from ibackup.export.heic_jpeg import Convert, converter
from ibackup.export.message_html import calm
from ibackup.export.pages import page
from ibackup.export.tables import json_list

TITLE: Final = "Messages"
MOST_ON_A_PAGE: Final = 20_000
"""Messages; a longer conversation gets a page for each year."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every message, and whether anything is left of it."""
    return message_ids(backup, gaps)


def export(run: Export) -> None:
    """Write each conversation that was asked for, and a page that links them."""
    convert = converter() if run.request.jpeg else None
    reader = MessageReader.of(run.backup, run.gaps, lambda own: names_of(run.backup, own))
    if reader is None:
        run.nothing()
        return
    written: list[_Written] = []
    above = run.folder.place((), TITLE, "folder messages")
    front = run.folder.place(above, "index.html", "messages index")  # before a conversation of that name
    listed = run.folder.place(above, "conversations.json", "messages list")
    with reader:
        conversations = [each for each in reader.conversations() if _is_wanted(run, each)]
        bundles = Bundles(run.backup)
        run.expect(sum(each.messages for each in conversations))
        for conversation in conversations:
            done = _export_one(run, above, reader, bundles, conversation, convert)
            if done is not None:
                written.append(done)
    if not written:
        run.nothing("no conversation is with them" if run.request.names and not conversations else "")
        return
    with_pages = "html" in run.request.formats
    _write_records(run, listed, written)
    if with_pages:
        _write_front(run, front, written)
    messages = sum(each.messages for each in written)
    run.count("conversations", len(written))
    run.count("messages", messages)
    if attachments := sum(each.attachments for each in written):
        run.count("attachments", attachments)
    run.index.append(
        IndexLine(
            TITLE, front if with_pages else listed, f"{len(written):,} conversations, {messages:,} messages"
        )
    )


@dataclass(frozen=True, slots=True)
class _Written:
    """A conversation that was written.

    Attributes:
        first, last: of the messages that were written; a time after the backup, of a message that is scheduled or
            from a phone whose clock was wrong, counts only if there is no other.
    """

    conversation: Conversation
    folder: Parts
    shown: Parts
    messages: int
    attachments: int
    first: datetime | None
    last: datetime | None


def _is_wanted(run: Export, conversation: Conversation) -> bool:
    if run.request.talk not in ("", conversation.id):
        return False
    people = (*conversation.participants, *conversation.former)
    names = [conversation.title, *(each.name for each in people)]
    return is_chosen(run.request.names, names, [each.address for each in people])


def _export_one(
    run: Export,
    above: Parts,
    reader: MessageReader,
    bundles: Bundles,
    conversation: Conversation,
    convert: Convert | None,
) -> _Written | None:
    request = run.request
    found = reader.messages(conversation, since=request.since, until=request.until)
    wanted = (each for each in found if run.wants(each.key, each.time))
    first = list(islice(wanted, MOST_ON_A_PAGE + 1))  # that many fit in memory
    if not first:
        return None
    folder = run.folder.place(
        above, plain_name(conversation.title, "Conversation"), f"messages {conversation.id}"
    )
    files = ConversationFiles(run, bundles, folder, conversation.id, convert)
    pages = ConversationPages(run, folder, conversation, files, reader.answered)
    count = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    with ConversationWriters(run, conversation, files, pages, by_year=len(first) > MOST_ON_A_PAGE) as writers:
        first.reverse()
        while message := first.pop() if first else next(wanted, None):
            files.copy(message)
            writers.write(message)
            count += 1
            if message.time is not None:
                oldest = oldest or message.time
                newest = message.time if newest is None or run.can_be(message.time) else newest
    return _Written(conversation, folder, writers.shown, count, files.count, oldest, newest)


def _write_records(run: Export, listed: Parts, written: list[_Written]) -> None:
    """The list of the conversations, for programs."""
    records = [
        {
            "id": each.conversation.id,
            "title": each.conversation.title,
            "kind": each.conversation.kind.value,
            "group_name": each.conversation.group_name or None,
            "participants": [
                {"name": who.name, "address": who.address} for who in each.conversation.participants
            ],
            "former": [{"name": who.name, "address": who.address} for who in each.conversation.former],
            "services": list(each.conversation.services),
            "guids": list(each.conversation.guids),
            "filtered": each.conversation.filtered or None,
            "archived": each.conversation.archived,
            "messages": each.messages,
            "first": rfc3339(each.first),
            "last": rfc3339(each.last),
            "folder": each.folder[-1],
        }
        for each in written
    ]
    run.folder.write(listed, json_list(records))


def _write_front(run: Export, front: Parts, written: list[_Written]) -> None:
    """The page that links the conversations."""
    lines = [
        {
            "title": calm(each.conversation.title),
            "about": _about(run, each),
            "href": run.folder.link(front, each.shown),
        }
        for each in sorted(written, key=partial(_newness, run), reverse=True)
    ]
    about = f"{len(written):,} conversations, newest first."
    run.folder.write(front, page("index.html", title=TITLE, about=about, lines=lines, gaps=[]))


def _newness(run: Export, each: _Written) -> tuple[bool, datetime]:
    """To sort by; what is only of a time after the backup comes with what has no time."""
    return (True, each.last) if each.last is not None and run.can_be(each.last) else (False, _NEVER)


def _about(run: Export, each: _Written) -> str:
    count = "1 message" if each.messages == 1 else f"{each.messages:,} messages"
    known = each.last is not None and each.last.year >= 1000
    last = f"the last on {run.local(each.last):%Y-%m-%d}" if known and each.last is not None else ""
    return ", ".join(part for part in (count, last, each.conversation.filtered) if part)
