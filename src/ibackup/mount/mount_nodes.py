"""What a mounted tree is made of: folders, files and links. Nothing here knows how it is shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class MountedFile:
    """A file.

    Attributes:
        size: bytes; what ``open`` gives may be longer or shorter, if the backup's record is wrong.
        modified: seconds since 1970.
        open: the plaintext, readable at any position; raises OSError, IbackupError.
    """

    size: int
    modified: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class MountedLink:
    """A symbolic link; ``target`` is not looked at."""

    target: str
    modified: int


class MountedFolder(Protocol):
    """A folder."""

    @property
    def modified(self) -> int:
        """Seconds since 1970."""

    def children(self) -> "Mapping[str, MountedNode]":
        """What is in it, by name, each name fit for the system that looks. Raises OSError, IbackupError."""


MountedNode = MountedFile | MountedLink | MountedFolder


@dataclass(frozen=True, slots=True)
class FixedFolder:
    """A folder whose content is known, or found once when it is asked for."""

    modified: int
    find: "Callable[[], Mapping[str, MountedNode]]"

    def children(self) -> "Mapping[str, MountedNode]":
        """What is in it."""
        return self.find()


def text_file(text: str, modified: int) -> MountedFile:
    """A file that says something."""
    data = text.encode("utf-8", "replace")
    return MountedFile(len(data), modified, lambda: BytesIO(data))
