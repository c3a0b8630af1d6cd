"""Reads `ChatStorage.sqlite` of WhatsApp and WhatsApp Business."""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from ibackup.apple.app_places import WHATSAPP, WHATSAPP_BUSINESS
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, AppRows, Cell, blob, number, text
from ibackup.contents.app_times import APPLE_EPOCH, from_apple, from_unix
from ibackup.contents.decoding.protobuf import ProtoMessage
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.gaps import Gaps
from ibackup.contents.row_names import RowNames
from ibackup.contents.whatsapp.whatsapp_message import (
    ME,
    WhatsAppChat,
    WhatsAppMessage,
    WhatsAppReaction,
)
from ibackup.contents.whatsapp.whatsapp_names import FindName, WhatsAppNames

PART: Final = "WhatsApp"
NO_FILE: Final = "the file of the message is not in this backup"
UNREADABLE_REACTIONS: Final = "the reactions to a message cannot be read"
UNREADABLE_REPLY: Final = "what a message answers cannot be read"
_KINDS: Final = {
    0: "text",
    1: "image",
    2: "video",
    3: "voice",
    4: "contact",
    5: "location",
    6: "group event",
    7: "link",
    8: "document",
    10: "system",
    11: "gif",
    14: "deleted",
    15: "sticker",
    38: "view once",
    39: "view once",
    46: "poll",
    59: "call",
    66: "poll vote",
}
_WITH_FILE: Final = frozenset(("image", "video", "voice", "document", "gif", "sticker"))
_OWN_WORDS: Final = frozenset(("text", "link", "image", "video", "voice", "document", "gif", "sticker"))
"""Kinds that say nothing but what their sender wrote."""
_GROUP_CHAT: Final = 1
_MESSAGE: Final = (
    "ZCHATSESSION",
    "ZMESSAGEDATE",
    "ZISFROMME",
    "ZFROMJID",
    "ZTEXT",
    "ZMESSAGETYPE",
    "ZSTANZAID",
    "ZPUSHNAME",
    "ZSTARRED",
    "ZGROUPMEMBER",
    "ZMEDIAITEM",
    "ZMESSAGEINFO",
    "ZGROUPEVENTTYPE",
)
_MEDIA: Final = (
    "ZMEDIALOCALPATH",
    "ZTITLE",
    "ZVCARDSTRING",
    "ZMOVIEDURATION",
    "ZLATITUDE",
    "ZLONGITUDE",
    "ZMETADATA",
)
_NO_CHAT = 0


@dataclass(slots=True)
class _Chat:
    jid: str
    group: bool
    archived: bool
    removed: bool


class WhatsAppStore:
    """The chats of a backup. Use `open`; close it when done.

    Attributes:
        domain: of its files.
    """

    def __init__(
        self, backup: Backup, database: AppDatabase, domain: str, gaps: Gaps, find_name: FindName | None
    ) -> None:
        self.domain = domain
        self._backup = backup
        self._database = database
        self._gaps = gaps
        self._names = WhatsAppNames(find_name)
        self._chats: dict[int, _Chat] = {}
        self._members: dict[int, tuple[int, str]] = {}
        self._order: dict[int, tuple[array[int], array[float]]] = {}
        messages, media = database.table("ZWAMESSAGE"), database.table("ZWAMEDIAITEM")
        infos = database.table("ZWAMESSAGEINFO")
        if messages is None:
            gaps.add(PART, "the database has no table of messages that ibackup knows", damage=True)
        self._messages: AppRows | None = messages.select(*_MESSAGE) if messages else None
        self._media: AppRows | None = media.select(*_MEDIA) if media else None
        self._infos: AppRows | None = infos.select("ZRECEIPTINFO") if infos else None
        self._kinds = messages.select("ZSTANZAID", "ZMESSAGETYPE") if messages else None
        self._texts = messages.select("ZTEXT", "ZMEDIAITEM", "ZMESSAGETYPE") if messages else None
        self._stanzas: RowNames | None = None
        self._learn_names(backup, gaps)
        for row, chat, when in messages.select("ZCHATSESSION", "ZMESSAGEDATE") if messages else ():
            key = number(chat) if number(chat) in self._chats else _NO_CHAT
            rows, times = self._order.setdefault(key, (array("q"), array("d")))
            rows.append(number(row))
            times.append(float(when) if isinstance(when, (int, float)) and math.isfinite(when) else 0.0)
        for key, unsorted in self._order.items():
            self._order[key] = _by_time(*unsorted)

    @classmethod
    def open(
        cls, backup: Backup, gaps: Gaps, *, business: bool = False, find_name: FindName | None = None
    ) -> Self | None:
        """The chats; None if the backup has none, or, with a gap, if they cannot be read.

        Args:
            backup: unlocked.
            gaps: takes what cannot be read, now and later.
            business: those of WhatsApp Business.
            find_name: asks the phone's contacts for the owner of a number.

        Raises:
            NoRoom: there is no space for a temporary copy.
            FormatError: the backup's list of files cannot be read.
        """
        place = WHATSAPP_BUSINESS if business else WHATSAPP
        database = AppDatabase.of(backup, [place], PART, gaps)
        if database is None:
            return None
        with ExitStack() as unwinding:
            unwinding.callback(database.close)
            found = cls(backup, database, place.domain, gaps, find_name)
            unwinding.pop_all()
        return found

    def move_to(self, backup: Backup) -> None:
        """Take files from this backup, which has the same content as the first one; that may be closed then."""
        self._backup = backup

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _learn_names(self, backup: Backup, gaps: Gaps) -> None:
        names = self._names
        for file, learn in (("LID.sqlite", names.learn_numbers), ("ContactsV2.sqlite", names.learn_contacts)):
            other = AppDatabase.of(backup, [(self.domain, file)], PART, gaps)
            if other is not None:
                try:
                    learn(other)
                finally:
                    other.close()
        sessions = self._database.table("ZWACHATSESSION")
        columns = ("ZCONTACTJID", "ZPARTNERNAME", "ZSESSIONTYPE", "ZGROUPINFO", "ZARCHIVED", "ZREMOVED")
        for row, jid, name, kind, group, archived, removed in sessions.select(*columns) if sessions else ():
            address = text(jid)
            names.learn_chat(address, name)
            is_group = number(kind) == _GROUP_CHAT or (kind is None and bool(number(group)))
            self._chats[number(row)] = _Chat(address, is_group, number(archived) == 1, number(removed) == 1)
        members = self._database.table("ZWAGROUPMEMBER")
        whose = ("ZCHATSESSION", "ZMEMBERJID", "ZCONTACTNAME", "ZFIRSTNAME")
        for row, chat, jid, name, first in members.select(*whose) if members else ():
            self._members[number(row)] = (number(chat), text(jid))
            names.learn_chat(text(jid), name if text(name) else first)
        names.learn_own_names(self._database)

    # -- chats and messages -----------------------------------------------------------------------------------

    def chats(self) -> Iterator[WhatsAppChat]:
        """Every chat, also empty ones; last, if there are any, the messages that belong to none."""
        members: dict[int, list[str]] = {}
        for group, jid in self._members.values():
            members.setdefault(group, []).append(jid)
        for row, chat in self._chats.items():
            yield WhatsAppChat(
                id=chat.jid or f"chat {row}",
                row=row,
                name=self._names.of(chat.jid) or f"chat {row}",
                group=chat.group,
                archived=chat.archived,
                removed=chat.removed,
                members=tuple(map(self._names.of, members.get(row, ()))),
                member_ids=tuple(members.get(row, ())),
                messages=self._count(row),
                first=self._time(row, 0),
                last=self._time(row, -1),
            )
        if self._count(_NO_CHAT):
            name = "not in any chat"
            count, first, last = self._count(_NO_CHAT), self._time(_NO_CHAT, 0), self._time(_NO_CHAT, -1)
            yield WhatsAppChat(name, _NO_CHAT, name, False, False, False, (), (), count, first, last)

    def _count(self, chat: int) -> int:
        return len(self._order[chat][0]) if chat in self._order else 0

    def _time(self, chat: int, place: int) -> datetime | None:
        """When the message at a place of a chat was sent."""
        return from_apple(self._order[chat][1][place]) if chat in self._order else None

    def messages(self, chat: WhatsAppChat) -> Iterator[WhatsAppMessage]:
        """The messages of a chat in their order."""
        return self.built(chat, self.rows(chat))

    # -- parts of a chat --------------------------------------------------------------------------------------

    def rows(self, chat: WhatsAppChat) -> Sequence[int]:
        """The rows of its messages in their order, to build some of them with ``built``."""
        return self._order[chat.row][0] if chat.row in self._order else ()

    def place_at(self, chat: WhatsAppChat, moment: datetime) -> int:
        """Which of its ``rows`` is the first that was sent at a moment or later; their number if none was."""
        times = self._order[chat.row][1] if chat.row in self._order else array("d")
        return bisect_left(times, moment.timestamp() - APPLE_EPOCH)

    def built(self, chat: WhatsAppChat, rows: Iterable[int]) -> Iterator[WhatsAppMessage]:
        """Some messages of a chat by their rows, without those that cannot be read."""
        for row in rows:
            cells = self._messages.at(row) if self._messages is not None else None
            if cells is not None:
                yield self._message(chat, cells)

    def row_of(self, ident: str) -> int | None:
        """The row of a message by its id; None if it is not there. The first call reads all ids."""
        if self._stanzas is None:
            self._stanzas = RowNames(self._ids())
        return next((row for row in self._stanzas.of(ident) if self._id(row) == ident), None)

    def chat_of(self, row: int) -> int | None:
        """The ``row`` of the chat that has a message; None if none has."""
        return next((chat for chat, (rows, _) in self._order.items() if row in rows), None)

    def keys(self) -> Iterator[tuple[int, str]]:
        """The row and the key of every message, by which backups are compared: what was deleted keeps its row."""
        for row, stanza, kind in self._kinds or ():
            ident = text(stanza) or f"message {number(row)}"
            deleted = _KINDS.get(number(kind)) == "deleted"
            yield number(row), f"empty {ident}" if deleted else ident

    def rough_text(self, row: int) -> str | None:
        """What a message says, to rule it out without building it; None if its kind is shown in words of our own."""
        cells = self._texts.at(row) if self._texts is not None else None
        if cells is None or _KINDS.get(number(cells[3])) not in _OWN_WORDS:
            return None
        media = self._media.at(number(cells[2])) if number(cells[2]) and self._media is not None else None
        return "\n".join((text(cells[1]), text(media[2]) if media else ""))

    def _ids(self) -> Iterator[tuple[int, str]]:
        for row, stanza, _ in self._kinds or ():
            yield number(row), text(stanza) or f"message {number(row)}"

    def _id(self, row: int) -> str:
        cells = self._kinds.at(row) if self._kinds is not None else None
        return (text(cells[1]) or f"message {row}") if cells is not None else ""

    def _message(self, chat: WhatsAppChat, cells: tuple[Cell, ...]) -> WhatsAppMessage:
        kind = _KINDS.get(number(cells[6]), f"type {number(cells[6])}")
        from_me = number(cells[3]) == 1
        member = self._members.get(number(cells[10]))
        sender_id = member[1] if member else text(cells[4]) or ("" if from_me else chat.id)
        if text(cells[8]) and not from_me:
            self._names.learn_own_name(sender_id, cells[8])
        identifier = text(cells[7]) or f"message {number(cells[0])}"
        media = self._media.at(number(cells[11])) if number(cells[11]) and self._media is not None else None
        path, title, mime, duration, latitude, longitude, metadata = (
            media[1:] if media else (None, None, None, None, None, None, None)
        )
        has_file = kind in _WITH_FILE or bool(text(path))
        file = self._file(text(path)) if has_file else ""
        if has_file and not file:
            self._gaps.add(PART, NO_FILE, f"{chat.name}: {text(title) or kind}")
        return WhatsAppMessage(
            id=identifier,
            time=from_apple(cells[2]),
            sender=ME if from_me else self._names.of(sender_id) or chat.name,
            sender_id="" if from_me else sender_id,
            from_me=from_me,
            kind=kind,
            text="" if kind == "deleted" else text(cells[5]) or ("" if kind == "document" else text(title)),
            event=number(cells[13]) if kind == "group event" else 0,
            reply_to=self._reply(identifier, blob(metadata)),
            starred=number(cells[9]) == 1,
            reactions=self._reactions(identifier, number(cells[12])),
            file=file,
            missing=has_file and not file,
            file_name=text(title) if kind == "document" else "",
            mime=text(mime) if has_file else "",
            duration_s=max(0, number(duration)) if has_file else 0,
            place=_place(latitude, longitude) if kind == "location" else None,
            number=number(cells[0]),
        )

    def _file(self, path: str) -> str:
        """The path of a file in the backup; empty if it was never downloaded, or is not there."""
        if not path:
            return ""
        for candidate in (f"Message/{path.lstrip('/')}", path.lstrip("/")):
            entry = self._backup.entry(self.domain, candidate)
            if entry is not None:
                return candidate
        return ""

    def _reply(self, message: str, packed: bytes) -> str:
        try:
            return (ProtoMessage(packed).text(5) or "") if packed else ""
        except Undecodable as error:
            self._gaps.add(PART, UNREADABLE_REPLY, f"{message}: {error}", damage=True)
            return ""

    def _reactions(self, message: str, row: int) -> tuple[WhatsAppReaction, ...]:
        """The latest reaction of each person; one that was taken back has no emoji."""
        cells = self._infos.at(row) if row and self._infos is not None else None
        packed = blob(cells[1]) if cells else b""
        if not packed:
            return ()
        latest: dict[str | None, tuple[int, str]] = {}
        try:
            for holder in ProtoMessage(packed).messages(7):
                for each in holder.messages(1):
                    emoji, when, jid = each.text(3), each.integer(4) or 0, each.text(2)
                    if emoji is not None and when >= latest.get(jid, (-1, ""))[0]:
                        latest[jid] = (when, emoji)
        except Undecodable as error:
            self._gaps.add(PART, UNREADABLE_REACTIONS, f"{message}: {error}", damage=True)
        return tuple(
            WhatsAppReaction(self._names.of(jid) if jid else "", emoji, _moment(when))
            for jid, (when, emoji) in latest.items()
            if emoji
        )


def _by_time(rows: "array[int]", times: "array[float]") -> "tuple[array[int], array[float]]":
    order = sorted(range(len(rows)), key=lambda at: (times[at], rows[at]))
    return array("q", [rows[at] for at in order]), array("d", [times[at] for at in order])


def _moment(milliseconds: int) -> datetime | None:
    return from_unix(milliseconds / 1000)


def _place(latitude: Cell, longitude: Cell) -> tuple[float, float] | None:
    if not isinstance(latitude, (int, float)) or not isinstance(longitude, (int, float)):
        return None
    return (float(latitude), float(longitude)) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
