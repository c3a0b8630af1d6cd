"""The exit codes of every command."""

from collections.abc import Iterable
from enum import IntEnum

_WORST_FIRST = (4, 1, 16, 14, 11, 12, 13, 15, 20, 3, 30)


class ExitCode(IntEnum):
    """The exit codes of every command; scripts rely on them (docs/design.md)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    FLAWED = 3
    DAMAGE = 4
    NO_PHONE = 10
    PERSON_NEEDED = 11
    PHONE_REFUSED = 12
    CONNECTION_LOST = 13
    NO_ROOM = 14
    BUSY = 15
    STORE_MISSING = 16
    PASSWORD = 20
    NOT_A_BACKUP = 21
    STALE = 30
    ICLOUD_BLOCKED = 31
    INTERRUPTED = 130


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The first of 4, 1, 16, 14, 11, 12, 13, 15, 20, 3, 30 that occurred; any other code counts as 1."""
    found = {int(code) if int(code) in _WORST_FIRST else 1 for code in codes if code}
    return next((ExitCode(code) for code in _WORST_FIRST if code in found), ExitCode.OK)
