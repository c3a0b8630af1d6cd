"""A kind of contents that is shown as a list and a detail: what the pages ask it, and what they get."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import ClassVar, Final, Generic, TypeVar

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError
from ibackup.base.confined import PathRefused
from ibackup.contents.gaps import Gap, Gaps
from ibackup.search.word_folding import folded
from ibackup.view.kinds_shown.entry_types import Download, EntryDetail, EntryRow, TakeForm

Record = TypeVar("Record")
MOST_ENTRIES: Final = 300_000
"""Of one kind in one backup: more than anyone has, and still no danger for the memory."""


@dataclass(frozen=True)
class EntryChip(Generic[Record]):
    """A choice of entries above a list.

    Attributes:
        name: in addresses.
        title: for people.
        icon: name of a shape.
        wants: whether an entry belongs to it.
    """

    name: str
    title: str
    icon: str
    wants: Callable[[Record], bool]


class KindShelf(Generic[Record]):
    """Everything of one kind in one backup, in the order in which it is shown. It never changes.

    Attributes:
        records: the entries.
        gaps: what could not be read.
        left_out: entries beyond what is kept.
    """

    def __init__(self, kind: "ShownKind[Record]", records: Sequence[Record], gaps: Gaps) -> None:
        self._kind = kind
        self.records = records[:MOST_ENTRIES]
        self.left_out = len(records) - len(self.records)
        self.gaps: tuple[Gap, ...] = tuple(gaps)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where in the list an entry is, by each of its ids."""
        found: dict[str, int] = {}
        for place, record in enumerate(self.records):
            for ident in self._kind.idents(record):
                found.setdefault(ident, place)
        return found

    def find(self, ident: str) -> Record | None:
        """An entry by its id."""
        place = self.places.get(ident)
        return None if place is None else self.records[place]

    def gone(self, later: "KindShelf[Record]") -> frozenset[str]:
        """The ids of the entries of which a later backup has nothing."""
        kind, known = self._kind, later.places
        return frozenset(
            kind.ident(record)
            for record in self.records
            if not any(each in known for each in kind.idents(record))
        )

    @cached_property
    def texts(self) -> list[str]:
        """What is searched of each entry, as it is compared."""
        return [comparable(self._kind.words(record)) for record in self.records]

    @cached_property
    def days(self) -> "list[date | None]":
        """The day of each entry."""
        return [self._kind.day(record) for record in self.records]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many entries belong to each of the kind's chips, by its name."""
        return {chip.name: sum(map(chip.wants, self.records)) for chip in self._kind.chips}

    @cached_property
    def groups(self) -> dict[str, int]:
        """How many entries are in each folder, calendar or list, in the order in which they come."""
        found: dict[str, int] = {}
        for record in self.records:
            place = self._kind.place(record)
            if place:
                found[place] = found.get(place, 0) + 1
        return found


@dataclass(frozen=True, slots=True)
class EntryLook:
    """What a detail is made with.

    Attributes:
        backup: unlocked.
        link: the address of a file of the entry, by the name that ``file`` knows.
        page: the address of a page of the same phone, in the same time, as of ``Asked.link``.
    """

    backup: Backup
    link: Callable[[str], str]
    page: Callable[..., str]


class ShownKind(ABC, Generic[Record]):
    """A kind.

    Attributes:
        page: its address below the phone's.
        icon: name of a shape.
        title: of the page.
        one, many: an entry and several in the middle of a sentence.
        find: what the field says in which one types.
        place_word: what `place` is, in the plural: "calendars".
        chips: choices of entries.
        forms: in which entries can be taken out.
        from_today: whether the list begins at the day of the backup, with earlier entries before it.
        dated: whether one can go to a day.
        parts: the pages that the page consists of: their addresses below the phone's, and their titles.
    """

    page: ClassVar[str]
    icon: ClassVar[str]
    title: ClassVar[str]
    one: ClassVar[str]
    many: ClassVar[str]
    find: ClassVar[str]
    place_word: ClassVar[str] = "folders"
    forms: ClassVar[tuple[TakeForm, ...]] = ()
    from_today: ClassVar[bool] = False
    dated: ClassVar[bool] = False
    parts: ClassVar[tuple[tuple[str, str], ...]] = ()
    chips: ClassVar[tuple[EntryChip, ...]] = ()  # type: ignore[type-arg]  # a class has no type of its own entries

    # -- all of them ------------------------------------------------------------------------------------------

    @abstractmethod
    def read(self, backup: Backup, gaps: Gaps) -> Sequence[Record]:
        """Everything of the kind in an unlocked backup, in the order in which it is shown.

        Raises:
            NoRoom: there is no space for a temporary copy.
            FormatError: the backup's list of files is damaged.
        """

    def shelf(self, backup: Backup) -> KindShelf[Record]:
        """Everything of the kind in an unlocked backup. Raises as ``read``."""
        gaps = Gaps()
        return KindShelf(self, self.read(backup, gaps), gaps)

    def why_none(self, shelf: KindShelf[Record]) -> str:
        """Why there is nothing, and what would fill the list, in sentences."""
        del shelf
        return f"There are no {self.many} in this backup."

    def summary(self, shelf: KindShelf[Record]) -> str:
        """What else is worth saying beside the number, as a sentence; empty for nothing."""
        del shelf
        return ""

    # -- one of them ------------------------------------------------------------------------------------------

    @abstractmethod
    def ident(self, record: Record) -> str:
        """Its id, the same in every backup of a phone."""

    def idents(self, record: Record) -> Sequence[str]:
        """All ids by which it is known; several for an entry that the phone puts together from others."""
        return (self.ident(record),)

    @abstractmethod
    def row(self, record: Record) -> EntryRow:
        """It in the list."""

    @abstractmethod
    def heading(self, record: Record) -> str:
        """The heading that it stands under: a letter, a day, a month, a folder."""

    @abstractmethod
    def words(self, record: Record) -> str:
        """What is searched of it."""

    def place(self, record: Record) -> str:
        """The folder, calendar or list that it is in; empty for none."""
        del record
        return ""

    def day(self, record: Record) -> date | None:
        """Its day, by which ``dated`` lists are sorted."""
        del record
        return None

    def with_repeats(
        self, shown: Sequence[Record], among: Iterable[Record], since: date, until: date
    ) -> Sequence[Record]:
        """Entries of a list, and in their order the other times at which some take place.

        Args:
            shown: the entries.
            among: which may take place again.
            since: the first day of that.
            until: the last one.
        """
        del among, since, until
        return shown

    def changed(self, record: Record) -> datetime | None:
        """When it was last changed; None if the phone does not note that."""
        del record
        return None

    def says(self, record: Record) -> Sequence[str]:
        """What it says, line by line: where two backups differ in one of these, it was changed in between."""
        return [line for line in self.words(record).split("\n") if line.strip()]

    @abstractmethod
    def detail(self, record: Record, shelf: KindShelf[Record], look: EntryLook) -> EntryDetail:
        """All that is known of it."""

    def file(self, record: Record, name: str, backup: Backup) -> Entry | bytes | None:
        """A file of it, by the name that ``row`` or ``detail`` gave it; None if there is no such file."""
        del record, name, backup
        return None

    def take(self, records: Sequence[Record], form: str, backup: Backup, *, alone: bool) -> Download:
        """Entries in a form that other programs read.

        Args:
            records: which.
            form: the name of one of ``forms``.
            backup: unlocked. Its list is read now; the chunks read files later, while they are sent.
            alone: whether one entry was asked for, and not all.
        """
        raise NotImplementedError


def is_stored(backup: Backup, entry: Entry) -> bool:
    """Whether a file that the backup lists is there; one that is not would cut a download off."""
    try:
        return backup.stored_bytes(entry.blob_path) > 0 or entry.size == 0
    except (FormatError, PathRefused, OSError):
        return False


def comparable(text: str) -> str:
    """A text as it is compared in lists: without case, accents and needless space."""
    return " ".join(folded(text).lower().split())


def matching(shelf: KindShelf[Record], words: str) -> Iterable[int]:
    """The places of the entries that have every word of a text somewhere."""
    wanted = comparable(words).split()
    if not wanted:
        return range(len(shelf.records))
    return (place for place, text in enumerate(shelf.texts) if all(each in text for each in wanted))


def initials(name: str) -> str:
    """One or two letters for a person without a picture; empty if the name has no letters."""
    letters = [word[0] for word in name.split() if word[0].isalpha()]
    return "".join(letters[:1] + letters[-1:] if len(letters) > 1 else letters).upper()


def letter(name: str) -> str:
    """The letter that a name stands under; "#" for what begins otherwise."""
    first = comparable(name)[:1].upper()
    return first if first.isalpha() else "#"
