"""The chats of WhatsApp as pages show them."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Self

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.people.names_of_backup import name_finder, names_of
from ibackup.contents.whatsapp.whatsapp_message import WhatsAppChat, WhatsAppMessage
from ibackup.contents.whatsapp.whatsapp_store import WhatsAppStore
from ibackup.export.message_html import ShownPiece
from ibackup.export.web_links import safe_link
from ibackup.export.whatsapp_pages import EVENTS, NO_FILE, is_quiet, said_text
from ibackup.view.conversations.bubbles import (
    NOT_HERE,
    Answered,
    Bubble,
    BubbleFile,
    BubbleReaction,
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

_STICKER: Final = "sticker"
_KINDS: Final = {"image": "picture", "gif": "film", "video": "film", "voice": "sound", _STICKER: "picture"}


class WhatsAppTalks(ReadTalks[WhatsAppChat]):
    """The chats of WhatsApp or WhatsApp Business.

    Args:
        store: they; closed with this.
        backup: whose they are.
        gaps: what could not be read.
        made: when the backup was made.
    """

    def __init__(self, store: WhatsAppStore, backup: Backup, gaps: Gaps, made: datetime | None) -> None:
        self._store = store
        self._backup = backup
        whole = {each.id: each for each in store.chats()}
        self._ids = {each.row: each.id for each in whole.values()}
        super().__init__(store, gaps, whole, map(_shown, whole.values()), made)

    @classmethod
    def of(cls, backup: Backup, made: datetime | None, *, business: bool = False) -> Self | None:
        """Those of a backup; None if it has none. Raises NoRoom, FormatError."""
        gaps = Gaps()
        store = WhatsAppStore.open(backup, gaps, business=business, find_name=name_finder(names_of(backup)))
        return cls(store, backup, gaps, made) if store is not None else None

    def move_to(self, backup: Backup) -> None:
        """See ``Talks``."""
        self._backup = backup
        super().move_to(backup)

    def conversation_of(self, row: int) -> ShownConversation | None:
        """See ``Talks``."""
        chat = self._store.chat_of(row)
        return self.by_slug(slug_of(self._ids[chat])) if chat in self._ids else None

    def bubbles(self, conversation: ShownConversation, rows: Iterable[int]) -> Iterator[Bubble]:
        """See ``Talks``."""
        chat = self.whole[conversation.id]
        for message in self._store.built(chat, rows):
            yield self._bubble(chat, message)

    def all_words(self, conversation: ShownConversation, row: int) -> str:
        """See ``Talks``."""
        found = self._store.built(self.whole[conversation.id], [row])
        return "\n".join(f"{said_text(each)}\n{each.file_name}" for each in found)

    def said(self, conversation: ShownConversation, row: int) -> str:
        """See ``Talks``."""
        return "\n".join(map(said_text, self._store.built(self.whole[conversation.id], [row])))

    def file(self, place: str) -> TalkFile | None:
        """See ``Talks``."""
        number = place_number(place)
        chat = self._store.chat_of(number) if number is not None else None
        whole = self.whole.get(self._ids.get(chat, "")) if chat is not None else None
        message = next(self._store.built(whole, [number]), None) if whole and number is not None else None
        entry = self._backup.entry(self._store.domain, message.file) if message and message.file else None
        return TalkFile(entry, _name(message)) if message and entry is not None else None

    def _bubble(self, chat: WhatsAppChat, message: WhatsAppMessage) -> Bubble:
        event = message.kind in EVENTS
        budget = PieceBudget()
        return Bubble(
            id=id_of(message.id, message.number),
            number=message.number,
            time=message.time,
            sender=message.sender,
            mine=message.from_me,
            event=(said_text(message) or message.kind) if event else "",
            answered=self._answered(chat, message),
            content=() if event else tuple(_content(message, budget)),
            characters=budget.left_out,
            reactions=tuple(
                BubbleReaction(each.emoji, f"{each.sender or 'Someone'} reacted with {each.emoji}")
                for each in message.reactions
            ),
            notes=("starred",) if message.starred else (),
            left=self.gone.left(message.number) if self.gone is not None else Left.ALL,
        )

    def _answered(self, chat: WhatsAppChat, message: WhatsAppMessage) -> Answered | None:
        if not message.reply_to:
            return None
        row = self._store.row_of(message.reply_to)
        found = next(self._store.built(chat, [row]), None) if row is not None else None
        if found is None:
            return NOT_HERE
        return answered(found.sender, said_text(found), found.id, found.number)


def _shown(each: WhatsAppChat) -> ShownConversation:
    return ShownConversation(
        slug_of(each.id),
        each.id,
        each.name,
        each.group,
        tuple(zip(each.members, each.member_ids, strict=True)) or ((each.name, each.id),),
        (),
        (),
        "",
        each.archived,
        each.messages,
        each.first,
        each.last,
    )


def _content(message: WhatsAppMessage, budget: PieceBudget) -> Iterator[ShownPiece | BubbleFile]:
    if message.missing:
        yield BubbleFile("missing", message.file_name or message.kind, about=NO_FILE)
    elif message.file:
        name = _name(message)
        how = _KINDS.get(message.kind) or how_on_a_page(name, message.mime)
        yield BubbleFile(how, name, str(message.number), sticker=message.kind == _STICKER)
    text = said_text(message)
    if text:
        is_link = message.kind == "link" and " " not in text.strip()
        kept = budget.cut(
            ShownPiece(text, "quiet" if is_quiet(message) else "", safe_link(text) if is_link else "")
        )
        if kept is not None:
            yield kept


def _name(message: WhatsAppMessage) -> str:
    """What its file is called, with the ending that the phone gave it."""
    stored = message.file.rpartition("/")[2]
    ending = stored.rpartition(".")[2]
    if message.file_name and not message.file_name.lower().endswith(f".{ending.lower()}"):
        return f"{message.file_name}.{ending}"
    return message.file_name or stored
