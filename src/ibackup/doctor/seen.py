"""A value with where it comes from, or the reason why it could not be seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)

SourceKind = Literal["usb", "backup", "sysdiagnose", "live", "apple", "person"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from.

    Attributes:
        kind: usb: the phone, asked now; backup: files of a local backup; sysdiagnose: the same files of such an
            archive; live: the phone's log or its network traffic; apple: a feed; person: somebody said so.
        date: when the value was so: of a backup or an archive, when it was made.
        label: what people are told: "USB", "local backup of 21 November 2026".
    """

    kind: SourceKind
    date: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Seen(Generic[T_co]):
    """A value and its source."""

    value: T_co
    source: Source

    def get(self) -> T_co:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Unseen:
    """A value that could not be seen.

    Attributes:
        why: part of a sentence: "the phone does not tell it".
        mend: what would let it be seen, where that is not what usually does.
    """

    why: str
    mend: str = ""

    def get(self) -> None:
        """None."""
        return


Fact: TypeAlias = Seen[T_co] | Unseen

NOT_ASKED = Unseen("it was not asked for")
