"""What a search could not look into."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SearchGap:
    """A snapshot that could not be searched, or not wholly; ``reason`` is the end of a sentence about it.

    Attributes:
        locked: no key opens it.
        minor: all documents are there, but of some of them not all texts could be read.
    """

    snapshot: str
    reason: str
    locked: bool = False
    minor: bool = False
