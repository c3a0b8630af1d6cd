"""A file of a phone's life, as every maker of databases gives it."""

from dataclasses import dataclass

APPLE_EPOCH = 978_307_200
"""2001-01-01 in Unix seconds."""


@dataclass(frozen=True, slots=True)
class LifeFile:
    """A real file on the phone; `modified` is in Unix seconds."""

    domain: str
    path: str
    data: bytes
    modified: int
