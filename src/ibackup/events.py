"""What a job tells while it works.

A job is given an ``Observer`` and calls it with these; it prints nothing, asks nothing and never ends the
program. The command line turns them into a progress bar, plain lines or JSON.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal[
    "find",  # looking for the phone
    "prepare",  # pairing, store, lock, clone, Info.plist
    "passcode",  # the phone waits for its passcode
    "scan",  # the phone is silent while it looks through its files
    "receive",  # files arrive
    "finish",  # the phone moves, removes and checks
    "check",  # the manifest is compared with the files
    "seal",  # checksums, durability, final name
    "verify",
    "extract",
    "restore",
]


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A new phase has begun."""

    phase: Phase
    text: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the present phase is.

    Attributes:
        percent: 0 to 100, the phone's own figure where it gives one, else None.
        bytes: bytes handled so far in this phase.
        total_bytes: the expected total, None when unknown.
        files: files handled so far in this phase.
        total_files: the expected total, None when unknown.
    """

    phase: Phase
    percent: float | None = None
    bytes: int = 0
    total_bytes: int | None = None
    files: int = 0
    total_files: int | None = None


PromptKind = Literal["unlock", "trust", "passcode", "accessory"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Somebody has to do something at the phone; the job waits."""

    kind: PromptKind
    text: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PromptDone:
    """What the last prompt of that kind asked for has happened."""

    kind: PromptKind


@dataclass(frozen=True, slots=True)
class Caution:
    """Something the user should know; the job goes on."""

    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth saying once; no cause for concern."""

    text: str


Event = PhaseStarted | Progress | Prompt | PromptDone | Caution | Note
Observer = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """The observer for those who do not listen."""
