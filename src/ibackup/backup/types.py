"""What a backup is asked to do, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self

from ibackup.store import Store, Unreadable

PasswordSource = Callable[[str], str | None]
"""Gives the password of a phone's backups by its UDID, or None; may raise PasswordNeeded."""


@dataclass(frozen=True, slots=True)
class Request:
    """One backup to make.

    Attributes:
        store: where it goes.
        password: asked once, after the phone is known; without one an encrypted backup is checked by the phone alone.
        udid: which phone; None takes the only one that is connected.
        full: have the phone send everything again.
        copies: copy the previous snapshot where the disk has no links; remembered for the store. None: what it
            remembers.
        wait: seconds to wait for a phone that is not connected.
        patience: seconds to wait for somebody at the phone (unlock, Trust).
        retry: whether a connection that is lost or stalls is made anew once, if the phone is still there; it asks for
            its passcode again then.
    """

    store: Store
    password: PasswordSource
    udid: str | None = None
    full: bool = False
    copies: bool | None = None
    wait: float = 0.0
    patience: float = 60.0
    retry: bool = True

    def with_copies(self) -> Self:
        """The same request, on a disk without links."""
        return replace(self, copies=True)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished backup; sizes in bytes.

    Attributes:
        checked: ``manifest`` when every file that the backup's list names was found with its size, ``phone`` when the
            list was locked and only the phone's own check and the seal stand for it.
        resumed_bytes: what an earlier, broken run had already received.
        carried_files: files that did not change since the previous snapshot.
    """

    snapshot: str
    path: str
    udid: str
    device_name: str
    files: int
    bytes: int
    received_bytes: int
    full: bool
    encrypted: bool
    resumed_bytes: int
    carried_files: int
    checked: Literal["manifest", "phone"]
    unreadable: tuple[Unreadable, ...]
    started: datetime
    duration_s: float
