"""What ``ibackup open`` was asked to show, and where it listens."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """What to show.

    Attributes:
        config: the config file that the user named, None for the usual one.
        store: the store that the user named, None for that of the config.
        folder: a backup folder to show in place of a store; None shows the store.
        udid: the UDID that the folder's name tells, if any.
        port: of 127.0.0.1; 0 takes a free one.
        ends_itself: end some minutes after the last page was closed, since nobody sits at a terminal.
    """

    config: str | None = None
    store: str | None = None
    folder: str | None = None
    udid: str | None = None
    port: int = 0
    ends_itself: bool = False


@dataclass(frozen=True, slots=True)
class Listening:
    """The view answers now.

    Attributes:
        url: opens it once, within a minute; anyone who has it gets in.
        address: the same without the token: what a browser that is in already can use.
    """

    url: str
    address: str
