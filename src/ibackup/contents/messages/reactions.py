"""Reactions: rows of ``message`` that point at another one, applied in the order in which they were sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ibackup.contents.messages.message_types import Reaction

_KINDS: Final = {
    0: ("love", "❤️"),
    1: ("like", "👍"),
    2: ("dislike", "👎"),
    3: ("laugh", "😂"),
    4: ("emphasis", "‼️"),
    5: ("question", "❓"),
    6: ("emoji", ""),
    7: ("sticker", ""),
}
PLACED_STICKER, ADDED, REMOVED, POLL_VOTE = 1000, 2000, 3000, 4000
"""The column ``associated_message_type``; the kind is added to the two in the middle."""


def is_folded(kind: int) -> bool:
    """Whether a row is shown at another message: a reaction or a vote."""
    return kind in (PLACED_STICKER, POLL_VOTE) or kind - ADDED in _KINDS or kind - REMOVED in _KINDS


def target_of(associated: str) -> tuple[str, int | None]:
    """The id of the message that a row points at, and the part of it; None for the whole.

    The column ``associated_message_guid`` is "p:PART/GUID", "bp:GUID" (what an app put into it) or a guid alone.
    """
    head, slash, guid = associated.partition("/")
    if slash and head.startswith("p:"):
        number = head[2:]
        return guid, int(number) if number.isascii() and number.isdigit() and len(number) < 6 else None
    return associated.removeprefix("bp:"), None


@dataclass(frozen=True, slots=True)
class ReactionRow:
    """One row: its ``associated_message_type``, who sent it as a key, and the reaction that it would make."""

    kind: int
    person: str
    reaction: Reaction


def reaction_kind(kind: int, emoji: str) -> tuple[str, str]:
    """The name of a reaction and what to show for it."""
    if kind == PLACED_STICKER:
        return "placed sticker", ""
    name, shown = _KINDS.get(kind % 1000, ("emoji", ""))
    return name, shown or (emoji if name == "emoji" else "")


def applied(rows: Iterable[ReactionRow]) -> tuple[Reaction, ...]:
    """The reactions that are left, oldest first.

    Args:
        rows: in the order in which they were sent. A person has one reaction to each part; a new one replaces it.
            Stickers that were only placed on a message all stay.
    """
    left: dict[tuple[str, int | None, int], Reaction] = {}
    for number, row in enumerate(rows):
        placed = row.kind == PLACED_STICKER
        key = (row.person, row.reaction.part, number if placed else -1)
        if row.kind - REMOVED in _KINDS:
            now = left.get(key)
            if now is not None and (now.kind, now.emoji) == (row.reaction.kind, row.reaction.emoji):
                del left[key]
        elif placed or row.kind - ADDED in _KINDS:
            left.pop(key, None)  # the newest comes last
            left[key] = row.reaction
    return tuple(left.values())
