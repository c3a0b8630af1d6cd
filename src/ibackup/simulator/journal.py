"""What computers did with the virtual iPhone, for tests and for the curious."""

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class PhoneEvent:
    """One thing that happened.

    Attributes:
        kind: connect, session, pair, unpair, start_service, posted (a notification by a computer), notified
            (one by the phone), lock_taken, lock_refused, lock_released, afc_write, refused, fault, request, …
        detail: the service, notification, path or error concerned.
        at: time.monotonic() when it happened.
    """

    kind: str
    detail: str
    at: float


class Journal:
    """Events in their order; safe to use from every thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[PhoneEvent] = []

    def add(self, kind: str, detail: str = "") -> None:
        """Write one event down."""
        with self._changed:
            self._events.append(PhoneEvent(kind, detail, time.monotonic()))
            self._changed.notify_all()

    def events(self, kind: str | None = None) -> tuple[PhoneEvent, ...]:
        """Everything so far, or everything of one kind."""
        with self._changed:
            return tuple(event for event in self._events if kind in (None, event.kind))

    def details(self, kind: str) -> list[str]:
        """The details of every event of one kind."""
        return [event.detail for event in self.events(kind)]

    def wait(self, kind: str, detail: str | None = None, *, timeout: float = 5.0) -> bool:
        """Wait until such an event is there; False when it did not come within `timeout` seconds."""

        def there() -> bool:
            return any(event.kind == kind and detail in (None, event.detail) for event in self._events)

        with self._changed:
            return self._changed.wait_for(there, timeout)
