"""What a start icon is made of."""

from dataclasses import dataclass

NAME = "ibackup"
COMMENT = "See your iPhone's backups, and make new ones"


@dataclass(frozen=True, slots=True)
class IconFile:
    """A file of a start icon.

    Attributes:
        path: where it goes.
        data: what it holds.
        mode: its permissions.
    """

    path: str
    data: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class StartIcon:
    """A start icon of one system.

    Attributes:
        files: to write, in this order.
        command: to run after them, with variables for its environment; empty if the files are enough.
        environment: those variables.
        where: where its user finds it, for people.
    """

    files: tuple[IconFile, ...]
    where: str
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
