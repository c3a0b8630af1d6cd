"""A log of what computers did with the virtual iPhone."""

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class PhoneEvent:
    """One event.

    Attributes:
        kind: connect, session, pair, unpair, start_service, posted (a notification by a computer), notified
            (one by the phone), lock_taken, lock_refused, lock_released, afc_write, refused, fault, request,
            …
        detail: the service, notification, path or error.
        at: time.monotonic() when it happened.
    """

    kind: str
    detail: str
    at: float


class PhoneJournal:
    """Events in order; safe to use from every thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[PhoneEvent] = []

    def add(self, kind: str, detail: str = "") -> None:
        """Record one event."""
        with self._changed:
            self._events.append(PhoneEvent(kind, detail, time.monotonic()))
            self._changed.notify_all()

    def events(self, kind: str | None = None) -> tuple[PhoneEvent, ...]:
        """All events so far, or all events of one kind."""
        with self._changed:
            return tuple(event for event in self._events if kind in (None, event.kind))

    def details(self, kind: str) -> list[str]:
        """The details of every event of one kind."""
        return [event.detail for event in self.events(kind)]

    def wait(self, kind: str, detail: str | None = None, *, timeout: float = 60.0) -> bool:
        """Wait for such an event; False if none came within `timeout` seconds."""

        def there() -> bool:
            return any(event.kind == kind and detail in (None, event.detail) for event in self._events)

        with self._changed:
            return self._changed.wait_for(there, timeout)
