"""Which messages of a backup the newest one does not have any more, by the keys that ``export --gone-by`` compares."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ibackup.contents.messages.message_types import message_key
from ibackup.view.conversations.bubbles import Left


class MessageKeys:
    """The keys of all messages in a backup, 8 bytes each.

    Args:
        keys: of the reading layer.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._known = array("q", sorted(map(_short, keys)))

    def __contains__(self, key: str) -> bool:
        wanted = _short(key)
        at = bisect_left(self._known, wanted)
        return at < len(self._known) and self._known[at] == wanted

    def __len__(self) -> int:
        return len(self._known)


@dataclass(frozen=True, slots=True)
class GoneMessages:
    """What became of an older backup's messages.

    Attributes:
        after: when the older backup was made, which has them.
        before: when the newest was, which does not.
        rows: of the messages that are gone, in order.
        emptied: of those whose rows are still there without content.
    """

    after: datetime | None
    before: datetime | None
    rows: "array[int]"
    emptied: "array[int]"

    def left(self, row: int) -> Left:
        """What the newest backup has of a message."""
        if _has(self.rows, row):
            return Left.NOTHING
        return Left.EMPTY if _has(self.emptied, row) else Left.ALL

    def count(self, rows: Sequence[int]) -> int:
        """How many of these are gone or emptied."""
        if not self.rows and not self.emptied:
            return 0
        return sum(_has(self.rows, row) or _has(self.emptied, row) for row in rows)


def gone_messages(
    own: Iterator[tuple[int, str]], newest: MessageKeys, after: datetime | None, before: datetime | None
) -> GoneMessages:
    """Compare.

    Args:
        own: row and key of every message of the older backup.
        newest: of the newest one.
        after: when the older one was made.
        before: when the newest was.
    """
    rows, emptied = array("q"), array("q")
    for row, key in own:
        if key not in newest:
            (emptied if message_key(key, empty=True) in newest else rows).append(row)
    return GoneMessages(after, before, array("q", sorted(rows)), array("q", sorted(emptied)))


def _has(rows: "array[int]", row: int) -> bool:
    at = bisect_left(rows, row)
    return at < len(rows) and rows[at] == row


def _short(key: str) -> int:
    return hash(key)  # keyed with a secret of this process: nobody can write messages that seem to be equal
