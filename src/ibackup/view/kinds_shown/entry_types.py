"""What a list and a detail show of one entry, whatever its kind. All texts are plain: templates escape them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class EntryMark:
    """A word beside an entry, with the shape and the colour that go with it.

    Attributes:
        word: "Missed".
        icon: name of a shape of the style sheet, without "i-".
        tone: "gone", "wait", "bad", "good"; empty for a quiet one.
    """

    word: str
    icon: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry in a list.

    Attributes:
        title: what it is called.
        subtitle: one line about it.
        when: at the right: a time, a day or a length.
        marks: words before the subtitle.
        initials: of a person, in place of the kind's icon.
        picture: the name of its picture, for the kind's ``file``; empty for none.
        done: whether it is ticked off.
    """

    title: str
    subtitle: str = ""
    when: str = ""
    marks: tuple[EntryMark, ...] = ()
    initials: str = ""
    picture: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class FactLine:
    """A line of a fact.

    Attributes:
        text: what it says.
        href: where it leads, an address of this view or a web address that was found harmless; empty for none.
        about: what is said beside it in small: "accepted".
    """

    text: str
    href: str = ""
    about: str = ""

    @property
    def leaves(self) -> bool:
        """Whether it leads out of this view."""
        return bool(self.href) and not self.href.startswith("/")


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of an entry under one name."""

    name: str
    lines: tuple[FactLine, ...]

    @classmethod
    def of(cls, name: str, *texts: str) -> "Fact":
        """A fact of plain texts; empty ones are left out."""
        return cls(name, tuple(FactLine(each) for each in texts if each))


@dataclass(frozen=True, slots=True)
class EntryNotice:
    """What a person should know about an entry before its contents: that it is locked, gone or not whole.

    Attributes:
        heading: in a few words.
        text: a sentence.
        icon: name of a shape.
        tone: as of ``EntryMark``.
        href: of what to do; `action`: the words for it.
    """

    heading: str
    text: str = ""
    icon: str = "info"
    tone: str = ""
    href: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class EntrySound:
    """A recording.

    Attributes:
        file: its name for the kind's ``file``.
        title: for people who do not see the player.
        playable: whether browsers have the codec.
    """

    file: str
    title: str
    playable: bool = True


@dataclass(frozen=True, slots=True)
class RelatedEntry:
    """Another entry of the same kind: a call with the same person, a moved occurrence.

    Attributes:
        ident: its id; empty if it is not in the list.
        text: what it says.
        about: beside it, in small.
        icon: name of a shape.
    """

    ident: str
    text: str
    about: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class RelatedEntries:
    """Entries under a heading."""

    heading: str
    entries: tuple[RelatedEntry, ...]


@dataclass(frozen=True, slots=True)
class EntryTable:
    """Figures in rows."""

    heading: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryDetail:
    """All that is known of one entry.

    Attributes:
        title: its heading.
        subtitle: one line below.
        initials, picture: as of ``EntryRow``.
        notices: before everything else.
        body: a note's text as HTML in which everything from the backup is escaped.
        text: longer text in lines, such as a transcript, under `text_heading`.
        facts: by name.
        technical: for those who help.
        can_be_taken: whether anything of it can be taken out.
    """

    title: str
    subtitle: str = ""
    initials: str = ""
    picture: str = ""
    notices: tuple[EntryNotice, ...] = ()
    body: Markup | None = None
    text: str = ""
    text_heading: str = ""
    sounds: tuple[EntrySound, ...] = ()
    facts: tuple[Fact, ...] = ()
    related: tuple[RelatedEntries, ...] = ()
    tables: tuple[EntryTable, ...] = ()
    technical: tuple[Fact, ...] = ()
    can_be_taken: bool = True


@dataclass(frozen=True, slots=True)
class TakeForm:
    """A form in which entries can be taken out.

    Attributes:
        name: in addresses: "vcf".
        one: words for one entry; empty if a single one cannot be taken out so.
        all: words for all of them, with "{}" for their number.
    """

    name: str
    one: str
    all: str


@dataclass(frozen=True, slots=True)
class Download:
    """What a browser gets to keep.

    Attributes:
        name: of the file.
        type: its content type.
        chunks: its bytes, made while they are sent.
    """

    name: str
    type: str
    chunks: Iterator[bytes] = field(repr=False)


def facts(*found: Fact | None) -> tuple[Fact, ...]:
    """Those that say something."""
    return tuple(each for each in found if each is not None and each.lines)


def dated(moment: datetime | None) -> float:
    """A key by which the newest come last; what has no time comes first."""
    if moment is None:
        return float("-inf")
    try:
        return moment.timestamp()
    except (OverflowError, OSError, ValueError):
        return float("-inf")
