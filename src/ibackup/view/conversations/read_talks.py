"""Conversations whose app has a reader of its own: what is the same for all of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.view.conversations.shown_conversations import ShownConversation, Talks

_Asked_contra = TypeVar("_Asked_contra", contravariant=True)
Whole = TypeVar("Whole")


class TalkReader(Protocol[_Asked_contra]):
    """What reads the conversations of one app."""

    def rows(self, conversation: _Asked_contra, /) -> Sequence[int]:
        """See ``Talks``."""

    def place_at(self, conversation: _Asked_contra, moment: datetime, /) -> int:
        """See ``Talks``."""

    def row_of(self, guid: str, /) -> int | None:
        """See ``Talks``."""

    def keys(self) -> Iterator[tuple[int, str]]:
        """``Talks.all_keys``."""

    def rough_text(self, row: int, /) -> str | None:
        """See ``Talks``."""

    def move_to(self, backup: Backup) -> None:
        """See ``Talks``."""

    def close(self) -> None:
        """Close the database."""


class ReadTalks(Talks, Generic[Whole]):
    """Conversations as their reader gives them.

    Args:
        reader: it; closed with this.
        gaps: what it could not read.
        whole: the reader's own conversations, by their ids.
        shown: the same as pages show them.
        made: when the backup was made.
    """

    def __init__(
        self,
        reader: TalkReader[Whole],
        gaps: Gaps,
        whole: Mapping[str, Whole],
        shown: Iterable[ShownConversation],
        made: datetime | None,
    ) -> None:
        self._read = reader
        self.whole = whole
        super().__init__(gaps, shown, made)

    def rows(self, conversation: ShownConversation) -> Sequence[int]:
        """See ``Talks``."""
        return self._read.rows(self.whole[conversation.id])

    def place_at(self, conversation: ShownConversation, moment: datetime) -> int:
        """See ``Talks``."""
        return self._read.place_at(self.whole[conversation.id], moment)

    def row_of(self, guid: str) -> int | None:
        """See ``Talks``."""
        return self._read.row_of(guid)

    def all_keys(self) -> Iterator[tuple[int, str]]:
        """See ``Talks``."""
        return self._read.keys()

    def rough_text(self, row: int) -> str | None:
        """See ``Talks``."""
        return self._read.rough_text(row)

    def move_to(self, backup: Backup) -> None:
        """See ``Talks``."""
        self._read.move_to(backup)

    def close(self) -> None:
        """Close the database."""
        self._read.close()
