"""What a run knows about one file of its working copy."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

_ATTEMPT_BITS: Final = 40


class Origin(IntEnum):
    """Where a file of the working copy comes from, and whether it is known to be on the disk."""

    CARRIED = 0  # from the cloned snapshot, unchanged
    NEW = 1  # from this run
    SYNCED = 2  # from this run, and durable


class Line(NamedTuple):
    """A file in the ledger.

    Attributes:
        mtime: seconds since 1970.
        sha256: 32 bytes.
        sha1: 20 bytes; None if it was not computed.
        arrived: when it came from the phone, as a number that grows with each file and each attempt; 0 for a
            cloned file.
    """

    path: str
    size: int
    mtime: float
    sha256: bytes
    origin: Origin
    sha1: bytes | None = None
    arrived: int = 0

    @property
    def attempt(self) -> int:
        """The attempt of the phone in which it arrived."""
        return self.arrived >> _ATTEMPT_BITS


Carried = tuple[str, int, float, bytes, bytes | None]
"""A cloned file: its name, then size, mtime, SHA-256 and SHA-1 as in ``Line``."""


class Unread(NamedTuple):
    """What the phone reported about a file that it could not read to its end.

    Attributes:
        path: the file's place in the complete backup.
        device_path: where it is on the phone.
        said: the phone's words.
        size: bytes that arrived.
    """

    path: str
    device_path: str
    said: str
    size: int


@dataclass(frozen=True, slots=True)
class Totals:
    """``bytes`` is for all files; ``carried`` counts the files that were cloned unchanged."""

    files: int
    bytes: int
    carried: int


def first_of(attempt: int) -> int:
    """A number lower than those of all files of an attempt, and higher than all of earlier attempts.

    See ``Line.arrived``.
    """
    return attempt << _ATTEMPT_BITS
