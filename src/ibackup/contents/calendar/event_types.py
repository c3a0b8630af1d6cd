"""What a calendar holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

Moment = date | datetime
"""When something begins or ends: a date for all-day events, a naive datetime for floating ones, else an aware one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CalendarInfo:
    """A calendar.

    Attributes:
        id: the same in every snapshot of this phone.
        title: what the person calls it.
        color: such as "#FF2968"; may be empty.
        account: the account that it belongs to, such as "iCloud".
    """

    id: str
    title: str
    color: str
    account: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Guest:
    """Someone who is invited, or who invites.

    Attributes:
        name: may be empty.
        address: an e-mail address or a phone number; may be empty.
        status: "accepted", "declined", "tentative", "delegated", or "needs action" for no answer.
        role: "required", "optional", "chair" or "none".
        is_self: whether it is the phone's owner.
    """

    name: str
    address: str
    status: str
    role: str
    is_self: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EventPlace:
    """Where an event is; the position is in degrees, None if unknown."""

    title: str
    address: str
    latitude: float | None
    longitude: float | None

    @property
    def shown(self) -> str:
        """Title and address in one line."""
        return ", ".join(dict.fromkeys(each for each in (self.title, self.address) if each))


@dataclass(frozen=True, kw_only=True, slots=True)
class EventAlarm:
    """An alarm.

    Attributes:
        seconds: relative to the event's start, negative before it; None if it is not relative.
        at: when, if it is not relative.
        proximity: "arriving" or "leaving" if it rings at a place; else empty.
    """

    seconds: int | None = None
    at: datetime | None = None
    proximity: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An event, or one changed occurrence of an event that repeats.

    Attributes:
        id: the same in every snapshot.
        uid: the identifier that calendar programs know it by; a changed occurrence has that of its event.
        calendar: the calendar it is in.
        start, end: the end is the first moment, or for all-day events the first day, after it. None if the phone's
            value is no time.
        all_day: whether it takes whole days.
        floating: whether it is at that time in the zone where the person is.
        zone: the name of its time zone; empty if it has none that is known.
        rules: how it repeats, each as the value of an RRULE (RFC 5545).
        except_on: the occurrences that do not take place, or have a changed one in their place.
        instead_of: for a changed occurrence, when it would have begun.
        status, availability, privacy: the phone's codes, whose meaning is unconfirmed; None if it noted none.
        travel_seconds: time to get there; 0 for none.
    """

    id: str
    uid: str
    calendar: CalendarInfo
    title: str
    start: Moment | None
    end: Moment | None
    all_day: bool
    floating: bool
    zone: str
    notes: str
    place: EventPlace | None
    url: str
    conference_url: str
    organizer: Guest | None
    attendees: tuple[Guest, ...]
    alarms: tuple[EventAlarm, ...]
    rules: tuple[str, ...]
    except_on: tuple[Moment, ...]
    instead_of: Moment | None
    status: int | None
    availability: int | None
    privacy: int | None
    travel_seconds: int
    created: datetime | None
    changed: datetime | None

    def moments(self) -> Iterator[Moment]:
        """All its times that depend on its zone."""
        for each in (self.start, self.end, self.instead_of, *self.except_on):
            if each is not None:
                yield each
