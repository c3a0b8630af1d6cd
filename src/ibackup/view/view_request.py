"""What ``ibackup open`` was asked to show, and where it listens."""

from dataclasses import dataclass, field

from ibackup.view.guard.listen_rules import ListenRequest


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """What to show.

    Attributes:
        config: the config file that the user named, None for the usual one.
        store: the store that the user named, None for that of the config.
        folder: a backup folder to show in place of a store; None shows the store.
        udid: the UDID that the folder's name tells, if any.
        listen: where, and who gets in.
        ends_itself: end some minutes after the last page was closed, since nobody sits at a terminal.
    """

    config: str | None = None
    store: str | None = None
    folder: str | None = None
    udid: str | None = None
    listen: ListenRequest = field(default_factory=ListenRequest)
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
