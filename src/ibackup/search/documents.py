"""What can be found: documents, each with an id that is the same in every snapshot."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

KINDS: Final = ("messages", "people", "notes", "calendar", "reminders", "calls", "files")
"""In the order in which hits are shown."""
MOST_TEXT: Final = 64 * 1024  # characters of a document; a longer text is found by its beginning
_MOST_TITLE: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

When = datetime | date | None
"""A moment; a naive ``datetime`` for one that is the same on every clock; a ``date`` for a whole day."""


class StoredTime(NamedTuple):
    """A time as two numbers: milliseconds since 1970, and whether they mean a moment, a clock or a day (0, 1, 2)."""

    milliseconds: int | None
    meaning: int

    @classmethod
    def of(cls, when: When) -> "StoredTime":
        """The numbers of a time."""
        if when is None:
            return cls(None, 0)
        if not isinstance(when, datetime):
            return cls((datetime(when.year, when.month, when.day, tzinfo=UTC) - _EPOCH) // _MILLISECOND, 2)
        if when.tzinfo is None:
            return cls((when.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND, 1)
        return cls((when - _EPOCH) // _MILLISECOND, 0)

    def when(self) -> When:
        """The time; None for numbers that no time has."""
        if self.milliseconds is None:
            return None
        try:
            moment = _EPOCH + self.milliseconds * _MILLISECOND
        except OverflowError:
            return None
        return (moment, moment.replace(tzinfo=None), moment.date())[self.meaning]


@dataclass(frozen=True, slots=True)
class Document:
    """Something that can be found.

    Attributes:
        kind: one of ``KINDS``.
        id: the same in every snapshot.
        title: its name, searched too; empty if it has none.
        text: what is searched.
        hidden: what is searched, too, but not shown: other spellings.
        who: who wrote or called; only shown.
        place: the conversation, folder, calendar or app that it is in; only shown.
        when: its time.
    """

    kind: str
    id: str
    title: str = ""
    text: str = ""
    hidden: str = ""
    who: str = ""
    place: str = ""
    when: When = None

    def limited(self) -> "Document":
        """The same with a title and a text that an index takes, as text that every file can hold."""
        if len(self.text) <= MOST_TEXT and self._is_plain():
            return self
        title, text = _sound(self.title[:_MOST_TITLE]), _sound(self.text[:MOST_TEXT])
        ident, who = _sound(self.id), _sound(self.who[:_MOST_TITLE])
        place = _sound(self.place[:_MOST_TITLE])
        if len(ident) > _MOST_TITLE:
            ident = hashlib.sha256(ident.encode()).hexdigest()
        hidden = _sound(self.hidden[:MOST_TEXT])
        return Document(self.kind, ident, title, text, hidden, who, place, self.when)

    def _is_plain(self) -> bool:
        others = (self.id, self.title, self.hidden, self.who, self.place)
        return all(each.isascii() and len(each) <= _MOST_TITLE for each in others) and self.text.isascii()

    @property
    def body(self) -> str:
        """All that is searched."""
        return f"{self.title}\n{self.text}\n{self.hidden}"

    def version(self, time: StoredTime) -> int:
        """A number that only documents of the same id, title, text and time share, in every index: 64 bits, signed."""
        whole = f"{self.kind}\0{self.id}\0{time.milliseconds}\0{self.title}\0{self.text}\0{self.hidden}"
        return int.from_bytes(hashlib.blake2b(whole.encode(), digest_size=8).digest(), "big", signed=True)


def _sound(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
