"""Reads the conversations and messages of a backup, from iOS 12 on.

with MessageReader.of(backup, gaps, lambda own: names_of(backup, own)) as reader:
    for conversation in reader.conversations():
        for message in reader.messages(conversation): ...

Memory stays bounded: a message is built when its turn comes. What cannot be read costs that value or that message,
and becomes a gap.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Self

from ibackup.apple.app_places import MESSAGES
from ibackup.apple.backup import Backup
from ibackup.base.how_far import HowFar, untold
from ibackup.contents.app_database import AppDatabase, Cell, number, text
from ibackup.contents.app_times import from_messages
from ibackup.contents.decoding.typedstream import quick_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.conversations import Threads, put_together, read_threads, title_of
from ibackup.contents.messages.handles import OWNER, Handles
from ibackup.contents.messages.message_attachments import MessageFiles
from ibackup.contents.messages.message_builder import MessageBuilder
from ibackup.contents.messages.message_index import MOST_TIME, PART, SOMEONE, Filed, MessageIndex
from ibackup.contents.messages.message_keys import message_keys
from ibackup.contents.messages.message_types import (
    Attachment,
    Conversation,
    ConversationKind,
    Participant,
    TextMessage,
)
from ibackup.contents.people.addresses import AddressReader
from ibackup.contents.people.name_book import NameBook
from ibackup.contents.row_names import RowNames

_FIRST_MESSAGES: Final = 2000
_MOST_OWN: Final = 20
_ROUGH: Final = (
    *("text", "attributedBody", "subject", "message_summary_info"),
    *("payload_data", "balloon_bundle_id", "item_type", "associated_message_type"),
)
_ROUGH_TEXTS: Final = 4
"""How many of these columns have texts as they are shown."""
_EPOCH: Final = datetime(2001, 1, 1, tzinfo=UTC)
_UNFILED: Final = "not in any chat"


class MessageReader:
    """The messages of one backup; close it when done. Use it in one thread at a time.

    Args:
        database: of Messages; the reader closes it.
        names: knows the contacts.
        gaps: takes what cannot be read.
        backup: has the attachments; None if only the database is at hand.
        how_far: is told how many of the messages are filed.
    """

    def __init__(
        self,
        database: AppDatabase,
        names: NameBook | None = None,
        gaps: Gaps | None = None,
        backup: Backup | None = None,
        how_far: HowFar = untold,
    ) -> None:
        self._database = database
        self._gaps = gaps if gaps is not None else database.gaps
        self._handles = Handles(database, names or NameBook(AddressReader()))
        self._files = MessageFiles(database, backup)
        groups = put_together(read_threads(database), database, self._handles)
        places = {thread.row: place for place, group in enumerate(groups) for thread in group.threads}
        self._index = MessageIndex(database, self._handles, places, len(groups), self._gaps, how_far)
        self._builder = MessageBuilder(database, self._handles, self._files, self._index, self._gaps)
        self._conversations: dict[str, Conversation] = {}
        self._filed: dict[str, Filed] = {}
        self._names: RowNames | None = None
        table = database.table("message")
        self._only_guid = table.select("guid") if table is not None else None
        self._rough = table.select(*_ROUGH) if table is not None else None
        self._list(groups)

    @classmethod
    def of(
        cls,
        backup: Backup,
        gaps: Gaps,
        names: Callable[[Iterable[str]], NameBook] | None = None,
        *,
        how_far: HowFar = untold,
    ) -> Self | None:
        """Open the messages of a backup; None if it has none, or, with a gap, if they cannot be read.

        Args:
            backup: unlocked.
            gaps: takes what cannot be read.
            names: makes the book of names, given the owner's own numbers and addresses.
            how_far: is told how many of the messages are filed.

        Raises:
            NoRoom: there is no space for a temporary copy.
            FormatError: the backup's list of files is damaged.
        """
        database = AppDatabase.of(backup, [MESSAGES], PART, gaps)
        if database is None:
            return None
        try:
            book = names(own_addresses(database)) if names is not None else None
            return cls(database, book, gaps, backup, how_far)
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def move_to(self, backup: Backup) -> None:
        """Take attachments from this backup, which has the same content as the first one; that may be closed then."""
        self._files.move_to(backup)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def conversations(self) -> list[Conversation]:
        """All conversations that have messages: those of the app in the order of their beginning, then the rest."""
        return list(self._conversations.values())

    def messages(
        self,
        conversation: Conversation,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[TextMessage]:
        """The messages of a conversation, oldest first.

        Args:
            conversation: one of ``conversations``.
            since: leave out earlier ones.
            until: leave out those from this time on. One without a time counts as sent after the one before it.
        """
        filed = self._filed.get(conversation.id)
        if filed is None:
            return
        yield from self.built(conversation, filed.between(_nanoseconds(since), _nanoseconds(until)))

    # -- parts of a conversation ------------------------------------------------------------------------------

    def rows(self, conversation: Conversation) -> Sequence[int]:
        """The rows of its messages in the order in which they are shown, to build some of them with ``built``."""
        filed = self._filed.get(conversation.id)
        return filed.rows if filed is not None else ()

    def place_at(self, conversation: Conversation, moment: datetime) -> int:
        """Which of its ``rows`` is the first that was sent at a moment or later; their number if none was."""
        filed = self._filed.get(conversation.id)
        return bisect_left(filed.times, _nanoseconds(moment) or 0) if filed is not None else 0

    def built(
        self, conversation: Conversation, rows: Iterable[int], most_files: int | None = None
    ) -> Iterator[TextMessage]:
        """Some messages of a conversation, without those that cannot be read.

        Args:
            conversation: it.
            rows: of the messages.
            most_files: how many attachments of each to look up; ``count_files`` says how many there are.
        """
        others = conversation.participants
        other = others[0] if conversation.kind is ConversationKind.DIRECT and len(others) == 1 else None
        for row in rows:
            message = self._builder.at(row, other, most_files)
            if message is not None:
                yield message

    def row_of(self, guid: str) -> int | None:
        """The row of a message by its id; None if it is not there. The first call reads all ids."""
        if self._names is None:
            self._names = RowNames(self._guids())
        return next((row for row in self._names.of(guid) if self._guid(row) == guid), None)

    def conversation_of(self, row: int) -> Conversation | None:
        """The first conversation that has a message."""
        for ident, filed in self._filed.items():
            if row in filed.rows:
                return self._conversations[ident]
        return None

    def keys(self) -> Iterator[tuple[int, str]]:
        """The row and the ``key`` of every message in the database."""
        return message_keys(self._database, self._files)

    def count_files(self, row: int) -> int:
        """How many attachments a message has, also those that are only part of something else."""
        return self._files.count(row)

    def attachment(self, row: int) -> Attachment | None:
        """An attachment of any message by the number of its own row; None if there is none."""
        return self._files.at(row)

    def rough_text(self, row: int) -> str | None:
        """Everything that a message may say, with other things between, to rule it out without building it.

        None if some of it is not in its row as it is shown: files, events, what an app put into it.
        """
        cells = self._rough.at(row) if self._rough is not None else None
        if cells is None or any(cells[1 + _ROUGH_TEXTS :]):
            return None
        if self._files.count(row) or self._builder.has_deleted_parts(row):
            return None
        return "\n".join(map(_rough, cells[1 : 1 + _ROUGH_TEXTS]))

    def _guids(self) -> Iterator[tuple[int, str]]:
        for row, guid in self._only_guid if self._only_guid is not None else ():
            yield number(row), text(guid) or f"row {number(row)}"

    def _guid(self, row: int) -> str:
        cells = self._only_guid.at(row) if self._only_guid is not None else None
        return (text(cells[1]) or f"row {row}") if cells is not None else ""

    @property
    def answered(self) -> Container[str]:
        """Contains the ids of the messages that others answer, and perhaps a few more."""
        return self._index.answered

    def message(self, row: int) -> TextMessage | None:
        """One message by the number of its row; None if it cannot be read."""
        return self._builder.at(row, None)

    def _list(self, groups: list[Threads]) -> None:
        pictures = self._files.by_guid(
            {each.picture for group in groups for each in group.threads if each.picture}
        )
        for group, filed in zip(groups, self._index.filed, strict=True):
            if filed.rows:
                self._add(self._conversation(group, filed, pictures), filed)
        for person, filed in self._index.unfiled.items():
            self._add(self._unfiled(person, filed), filed)

    def _add(self, conversation: Conversation, filed: Filed) -> None:
        self._conversations[conversation.id] = conversation
        self._filed[conversation.id] = filed

    def _free(self, wanted: str) -> str:
        """An id that no conversation has."""
        found, count = wanted, 1
        while found in self._conversations:
            count += 1
            found = f"{wanted} {count}"
        return found

    def _conversation(self, group: Threads, filed: Filed, pictures: dict[str, Attachment]) -> Conversation:
        participants = group.participants(self._handles)
        newest = group.threads[-1]
        picture = next(
            (pictures[each.picture] for each in reversed(group.threads) if each.picture in pictures), None
        )
        former = self._former(filed, participants)
        services = [each.service for each in group.threads if each.service]
        title = title_of(group.kind, group.name, participants or former)
        return Conversation(
            self._free(group.id),
            group.kind,
            title,
            group.name,
            participants,
            former,
            tuple(dict.fromkeys((*services, *sorted(filed.services)))),
            tuple(each.guid for each in group.threads),
            "" if any(not each.filtered for each in group.threads) else newest.filtered,
            all(each.archived for each in group.threads),
            len(filed.rows),
            *_span(filed),
            picture,
        )

    def _former(self, filed: Filed, participants: tuple[Participant, ...]) -> tuple[Participant, ...]:
        known = {self._handles.person_of(each.address) for each in participants}
        people: dict[str, Participant] = {}
        for row in sorted(filed.senders):
            if row in self._handles and (person := self._handles.person(row)) not in known:
                people.setdefault(person, self._handles.participant(row))
        return tuple(people.values())

    def _unfiled(self, person: str, filed: Filed) -> Conversation:
        rows = [row for row in sorted(filed.senders) if row in self._handles]
        known = person not in ("", SOMEONE) and bool(rows)
        sender = self._handles.participant(rows[0]) if known else OWNER if not person else None
        name = "Sent" if not person else sender.name if sender else "Unknown sender"
        wanted = f"unfiled {sender.address if sender else person}".strip()
        return Conversation(
            self._free(wanted),
            ConversationKind.UNFILED,
            f"{name} ({_UNFILED})",
            participants=(sender,) if sender and known else (),
            messages=len(filed.rows),
            first=_span(filed)[0],
            last=_span(filed)[1],
        )


def own_addresses(database: AppDatabase) -> list[str]:
    """The numbers and addresses that the first messages came to or were sent from, the commonest first."""
    table = database.table("message")
    found: Counter[str] = Counter()
    for _, own in islice(table.select("destination_caller_id"), _FIRST_MESSAGES) if table is not None else ():
        if own:
            found[text(own)] += 1
    return [address for address, _ in found.most_common(_MOST_OWN)]


def _span(filed: Filed) -> tuple[datetime | None, datetime | None]:
    """When the first and the last message with a time were sent."""
    known = [time for time in (next((each for each in filed.times if each), 0), filed.times[-1]) if time]
    if not known:
        return None, None
    return from_messages(known[0]), from_messages(known[-1])


def _rough(cell: Cell) -> str:
    if not isinstance(cell, bytes):
        return text(cell)
    # With the names of classes around it, a search for "number" or "string" would have nearly every message built.
    plain = quick_text(cell)
    return (cell if plain is None else plain).decode("utf-8", "ignore")


def _nanoseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return max(-MOST_TIME, min(MOST_TIME, (moment - _EPOCH) // timedelta(microseconds=1) * 1000))
