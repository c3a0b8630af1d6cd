"""What a look at the computer gives."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal[
    "good",  # in place
    "advice",  # works without it, better with it
    "missing",  # no backup, or no unattended one, without it
]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: a word or two.
        text: what was found, a sentence.
        commands: what to type against it, in this order; exact.
    """

    name: str
    state: State
    text: str
    commands: tuple[str, ...] = ()


def is_ready(checks: Iterable[Check]) -> bool:
    """Whether nothing is missing."""
    return all(check.state != "missing" for check in checks)
