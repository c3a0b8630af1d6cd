"""The conversations of one app in one backup: a list, and any part of each, without building the rest."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.contents.gaps import Gaps
from ibackup.export.chosen_conversations import is_chosen
from ibackup.export.message_html import ShownPiece, calm, how_shown
from ibackup.search.search_words import SearchWords
from ibackup.view.conversations.bubbles import Bubble, BubbleFile, row_in
from ibackup.view.conversations.gone_messages import GoneMessages

PART: Final = 100
"""Messages that a page loads at once."""
_MOST_READ: Final = 4000
_MOST_LOOKED_AT: Final = 400
"""Of one part of a search: rows that are ruled out quickly, and messages that are built."""
_MOST_FOUND: Final = 50
_CLOCKS_DIFFER: Final = timedelta(days=1)
_SNIPPET: Final = 140
_LONGEST_PLACE: Final = 14
_MORE: Final = {**dict.fromkeys(("heic", "heif"), "picture"), **dict.fromkeys(("caf", "amr"), "sound")}
"""Kinds that no browser shows, but that this server makes into something that it does, or says why not."""
_FAMILIES: Final = {"image": "picture", "video": "film", "audio": "sound"}
_FILES: Final = {
    "picture": "Picture",
    "film": "Video",
    "sound": "Recording",
    "file": "File",
    "missing": "A file that is not in this backup",
}


@dataclass(frozen=True, slots=True)
class ShownConversation:
    """A conversation in the list.

    Attributes:
        slug: stands for it in addresses; the same in every backup of a phone.
        id: of the reading layer; says who is in it.
        title: what to call it.
        group: whether it is one.
        people: the others in it: name and address of each.
        former: the names of those who were.
        services: "iMessage", "SMS", …
        filtered: how the phone sorted it: "", "spam", …
        archived: whether it is archived.
        messages: how many it has.
        first, last: when the first and the last of them were sent.
    """

    slug: str
    id: str
    title: str
    group: bool
    people: tuple[tuple[str, str], ...]
    former: tuple[str, ...]
    services: tuple[str, ...]
    filtered: str
    archived: bool
    messages: int
    first: datetime | None
    last: datetime | None

    @property
    def initials(self) -> str:
        """Up to two letters for its sign."""
        words = [each for each in self.title.replace("(", " ").split() if each[:1].isalpha()]
        return "".join(each[0] for each in (words[:1] + words[1:][-1:])).upper() or "#"

    @property
    def tint(self) -> int:
        """Chooses the color of its sign."""
        return int(self.slug[:4], 16)


@dataclass(frozen=True, slots=True)
class TalkPart:
    """Some messages of a conversation in their order.

    Attributes:
        bubbles: they.
        start: how many messages come before them.
        count: how many the conversation has.
    """

    bubbles: tuple[Bubble, ...]
    start: int
    stop: int
    count: int

    @property
    def later(self) -> int:
        """How many messages come after them."""
        return self.count - self.stop


@dataclass(frozen=True, slots=True)
class FoundPart:
    """What a part of a search found, newest first.

    Attributes:
        bubbles: the messages, each with its text in words.
        read: how many messages were looked through.
        left: how many are left, before the place ``next``.
    """

    bubbles: tuple[tuple[Bubble, str], ...]
    read: int
    left: int


@dataclass
class TalkFile:
    """A file of a conversation: where it is in the backup, and what it is called."""

    entry: Entry
    name: str
    size: int | None = field(default=None)


class Talks(ABC):
    """All conversations of one app in one backup; close it when done. For one thread at a time.

    Attributes:
        gaps: what could not be read.
        conversations: the newest first.
        messages: how many there are in all.
        gone: what became of them; None before ``compare``.
        compared_with: the id of the backup that they were compared with; "" for none.
    """

    def __init__(self, gaps: Gaps, found: Iterable[ShownConversation], made: datetime | None) -> None:
        self.gaps = gaps
        self._latest = made + _CLOCKS_DIFFER if made is not None else None
        self._newest: dict[str, str] = {}
        self.gone: GoneMessages | None = None
        self.compared_with = ""
        self._gone_counts: dict[str, int] = {}
        listed = [each for each in found if each.messages]
        self.conversations = sorted(listed, key=self._age)
        self.messages = sum(each.messages for each in self.conversations)
        self._by_slug = {each.slug: each for each in reversed(self.conversations)}

    # -- the list ---------------------------------------------------------------------------------------------

    def by_slug(self, slug: str) -> ShownConversation | None:
        """The conversation at an address."""
        return self._by_slug.get(slug)

    def named(self, words: str) -> list[ShownConversation]:
        """The conversations with someone whose name or number has these words; all of them without words."""
        return (
            [each for each in self.conversations if is_chosen([words], *_names(each))]
            if words
            else self.conversations
        )

    def newest_text(self, conversation: ShownConversation) -> str:
        """What was said last, in a few words, with who said it in a group."""
        known = self._newest.get(conversation.id)
        if known is None:
            last = next(self.bubbles(conversation, self.rows(conversation)[-1:]), None)
            known = self._newest[conversation.id] = snippet(last, group=conversation.group) if last else ""
        return known

    def sent_last(self, conversation: ShownConversation) -> datetime | None:
        """When the last message was sent; a time after the backup, of a clock set wrongly, counts as unknown."""
        last = conversation.last
        return last if last is not None and (self._latest is None or last <= self._latest) else None

    def _age(self, conversation: ShownConversation) -> float:
        last = self.sent_last(conversation)
        return -last.timestamp() if last is not None else 0.0

    # -- parts ------------------------------------------------------------------------------------------------

    def part(self, conversation: ShownConversation, start: int, stop: int) -> TalkPart:
        """The messages from a place on and before another."""
        rows = self.rows(conversation)
        start = max(0, min(start, len(rows)))
        stop = max(start, min(stop, len(rows)))
        return TalkPart(tuple(self.bubbles(conversation, rows[start:stop])), start, stop, len(rows))

    def place_of(self, conversation: ShownConversation, ident: str) -> int | None:
        """Which message of a conversation one is, from 0, by the id in an address; None if it is not there."""
        row = row_in(ident)
        row = self.row_of(ident) if row is None else row
        rows = self.rows(conversation)
        try:
            return rows.index(row) if row is not None else None
        except ValueError:
            return None

    def search(self, conversation: ShownConversation, words: SearchWords, before: int) -> FoundPart:
        """Look through some of the messages before a place, newest first, for those with all words.

        How much is looked at depends on the messages alone, so that each part comes quickly: pages ask for the next
        one with ``FoundPart.left`` as the place.
        """
        rows = self.rows(conversation)
        place = max(0, min(before, len(rows)))
        first = place
        found: list[tuple[Bubble, str]] = []
        looked_at = 0
        while (
            place and first - place < _MOST_READ and looked_at < _MOST_LOOKED_AT and len(found) < _MOST_FOUND
        ):
            place -= 1
            row = rows[place]
            rough = self.rough_text(row)
            if rough is not None and not words.may_be_in(rough):
                continue
            looked_at += 1
            text = self.all_words(conversation, row)
            if words.are_in(text):
                found += ((bubble, text) for bubble in self.bubbles(conversation, [row]))
        return FoundPart(tuple(found), first - place, place)

    # -- what is no longer on the phone -----------------------------------------------------------------------

    def compare(self, gone: GoneMessages, newest: str) -> None:
        """Take what the newest backup still has, for the marks of all that follows; `newest` is that backup's id."""
        self.gone = gone
        self.compared_with = newest
        self._gone_counts = {each.id: gone.count(self.rows(each)) for each in self.conversations}

    def gone_in(self, conversation: ShownConversation) -> int:
        """How many of its messages the newest backup does not have any more; 0 if nothing was compared."""
        return self._gone_counts.get(conversation.id, 0)

    # -- what each app has its own way for --------------------------------------------------------------------

    @abstractmethod
    def rows(self, conversation: ShownConversation) -> Sequence[int]:
        """The rows of its messages in their order."""

    @abstractmethod
    def place_at(self, conversation: ShownConversation, moment: datetime) -> int:
        """The place of the first message at a moment or later; their number if there is none."""

    @abstractmethod
    def bubbles(self, conversation: ShownConversation, rows: Iterable[int]) -> Iterator[Bubble]:
        """Some of its messages, built; without those that cannot be read."""

    @abstractmethod
    def row_of(self, guid: str) -> int | None:
        """The row of a message by its id; None if it is not there."""

    @abstractmethod
    def conversation_of(self, row: int) -> ShownConversation | None:
        """The conversation that has a message."""

    @abstractmethod
    def all_keys(self) -> Iterator[tuple[int, str]]:
        """The row and the key of every message, by which backups are compared."""

    @abstractmethod
    def all_words(self, conversation: ShownConversation, row: int) -> str:
        """All texts of a message, by which it is found; also those that a page leaves out."""

    @abstractmethod
    def said(self, conversation: ShownConversation, row: int) -> str:
        """The whole text of a message, however long."""

    @abstractmethod
    def rough_text(self, row: int) -> str | None:
        """What a message may say, with other things between, to rule it out; None if it has to be built for that."""

    @abstractmethod
    def file(self, place: str) -> TalkFile | None:
        """A file by its ``BubbleFile.place``; None if it is not there."""

    @abstractmethod
    def move_to(self, backup: Backup) -> None:
        """Take files from this backup, which has the same content as the one that they are of."""

    @abstractmethod
    def close(self) -> None:
        """Close the database."""


def place_number(place: str) -> int | None:
    """The number that a ``BubbleFile.place`` is; None for any other text."""
    return int(place) if place.isascii() and place.isdigit() and len(place) < _LONGEST_PLACE else None


def how_on_a_page(name: str, mime: str = "") -> str:
    """How a page shows a file: "picture", "film", "sound" or "file"; what it really is, its bytes say later."""
    how = how_shown(name)
    if how == "file":
        ending = name.rpartition(".")[2].lower()
        how = _MORE.get(ending) or (
            _FAMILIES.get(mime.partition("/")[0], "file") if "." not in name else "file"
        )
    return how


def slug_of(ident: str) -> str:
    """Stands for a conversation in addresses, in place of a number or an e-mail address."""
    return hashlib.blake2b(ident.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def snippet(bubble: Bubble, *, group: bool = False) -> str:
    """What a message says, in one line; with who said it, if that was the owner or in a group."""
    text = calm(" ".join(_in_words(bubble).split()))[:_SNIPPET]
    who = "" if bubble.event else "You" if bubble.mine else bubble.sender if group else ""
    return f"{calm(who)}: {text}" if who else text


def _in_words(bubble: Bubble) -> str:
    if bubble.event:
        return bubble.event
    texts = [each.text for each in bubble.content if isinstance(each, ShownPiece)]
    files = [each for each in bubble.content if isinstance(each, BubbleFile)]
    said = " ".join((bubble.subject, "".join(texts), *bubble.card)).strip()
    return said or next((f"{_FILES[each.how]}: {each.about or each.name}" for each in files), "")


def _names(each: ShownConversation) -> tuple[list[str], list[str]]:
    return [each.title, *(name for name, _ in each.people), *each.former], [
        number for _, number in each.people
    ]
