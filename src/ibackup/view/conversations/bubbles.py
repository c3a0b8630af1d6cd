"""The shapes that the templates of conversations show, whatever app they are from.

Every text is as a stranger typed it; templates escape it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from ibackup.export.message_html import ShownPiece

MOST_CHARACTERS: Final = 6000
"""Of one message on a page; the rest is a download."""
MOST_FILES: Final = 40
"""Attachments of one message on a page; the others come with what is taken out."""
_LONGEST_ID: Final = 80
_QUOTED: Final = 80
_BY_ROW: Final = "row "


class Left(StrEnum):
    """What the newest backup has of a message."""

    ALL = ""
    NOTHING = "deleted"
    EMPTY = "emptied"
    """Its row without its content: it was unsent, or deleted for everyone."""


class BubbleFile(NamedTuple):
    """Something attached.

    Attributes:
        how: "picture", "film", "sound", "file" or "missing".
        name: as its sender called it, for people.
        place: where the page of files finds it; "" if it is missing.
        about: what it says or shows, or why it is missing.
        size: bytes, None if unknown.
        sticker: whether it is small and without a frame.
    """

    how: str
    name: str
    place: str = ""
    about: str = ""
    size: int | None = None
    sticker: bool = False


class Answered(NamedTuple):
    """What a message answers: who said what; its id for an address and its anchor, "" if it is not here."""

    who: str
    text: str
    id: str
    anchor: str = ""


def answered(who: str, text: str, guid: str, row: int) -> Answered:
    """What a message answers, in a few words."""
    said = " ".join(text[: 4 * _QUOTED].split())[:_QUOTED] or "an attachment"
    return Answered(who, said, id_of(guid, row), anchor_of(row))


def anchor_of(row: int) -> str:
    """The id of a message on a page."""
    return f"m{row}"


NOT_HERE: Final = Answered("", "a message that is not here", "")


class BubbleReaction(NamedTuple):
    """A reaction: what to show, and in words who did what."""

    shown: str
    words: str
    file: BubbleFile | None = None


class EarlierText(NamedTuple):
    """What a message said before it was edited."""

    text: str
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message or event.

    Attributes:
        id: stable from backup to backup, for addresses: see ``id_of``.
        number: its row, for anchors on one page.
        time: None if it is unknown.
        sender: what to call them; "Me" for the owner.
        mine: whether the owner sent it.
        event: what happened, in place of everything else.
        subject: line above the text.
        answered: what it answers.
        content: text and files in their order, at most ``MOST_CHARACTERS`` and ``MOST_FILES``.
        characters: of the whole text, if some of it is left out; else 0.
        more_files: how many files are left out.
        card: what an app shows, line by line.
        card_link: where that leads; "" if nowhere safe.
        reactions: that are still there.
        edits: what it said before, oldest first.
        notes: what else to know, in a few words each.
        service: "SMS", "iMessage", …; "" if unknown.
        delivered, read: when, if the phone noted it.
        left: what of it the newest backup still has.
    """

    id: str
    number: int
    time: datetime | None
    sender: str
    mine: bool
    event: str = ""
    subject: str = ""
    answered: Answered | None = None
    content: tuple[ShownPiece | BubbleFile, ...] = ()
    characters: int = 0
    more_files: int = 0
    card: tuple[str, ...] = ()
    card_link: str = ""
    reactions: tuple[BubbleReaction, ...] = ()
    edits: tuple[EarlierText, ...] = ()
    notes: tuple[str, ...] = ()
    service: str = ""
    delivered: datetime | None = None
    read: datetime | None = None
    left: Left = Left.ALL

    @property
    def anchor(self) -> str:
        """Its id on a page."""
        return anchor_of(self.number)

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing to show of it but its time."""
        return not (self.event or self.subject or self.content or self.card or self.more_files)


class PieceBudget:
    """Cuts what is too long for a page, piece by piece."""

    def __init__(self) -> None:
        self._left = MOST_CHARACTERS
        self.characters = 0

    def cut(self, piece: ShownPiece) -> ShownPiece | None:
        """What of a piece still fits; None if nothing does."""
        self.characters += len(piece.text)
        if self._left <= 0:
            return None
        kept = piece if len(piece.text) <= self._left else piece._replace(text=f"{piece.text[: self._left]}…")
        self._left -= len(piece.text)
        return kept

    @property
    def left_out(self) -> int:
        """How many characters there were, if some were left out; else 0."""
        return self.characters if self._left < 0 else 0


def id_of(guid: str, row: int) -> str:
    """How an address names a message: by its guid, the same in every backup, or else by its row."""
    plain = len(guid) <= _LONGEST_ID and guid.isascii() and guid.isprintable()
    return guid if guid and plain and not guid.startswith(_BY_ROW) else f"{_BY_ROW}{row}"


def row_in(ident: str) -> int | None:
    """The row, if an address names one."""
    digits = ident.removeprefix(_BY_ROW)
    plain = ident.startswith(_BY_ROW) and digits.isascii() and digits.isdigit() and len(digits) < 14
    return int(digits) if plain else None
