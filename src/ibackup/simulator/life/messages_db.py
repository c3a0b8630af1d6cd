"""Messages' database made by code, with what a correct reader says of each message and conversation.

Tables and columns: of iOS 14 from a real backup, of iOS 18 from a database that another project publishes, of iOS 12
and 26 from several readers of real ones (unconfirmed). Bodies are written byte for byte as phones write them.
"""

import plistlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp
from ibackup.simulator.life.made_typedstream import MESSAGE_PART, Value, attributed

MESSAGES_PATH = ("HomeDomain", "Library/SMS/sms.db")
MEDIA_DOMAIN = "MediaDomain"
TEXTED = 1_709_287_200
"""When the first message was sent: 2024-03-01T10:00:00Z; each further one is a minute later."""
FILE_PART = "__kIMFileTransferGUIDAttributeName"
PLACE = "\ufffc"
"""Where an attachment is in a text."""

_MESSAGE = (
    (12, """ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT, text TEXT, replace INTEGER DEFAULT 0,
 service_center TEXT, handle_id INTEGER DEFAULT 0, subject TEXT, country TEXT, attributedBody BLOB,
 version INTEGER DEFAULT 0, type INTEGER DEFAULT 0, service TEXT, account TEXT, account_guid TEXT,
 error INTEGER DEFAULT 0, date INTEGER,
 date_read INTEGER, date_delivered INTEGER, is_delivered INTEGER DEFAULT 0, is_finished INTEGER DEFAULT 0,
 is_emote INTEGER DEFAULT 0, is_from_me INTEGER DEFAULT 0, is_empty INTEGER DEFAULT 0, is_delayed INTEGER DEFAULT 0,
 is_auto_reply INTEGER DEFAULT 0, is_prepared INTEGER DEFAULT 0, is_read INTEGER DEFAULT 0,
 is_system_message INTEGER DEFAULT 0, is_sent INTEGER DEFAULT 0, has_dd_results INTEGER DEFAULT 0,
 is_service_message INTEGER DEFAULT 0, is_forward INTEGER DEFAULT 0, was_downgraded INTEGER DEFAULT 0,
 is_archive INTEGER DEFAULT 0, cache_has_attachments INTEGER DEFAULT 0, cache_roomnames TEXT,
 was_data_detected INTEGER DEFAULT 0, was_deduplicated INTEGER DEFAULT 0, is_audio_message INTEGER DEFAULT 0,
 is_played INTEGER DEFAULT 0, date_played INTEGER, item_type INTEGER DEFAULT 0, other_handle INTEGER DEFAULT 0,
 group_title TEXT, group_action_type INTEGER DEFAULT 0, share_status INTEGER DEFAULT 0,
 share_direction INTEGER DEFAULT 0, is_expirable INTEGER DEFAULT 0, expire_state INTEGER DEFAULT 0,
 message_action_type INTEGER DEFAULT 0, message_source INTEGER DEFAULT 0, associated_message_guid TEXT,
 associated_message_type INTEGER DEFAULT 0, balloon_bundle_id TEXT, payload_data BLOB,
 expressive_send_style_id TEXT, associated_message_range_location INTEGER DEFAULT 0,
 associated_message_range_length INTEGER DEFAULT 0, time_expressive_send_played INTEGER,
 message_summary_info BLOB, ck_sync_state INTEGER DEFAULT 0, ck_record_id TEXT, ck_record_change_tag TEXT,
 destination_caller_id TEXT, sr_ck_sync_state INTEGER DEFAULT 0, sr_ck_record_id TEXT,
 sr_ck_record_change_tag TEXT, is_corrupt INTEGER DEFAULT 0"""),
    (13, "reply_to_guid TEXT, sort_id INTEGER DEFAULT 0, is_spam INTEGER DEFAULT 0"),
    (14, "has_unseen_mention INTEGER DEFAULT 0, thread_originator_guid TEXT, thread_originator_part TEXT"),
    (16, """syndication_ranges TEXT, synced_syndication_ranges TEXT, was_delivered_quietly INTEGER DEFAULT 0,
 did_notify_recipient INTEGER DEFAULT 0, date_retracted INTEGER DEFAULT 0, date_edited INTEGER DEFAULT 0,
 was_detonated INTEGER DEFAULT 0, part_count INTEGER"""),
    (17, """is_stewie INTEGER DEFAULT 0, is_kt_verified INTEGER DEFAULT 0, is_sos INTEGER DEFAULT 0,
 is_critical INTEGER DEFAULT 0, bia_reference_id TEXT, fallback_hash TEXT"""),
    (18, """associated_message_emoji TEXT, is_pending_satellite_send INTEGER DEFAULT 0, needs_relay INTEGER DEFAULT 0,
 schedule_type INTEGER DEFAULT 0, schedule_state INTEGER DEFAULT 0, sent_or_received_off_grid INTEGER DEFAULT 0"""),
    (26, """date_recovered INTEGER DEFAULT 0, is_time_sensitive INTEGER DEFAULT 0, ck_chat_id TEXT,
 index_state INTEGER DEFAULT 0, filter_action INTEGER DEFAULT 0, filter_sub_action INTEGER DEFAULT 0"""),
)  # fmt: skip
_CHAT = (
    (12, """ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT, style INTEGER, state INTEGER, account_id TEXT,
 properties BLOB, chat_identifier TEXT, service_name TEXT, room_name TEXT, account_login TEXT,
 is_archived INTEGER DEFAULT 0, last_addressed_handle TEXT, display_name TEXT, group_id TEXT,
 is_filtered INTEGER DEFAULT 0, successful_query INTEGER"""),
    (16, "is_blackholed INTEGER DEFAULT 0, is_recovered INTEGER DEFAULT 0"),
    (26, "is_pending_review INTEGER DEFAULT 0"),
)  # fmt: skip
_ATTACHMENT = (
    (12, """ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT, created_date INTEGER DEFAULT 0,
 start_date INTEGER DEFAULT 0, filename TEXT, uti TEXT, mime_type TEXT, transfer_state INTEGER DEFAULT 0,
 is_outgoing INTEGER DEFAULT 0, user_info BLOB, transfer_name TEXT, total_bytes INTEGER DEFAULT 0,
 is_sticker INTEGER DEFAULT 0, sticker_user_info BLOB, attribution_info BLOB, hide_attachment INTEGER DEFAULT 0"""),
    (18, "emoji_image_content_identifier TEXT, emoji_image_short_description TEXT"),
)  # fmt: skip
_JOIN = (
    "chat_id INTEGER, message_id INTEGER, message_date INTEGER DEFAULT 0, PRIMARY KEY (chat_id, message_id)"
)


def tables(ios: int) -> dict[str, str]:
    """The tables that a phone with this iOS has, with their columns."""

    def columns(parts: Sequence[tuple[int, str]]) -> str:
        return ", ".join(text for since, text in parts if since <= ios)

    found = {
        "message": columns(_MESSAGE),
        "chat": columns(_CHAT),
        "attachment": columns(_ATTACHMENT),
        "handle": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, country TEXT, service TEXT NOT NULL,"
        " uncanonicalized_id TEXT, person_centric_id TEXT",
        "chat_message_join": _JOIN,
        "chat_handle_join": "chat_id INTEGER, handle_id INTEGER, UNIQUE (chat_id, handle_id)",
        "message_attachment_join": "message_id INTEGER, attachment_id INTEGER, UNIQUE (message_id, attachment_id)",
        "deleted_messages": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL",
    }
    if ios >= 16:
        found["chat_recoverable_message_join"] = (
            "chat_id INTEGER, message_id INTEGER, delete_date INTEGER, ck_sync_state INTEGER DEFAULT 0,"
            " PRIMARY KEY (chat_id, message_id)"
        )
        found["recoverable_message_part"] = (
            "chat_id INTEGER, message_id INTEGER, part_index INTEGER, delete_date INTEGER, part_text BLOB NOT NULL,"
            " ck_sync_state INTEGER DEFAULT 0, PRIMARY KEY (chat_id, message_id, part_index)"
        )
    if ios >= 17:
        found["chat_lookup"] = (
            "identifier TEXT NOT NULL, domain TEXT NOT NULL, chat INTEGER NOT NULL, priority INTEGER DEFAULT 0,"
            " UNIQUE (identifier, domain)"
        )
    return found


@dataclass(frozen=True, kw_only=True)
class MadeAttached:
    """A file of a message.

    Attributes:
        name: transfer_name; its place follows from it.
        filename: the column, if it is another one; None for NULL.
        present: whether the backup has the file.
        folder: whether it is a folder with a file in it.
        columns: further columns.
        content: of the file.
    """

    name: str
    filename: str | None = ""
    present: bool = True
    folder: bool = False
    columns: Mapping[str, object] = field(default_factory=dict)
    content: bytes = b"content\n"

    @property
    def guid(self) -> str:
        """Its id."""
        return made_guid(f"file {self.name}")

    @property
    def path(self) -> str:
        """Its place below MediaDomain."""
        return f"Library/SMS/Attachments/ab/11/{self.guid}/{self.name.rpartition('/')[2]}"


@dataclass(frozen=True, kw_only=True)
class MadeText:
    """A message, an event or a reaction.

    Attributes:
        case: what is special about it; its guid follows from it.
        text: what it says; None for nothing at all.
        pieces: the same with attributes, in place of the text.
        threads: keys of the threads that it is in; none: in no chat.
        sender: its handle; "" for the owner.
        since: the first iOS that has it.
        at: seconds after TEXTED, if not in turn.
        files: its attachments.
        edits: for each part, its texts, oldest first, each with its seconds after TEXTED.
        unsent: parts that were unsent.
        answers: the case that it reacts to, and before it the part with a colon, as "p:0/" or "bp:".
        replies: the case that it replies to.
        other: the handle of the column other_handle.
        deleted: whether it is in Recently Deleted.
        deleted_parts: parts that are, with their texts.
        columns: further columns, or others.
        says: what a correct reader says of it, by the names of its fields; None: nothing, it is no message of its own.
    """

    case: str
    text: str | None = None
    pieces: Sequence[tuple[str, Mapping[str, Value]]] = ()
    threads: tuple[str, ...] = ("ada",)
    sender: str = ""
    since: int = 12
    at: int | None = None
    files: tuple[MadeAttached, ...] = ()
    edits: Mapping[int, Sequence[tuple[str, int]]] = field(default_factory=dict)
    unsent: tuple[int, ...] = ()
    answers: tuple[str, str] | None = None
    replies: str = ""
    other: str = ""
    deleted: bool = False
    deleted_parts: Mapping[int, str] = field(default_factory=dict)
    columns: Mapping[str, object] = field(default_factory=dict)
    says: Mapping[str, object] | None = field(default_factory=dict)

    @property
    def guid(self) -> str:
        """Its id."""
        return made_guid(self.case)


@dataclass(frozen=True, kw_only=True)
class MadeThread:
    """A row of chat.

    Attributes:
        key: by which messages name it.
        handles: its members.
        group: whether it is a group.
        name: display_name.
        service: service_name.
        lookup: pairs of identifier and domain in chat_lookup.
        columns: further columns.
        since: the first iOS that has it.
    """

    key: str
    handles: tuple[str, ...] = ()
    group: bool = False
    name: str = ""
    service: str = "iMessage"
    lookup: tuple[tuple[str, str], ...] = ()
    columns: Mapping[str, object] = field(default_factory=dict)
    since: int = 12

    @property
    def identifier(self) -> str:
        """chat_identifier."""
        return f"chat{made_guid(self.key)[:8]}" if self.group else address_of((*self.handles, self.key)[0])

    @property
    def guid(self) -> str:
        """Its guid."""
        return f"{self.service};{'+' if self.group else '-'};{self.identifier}"


@dataclass(frozen=True, kw_only=True)
class MadeMessages:
    """A database.

    Attributes:
        handles: by key: address and service, as "+49…/iMessage".
        threads: the rows of chat.
        texts: the rows of message, in this order.
        persons: person_centric_id by handle.
        conversations: titles, and what a correct reader says of the conversation.
    """

    handles: Mapping[str, str]
    threads: tuple[MadeThread, ...]
    texts: tuple[MadeText, ...]
    persons: Mapping[str, str] = field(default_factory=dict)
    conversations: tuple[tuple[str, Mapping[str, object]], ...] = ()


def made_guid(case: str) -> str:
    """An id that is always the same for a case."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"message {case}")).upper()


def address_of(handle: str) -> str:
    """The address of a handle that is written as address and service."""
    return handle.partition("/")[0]


def nanoseconds(unix_time: float) -> int:
    """A moment as Messages stores it since iOS 11."""
    return int(stamp(unix_time)) * 1_000_000_000


def message_files(made: MadeMessages, ios: int = 26) -> Iterator[LifeFile]:
    """The database, and the attachments that the backup has."""
    yield LifeFile(*MESSAGES_PATH, messages_database(made, ios).data(), TEXTED + 86_400)
    for text in made.texts:
        for file in text.files if text.since <= ios else ():
            if file.present and file.filename == "":
                path = f"{file.path}/inside.txt" if file.folder else file.path
                yield LifeFile(MEDIA_DOMAIN, path, file.content, TEXTED)


def messages_database(made: MadeMessages, ios: int = 26, *, utf16: bool = False) -> MadeDatabase:
    """`sms.db` before it is a file, for tests that change it."""
    database = MadeDatabase(tables(ios), utf16=utf16)
    handles = {
        key: database.add(
            "handle",
            {
                "id": address_of(value),
                "service": value.partition("/")[2] or "iMessage",
                "person_centric_id": made.persons.get(key),
            },
        )
        for key, value in made.handles.items()
    }
    rows = {}
    for thread in made.threads:
        if thread.since <= ios:
            rows[thread.key] = _add_thread(database, made, thread, handles)
    for number, text in enumerate(made.texts):
        if text.since <= ios:
            _add_text(database, text, number, ios, handles, rows)
    return database


def _add_thread(
    database: MadeDatabase, made: MadeMessages, thread: MadeThread, handles: Mapping[str, int]
) -> int:
    named = MadeThread(
        key=thread.key,
        handles=tuple(made.handles[each] for each in thread.handles),
        group=thread.group,
        service=thread.service,
    )
    columns = {
        "guid": named.guid,
        "style": 43 if thread.group else 45,
        "chat_identifier": named.identifier,
        "room_name": named.identifier if thread.group else None,
        "service_name": thread.service,
        "display_name": thread.name,
        "group_id": made_guid(f"group {thread.key}"),
    }
    row = database.add("chat", {**columns, **thread.columns})
    for each in thread.handles:
        database.add("chat_handle_join", {"chat_id": row, "handle_id": handles[each]})
    for identifier, domain in thread.lookup:
        database.add("chat_lookup", {"identifier": identifier, "domain": domain, "chat": row})
    return row


def _add_text(
    database: MadeDatabase,
    text: MadeText,
    number: int,
    ios: int,
    handles: Mapping[str, int],
    threads: Mapping[str, int],
) -> None:
    when = nanoseconds(TEXTED + (60 * number if text.at is None else text.at))
    pieces = text.pieces or ([(text.text, {MESSAGE_PART: 0})] if text.text else [])
    plain = "".join(piece for piece, _ in pieces) or None
    columns: dict[str, object] = {
        "guid": text.guid,
        "text": plain if ios < 16 else None,
        "attributedBody": attributed(pieces, mutable=bool(text.sender)) if pieces else None,
        "handle_id": handles.get(text.sender, 0),
        "is_from_me": int(not text.sender),
        "is_sent": int(not text.sender),
        "service": "iMessage",
        "date": when,
        "destination_caller_id": "+4915550000",
        "cache_has_attachments": int(bool(text.files)),
        "message_summary_info": summary(text.edits, text.unsent) if text.edits or text.unsent else None,
        "thread_originator_guid": made_guid(text.replies) if text.replies else None,
        "other_handle": handles.get(text.other, 0),
        "part_count": len({attributes.get(MESSAGE_PART, 0) for _, attributes in pieces}),
    }
    if text.answers:
        columns["associated_message_guid"] = text.answers[0] + made_guid(text.answers[1])
    row = database.add("message", {**columns, **text.columns})
    for thread in text.threads:
        join = {"chat_id": threads[thread], "message_id": row}
        if text.deleted:
            later = when + 3600 * 10**9
            database.add("chat_recoverable_message_join", {**join, "delete_date": later})
        else:
            database.add("chat_message_join", {**join, "message_date": when})
        for part, deleted in text.deleted_parts.items():
            packed = attributed([(deleted, {MESSAGE_PART: part})])
            parts = {**join, "part_index": part, "delete_date": when, "part_text": packed}
            database.add("recoverable_message_part", parts)
    for file in text.files:
        _add_file(database, file, row, when)


def _add_file(database: MadeDatabase, file: MadeAttached, message: int, when: int) -> None:
    columns: dict[str, object] = {
        "guid": file.guid,
        "filename": f"~/{file.path}" if file.filename == "" else file.filename,
        "transfer_name": file.name,
        "mime_type": "image/jpeg",
        "uti": "public.jpeg",
        "total_bytes": len(file.content),
        "created_date": when // 10**9,
    }
    row = database.add("attachment", {**columns, **file.columns})
    database.add("message_attachment_join", {"message_id": message, "attachment_id": row})


def summary(edits: Mapping[int, Sequence[tuple[str, int]]], unsent: Sequence[int]) -> bytes:
    """message_summary_info."""
    content = {
        str(part): [
            {"t": attributed([(text, {MESSAGE_PART: part})]), "d": stamp(TEXTED + when)}
            for text, when in versions
        ]
        for part, versions in edits.items()
    }
    whole: dict[str, object] = {"amc": 0, "ust": True}
    if content:
        whole["ec"] = content
    if unsent:
        whole["rp"] = list(unsent)
    return plistlib.dumps(whole, fmt=plistlib.FMT_BINARY)
