"""A value with its source, or the reason why it could not be seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)

SourceKind = Literal["usb", "backup", "sysdiagnose", "live", "apple", "person"]


@dataclass(frozen=True, slots=True)
class EvidenceSource:
    """Where a value comes from.

    Attributes:
        kind: usb: the phone, read now; backup: files in a local backup; sysdiagnose: the same files in a sysdiagnose
        archive; live: the phone's log or its network traffic; apple: a feed; person: the user said so. date: when
        the value was true; for a backup or an archive, when it was made. label: what people see: "USB", "local
        backup of 21 November 2026".
    """

    kind: SourceKind
    date: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Seen(Generic[T_co]):
    """A value and its source."""

    value: T_co
    source: EvidenceSource

    def get(self) -> T_co:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Unseen:
    """A value that could not be seen.

    Attributes:
        why: part of a sentence: "the phone does not report it".
        fix: how to make it visible, if the usual way does not.
    """

    why: str
    fix: str = ""

    def get(self) -> None:
        """None."""
        return


Fact: TypeAlias = Seen[T_co] | Unseen

NOT_ASKED = Unseen("ibackup did not ask for it")
