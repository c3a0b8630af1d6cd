"""What keeps a phone reachable over Wi-Fi: heartbeats that are answered, and power assertions."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ibackup.simulator.computers_log import PhoneJournal
from ibackup.simulator.stream import Mailbox, Stream
from ibackup.simulator.wireless_spec import WirelessSpec

HEARTBEAT_SERVICE: Final = "com.apple.mobile.heartbeat"
ASSERTION_SERVICE: Final = "com.apple.mobile.assertion_agent"

PATIENCE_S: Final = 5.0
"""How long an answer to a heartbeat may take beyond the interval, and a service waits for the first one."""


@dataclass(eq=False)
class Heart:
    """One computer's heartbeat connection.

    Attributes:
        stream: the connection.
        answered: whether the computer has answered it.
        bed_time: gets something when the phone is about to sleep.
        said_good_night: the computer has been told.
    """

    stream: Stream
    answered: bool = False
    bed_time: Mailbox[None] = field(default_factory=Mailbox)
    said_good_night: threading.Event = field(default_factory=threading.Event)


class WirelessLife:
    """The heartbeats and assertions of one phone; safe to use from every thread."""

    def __init__(self, spec: WirelessSpec, journal: PhoneJournal) -> None:
        self.spec = spec
        self._journal = journal
        self._changed = threading.Condition()
        self._hearts: dict[str, Heart] = {}
        self._dependent: dict[Stream, str] = {}
        self._assertions: set[str] = set()
        self._released_at = time.monotonic()

    # --- heartbeats

    @contextlib.contextmanager
    def beating(self, stream: Stream) -> Iterator[Heart]:
        """A heartbeat connection: it ends the one before, and services end with it."""
        heart, key = Heart(stream), self._key(stream)
        with self._changed:
            before = self._hearts.get(key)
            self._hearts[key] = heart
        if before is not None:
            self._journal.add("heartbeat", "ended by another")
            before.stream.cancel()
        try:
            yield heart
        finally:
            with self._changed:
                lost = self._hearts.get(key) is heart
                if lost:
                    del self._hearts[key]
                orphans = [other for other, owner in self._dependent.items() if lost and owner == key]
            for orphan in orphans:
                orphan.cancel()
            heart.bed_time.close()

    def answered(self, heart: Heart) -> None:
        """The computer answered a heartbeat."""
        with self._changed:
            heart.answered = True
            self._changed.notify_all()

    @contextlib.contextmanager
    def depending(self, stream: Stream) -> Iterator[bool]:
        """A service's connection; False if no heartbeat is answered, so that it has to hang up."""
        key = self._key(stream)

        def settled() -> bool:
            heart = self._hearts.get(key)
            return heart is None or heart.answered

        with self._changed:
            self._changed.wait_for(settled, PATIENCE_S)
            heart = self._hearts.get(key)
            alive = heart is not None and heart.answered
            self._dependent[stream] = key
        try:
            yield alive
        finally:
            with self._changed:
                del self._dependent[stream]

    def say_good_night(self) -> None:
        """Tell every computer that the phone is about to sleep."""
        with self._changed:
            hearts = list(self._hearts.values())
        for heart in hearts:
            heart.bed_time.put(None)
        for heart in hearts:
            heart.said_good_night.wait(1)

    def _key(self, stream: Stream) -> str:
        return stream.computer if self.spec.heartbeat_for == "pairing" else ""

    # --- power assertions

    @contextlib.contextmanager
    def assertion(self, name: str) -> Iterator[None]:
        """An assertion that a computer holds."""
        key = f"{name} {time.monotonic()}"
        with self._changed:
            self._assertions.add(key)
        self._journal.add("assertion", name)
        try:
            yield
        finally:
            with self._changed:
                self._assertions.discard(key)
                self._released_at = time.monotonic()
            self._journal.add("assertion_released", name)

    def woken(self) -> None:
        """The phone was woken: the time until it sleeps starts over."""
        with self._changed:
            self._released_at = time.monotonic()

    def idle_s(self) -> float:
        """Seconds since the phone was woken or the last assertion was released; 0 while one is held."""
        with self._changed:
            return 0.0 if self._assertions else time.monotonic() - self._released_at
