"""A file on its way from the phone, and one that the phone could not read."""

from dataclasses import dataclass
from typing import Protocol

from ibackup.base.confined import Parts, Staged


@dataclass(frozen=True, slots=True)
class FileNotRead:
    """A file that the phone could not read to its end; the part that arrived is stored, so that the phone can move it.

    Attributes:
        path: where it is stored, relative to the ``<UDID>`` folder; the phone moves it later.
        device_path: where it is on the phone.
        text: what the phone said.
    """

    path: str
    device_path: str
    text: str

    @property
    def length(self) -> int:
        """The most characters kept of it."""
        return len(self.path) + len(self.device_path) + len(self.text)


class _Hasher(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class Arrival:
    """An arriving file. The writing thread owns it until the list is over."""

    __slots__ = (
        "asked",
        "body",
        "digested",
        "failed",
        "hasher",
        "held",
        "mtime",
        "parts",
        "path",
        "sha1",
        "size",
        "staged",
        "unread",
    )

    def __init__(self, asked: str, parts: Parts, *, held: bool, digested: bool) -> None:
        self.asked = asked  # the path as the phone wrote it
        self.parts = parts
        self.path = "/".join(parts)
        self.held = held
        self.digested = digested  # whether the phone's list may have its SHA-1
        self.staged: Staged | None = None
        self.hasher: _Hasher | None = None
        self.sha1: _Hasher | None = None
        self.size = 0
        self.mtime = 0.0
        self.failed = False
        self.unread: FileNotRead | None = None
        self.body = bytearray()
