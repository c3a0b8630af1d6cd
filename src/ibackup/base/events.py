"""The events of a running job.

A job gets an ``Observer`` and calls it with these events. It prints nothing, asks nothing and never ends the
program. The command line turns them into a progress bar, plain lines or JSON.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal[
    "find",  # looking for the phone
    "prepare",  # pairing, store, lock, clone, Info.plist
    "passcode",  # the phone waits for its passcode
    "scan",  # the phone is silent while it scans its files
    "receive",  # files arrive
    "finish",  # the phone moves, removes and checks
    "check",  # the manifest is compared with the files
    "seal",  # checksums, durability, final name
    "verify",
    "extract",
    "export",
    "search",
    "restore",
    "copy",  # a second copy is made or read
]


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A new phase has begun."""

    phase: Phase
    text: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of the current phase.

    Attributes:
        percent: 0 to 100, the phone's own figure, or None.
        bytes: bytes handled so far in this phase.
        total_bytes: the expected total, None if unknown.
        files: files handled so far in this phase.
        total_files: the expected total, None when unknown.
    """

    phase: Phase
    percent: float | None = None
    bytes: int = 0
    total_bytes: int | None = None
    files: int = 0
    total_files: int | None = None


@dataclass(frozen=True, slots=True)
class Silent:
    """The phone has been silent, which is normal; repeated while it lasts.

    Attributes:
        seconds: for how long so far.
        limit_s: when the job gives up.
        text: the same for people.
    """

    phase: Phase
    seconds: float
    limit_s: float
    text: str


PromptKind = Literal["unlock", "trust", "passcode", "accessory"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Someone must do something at the phone; the job waits."""

    kind: PromptKind
    text: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PromptDone:
    """The action that the last prompt of this kind asked for has happened."""

    kind: PromptKind


@dataclass(frozen=True, slots=True)
class Caution:
    """Something the user should know; the job continues."""

    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to say once; no cause for concern."""

    text: str


Event = PhaseStarted | Progress | Silent | Prompt | PromptDone | Caution | Note
Observer = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """The observer that ignores all events."""
