"""The results of checking the computer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

CheckState = Literal[
    "good",  # in place
    "advice",  # works without it, but better with it
    "missing",  # no backup, or no unattended one, without it
]


@dataclass(frozen=True, slots=True)
class ComputerCheck:
    """One thing that was checked.

    Attributes:
        name: a word or two.
        text: what was found, a sentence.
        commands: the exact commands that fix it, in order.
    """

    name: str
    state: CheckState
    text: str
    commands: tuple[str, ...] = ()


def is_ready(checks: Iterable[ComputerCheck]) -> bool:
    """Whether this is in place."""
    return all(check.state != "missing" for check in checks)
