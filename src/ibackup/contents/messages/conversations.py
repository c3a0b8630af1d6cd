"""Which of the app's threads are one conversation, and who is in it.

The app splits what people think of as one: a thread for iMessage and one for SMS, one for a number and one for an
e-mail address. Threads are put together if the app itself says so (``chat_lookup``, ``group_id``), or if the same
people are in them. Two groups of the same people with different names stay two.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ibackup.contents.app_database import AppDatabase, Cell, blob, number, text
from ibackup.contents.decoding.archived_objects import plain_plist
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.messages.handles import Handles, Unions
from ibackup.contents.messages.message_types import ConversationKind, Participant

_GROUP: Final = 43  # the column "style"; 45 is one to one
_LISTED: Final = 4
_FILTERED: Final = {0: "", 1: "unknown sender", 2: "spam"}
_SHORTEST_GROUP_ID: Final = 9


@dataclass(slots=True)
class Thread:
    """A row of ``chat``."""

    row: int
    guid: str
    identifier: str
    kind: ConversationKind
    name: str
    service: str
    group_id: str
    archived: bool
    filtered: str
    picture: str
    members: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Threads:
    """What belongs together: the threads of one conversation, in the order of their rows."""

    threads: list[Thread]

    @property
    def kind(self) -> ConversationKind:
        """Whether it is a group."""
        return self.threads[0].kind

    @property
    def id(self) -> str:
        """The identifier of the first thread, without the service, which a new iOS may change."""
        first = self.threads[0]
        return first.guid.rpartition(";")[2] or first.identifier or f"thread {first.row}"

    @property
    def name(self) -> str:
        """The newest name of a group."""
        return next((each.name for each in reversed(self.threads) if each.name), "")

    def participants(self, handles: Handles) -> tuple[Participant, ...]:
        """The people in it, each once."""
        people: dict[str, Participant] = {}
        for thread in self.threads:
            for row in thread.members:
                if row in handles:
                    people.setdefault(handles.person(row), handles.participant(row))
        if not people and self.kind is ConversationKind.DIRECT and (address := self.threads[0].identifier):
            people[address] = handles.of(address)
        return tuple(people.values())


def read_threads(database: AppDatabase) -> list[Thread]:
    """Every row of ``chat`` with its members."""
    table = database.table("chat")
    found: dict[int, Thread] = {}
    columns = (
        *("guid", "style", "chat_identifier", "display_name", "service_name", "group_id", "room_name"),
        *("is_archived", "is_filtered", "properties"),
    )
    for row, guid, style, identifier, name, service, group, room, archived, filtered, properties in (
        table.select(*columns) if table is not None else ()
    ):
        if type(row) is not int:
            continue
        grouped = style == _GROUP or ";+;" in text(guid) or bool(text(room))
        found[row] = Thread(
            row,
            text(guid),
            text(identifier),
            ConversationKind.GROUP if grouped else ConversationKind.DIRECT,
            text(name).strip() if grouped else "",
            text(service),
            text(group),
            bool(number(archived)),
            _FILTERED.get(number(filtered), "promotion or transaction"),
            _picture(properties),
        )
    joins = database.table("chat_handle_join")
    for _, chat, handle in joins.select("chat_id", "handle_id") if joins is not None else ():
        if type(chat) is int and chat in found and type(handle) is int:
            found[chat].members.append(handle)
    return list(found.values())


def _picture(properties: Cell) -> str:
    """The id of a group's picture in the plist of its properties."""
    packed = blob(properties)
    if b"groupPhotoGuid" not in packed:
        return ""
    try:
        found = plain_plist(packed)
    except Undecodable:
        return ""
    guid = found.get("groupPhotoGuid") if isinstance(found, dict) else None
    return guid if isinstance(guid, str) else ""


def put_together(threads: list[Thread], database: AppDatabase, handles: Handles) -> list[Threads]:
    """The threads by conversation, in the order of their first rows."""
    same = Unions()
    for thread in threads:
        for key in _keys(thread, handles):
            same.join(f"{thread.kind} {key}", f"row {thread.row}")
    rows = {thread.row: thread for thread in threads}
    table = database.table("chat_lookup")
    for _, identifier, chat in table.select("identifier", "chat") if table is not None else ():
        if type(chat) is int and chat in rows and (known := text(identifier)):
            same.join(f"{rows[chat].kind} lookup {known}", f"row {chat}")
    found: dict[str, list[Thread]] = {}
    for thread in threads:
        found.setdefault(same.root(f"row {thread.row}"), []).append(thread)
    return [Threads(each) for each in found.values()]


def _keys(thread: Thread, handles: Handles) -> Iterable[str]:
    if len(thread.group_id) >= _SHORTEST_GROUP_ID:
        yield f"group {thread.group_id}"
    people = {handles.person(row) for row in thread.members if row in handles}
    if not people and thread.kind is ConversationKind.DIRECT and thread.identifier:
        people = {handles.person_of(thread.identifier)}
    if people:
        yield f"people {sorted(people)} {thread.name}"


def title_of(kind: ConversationKind, name: str, participants: tuple[Participant, ...]) -> str:
    """What to call a conversation."""
    if name:
        return name
    names = [each.name for each in participants]
    if not names:
        return "Group without members" if kind is ConversationKind.GROUP else "Unknown sender"
    if len(names) == 1:
        return names[0]
    if len(names) <= _LISTED:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{names[0]}, {names[1]} and {len(names) - 2} others"
