"""Calendars and reminders as iCalendar (RFC 5545), in text that any calendar program imports."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import icalendar
from icalendar import vCalAddress, vDDDTypes, vRecur, vText

from ibackup.contents.calendar.event_types import CalendarInfo, Event, EventAlarm, Guest, Moment
from ibackup.contents.reminders import Reminder

_PRODUCT: Final = "-//ibackup//export//EN"
_FIRST, _LAST = (
    date(1970, 1, 1),
    date(2038, 1, 1),
)  # a zone's changes of clocks are listed at least between these
_EARLIEST, _LATEST = 1900, 2100
_UNKNOWN_STAMP: Final = datetime(2001, 1, 1, tzinfo=UTC)
_URI: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:[^\s\x00-\x20\x7f<>\"]+")
_MAIL: Final = re.compile(r"[^\s\x00-\x20\x7f<>\",;:@]+@[^\s\x00-\x20\x7f<>\",;:@]+")
_PHONE: Final = re.compile(r"\+?[0-9() ./-]+")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u0085\u2028\u2029]")
_COLOR: Final = re.compile(r"#[0-9A-Fa-f]{6}")
_STATUS: Final = {
    "accepted": "ACCEPTED",
    "declined": "DECLINED",
    "tentative": "TENTATIVE",
    "delegated": "DELEGATED",
    "needs action": "NEEDS-ACTION",
}
_ROLE: Final = {
    "required": "REQ-PARTICIPANT",
    "optional": "OPT-PARTICIPANT",
    "chair": "CHAIR",
    "none": "NON-PARTICIPANT",
}
_PROXIMITY: Final = {"arriving": "ARRIVE", "leaving": "DEPART"}
_NEVER: Final = datetime(1976, 4, 1, 0, 55, 45, tzinfo=UTC)  # what Apple writes for an alarm without a time
_MOST_ALARM: Final = 10 * 366 * 86_400  # seconds


def calendar_ics(info: CalendarInfo, events: Sequence[Event]) -> Iterator[bytes]:
    """A calendar, piece by piece; events without a start are left out, since no program can place them."""
    yield from _head(info.title, info.color)
    yield from _zones([moment for event in events for moment in event.moments()])
    changed: dict[str, set[Moment]] = {}
    for event in events:
        if event.instead_of is not None:
            changed.setdefault(event.uid, set()).add(event.instead_of)
    for event in events:
        if event.start is not None:
            yield _event(event, event.start, changed.get(event.uid, set())).to_ical()
    yield b"END:VCALENDAR\r\n"


def reminders_ics(title: str, reminders: Sequence[Reminder]) -> Iterator[bytes]:
    """A list of reminders, piece by piece."""
    yield from _head(title, "")
    yield from _zones([each.due for each in reminders if each.due is not None])
    for reminder in reminders:
        yield _todo(reminder).to_ical()
    yield b"END:VCALENDAR\r\n"


def _head(title: str, color: str) -> Iterator[bytes]:
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    if title:
        calendar.add("x-wr-calname", vText(_clean(title)))
    if _COLOR.fullmatch(color[:7]):
        calendar.add("x-apple-calendar-color", vText(color[:7]))
    yield calendar.to_ical().removesuffix(b"END:VCALENDAR\r\n")


def _zones(moments: Iterable[Moment]) -> Iterator[bytes]:
    """A description of each zone, from before its first event to after its last."""
    spans: dict[str, tuple[date, date]] = {}
    for moment in moments:
        name = getattr(moment.tzinfo, "key", "") if isinstance(moment, datetime) else ""
        if not name or name == "UTC":
            continue
        first, last = spans.get(name, (_FIRST, _LAST))
        year = min(max(moment.year, _EARLIEST), _LATEST)
        spans[name] = min(first, date(year, 1, 1)), max(last, date(year + 1, 12, 31))
    for name, (first, last) in sorted(spans.items()):
        zone = icalendar.Timezone.from_tzid(name, first_date=first, last_date=last)
        yield zone.to_ical()


def _event(event: Event, start: Moment, changed: set[Moment]) -> icalendar.Event:
    made = icalendar.Event()
    made.add("uid", vText(_clean(event.uid)))
    made.add("dtstamp", event.changed or event.created or _UNKNOWN_STAMP)
    _add_times(made, {"created": event.created, "last-modified": event.changed})
    made.add("dtstart", start)
    if event.end is not None and type(event.end) is type(start) and event.end > start:
        made.add("dtend", event.end)
    if event.instead_of is not None:
        made.add("recurrence-id", event.instead_of)
    else:
        _add_rules(made, event.rules)
        # Some programs drop a changed occurrence whose original is also excepted.
        for moment in event.except_on:
            if moment not in changed:
                made.add("exdate", moment)
    _add_texts(made, event)
    _add_people(made, event)
    for alarm in event.alarms:
        made.add_component(_alarm(alarm, event.title))
    return made


def _add_texts(made: icalendar.Event, event: Event) -> None:
    links = {"url": event.url, "conference": event.conference_url}
    further = []
    for name, link in links.items():
        if _URI.fullmatch(link):
            made.add(name, icalendar.vUri(link), parameters={"VALUE": "URI"})
        elif link.strip():
            further.append(_clean(link))
    made.add("summary", vText(_clean(event.title)))
    notes = "\n".join(filter(None, [_clean(event.notes), *further]))
    if notes:
        made.add("description", vText(notes))
    if event.place is not None:
        if event.place.shown:
            made.add("location", vText(_clean(event.place.shown)))
        if event.place.latitude is not None and event.place.longitude is not None:
            made.add("geo", (event.place.latitude, event.place.longitude))
    if event.travel_seconds and event.travel_seconds <= _MOST_ALARM:
        made.add("x-apple-travel-duration", vDDDTypes(timedelta(seconds=event.travel_seconds)))


def _add_people(made: icalendar.Event, event: Event) -> None:
    if event.organizer is not None and (address := _address(event.organizer, {})) is not None:
        made.add("organizer", address, encode=False)
    for guest in event.attendees:
        parameters = {"PARTSTAT": _STATUS[guest.status], "ROLE": _ROLE[guest.role]}
        address = _address(guest, parameters)
        if address is not None:
            made.add("attendee", address, encode=False)


def _address(guest: Guest, parameters: Mapping[str, str]) -> vCalAddress | None:
    if _MAIL.fullmatch(guest.address):
        found = vCalAddress(f"mailto:{guest.address}")
    elif _PHONE.fullmatch(guest.address):
        found = vCalAddress("tel:" + re.sub(r"[^0-9+]", "", guest.address))
    elif guest.name:
        found = vCalAddress("invalid:nomail")  # as iPhones write a guest without address
    else:
        return None
    name = _CONTROLS.sub("", guest.name).replace('"', "'").replace("\n", " ").replace("\t", " ").strip()
    if name:
        found.params["CN"] = name
    found.params.update(parameters)
    return found


def _alarm(alarm: EventAlarm, title: str) -> icalendar.Alarm:
    made = icalendar.Alarm()
    made.add("action", "DISPLAY")
    made.add("description", vText(_clean(title)))
    if alarm.proximity:
        made.add("trigger", _NEVER)
        made.add("proximity", vText(_PROXIMITY[alarm.proximity]))
    elif alarm.at is not None:
        made.add("trigger", alarm.at.astimezone(UTC))
    else:
        seconds = max(-_MOST_ALARM, min(alarm.seconds or 0, _MOST_ALARM))
        made.add("trigger", timedelta(seconds=seconds))
    return made


def _todo(reminder: Reminder) -> icalendar.Todo:
    made = icalendar.Todo()
    made.add("uid", vText(_clean(reminder.id)))
    made.add("dtstamp", reminder.changed or reminder.created or _UNKNOWN_STAMP)
    _add_times(made, {"created": reminder.created, "last-modified": reminder.changed})
    made.add("summary", vText(_clean(reminder.title)))
    if reminder.notes:
        made.add("description", vText(_clean(reminder.notes)))
    if reminder.due is not None:
        made.add("due", reminder.due)
        if reminder.rules:  # a rule counts from a start
            made.add("dtstart", reminder.due)
            _add_rules(made, reminder.rules)
    if reminder.done:
        made.add("status", "COMPLETED")
        made.add("percent-complete", 100)
        if reminder.completed is not None:
            made.add("completed", reminder.completed.astimezone(UTC))
    else:
        made.add("status", "NEEDS-ACTION")
    if reminder.priority:
        made.add("priority", reminder.priority)
    if reminder.flagged:
        made.add("categories", ["Flagged"])
    if reminder.parent:
        made.add("related-to", vText(_clean(reminder.parent)))
    return made


def _add_times(made: icalendar.Component, times: Mapping[str, datetime | None]) -> None:
    for name, moment in times.items():
        if moment is not None:
            made.add(name, moment.astimezone(UTC).replace(microsecond=0))


def _add_rules(made: icalendar.Component, rules: Iterable[str]) -> None:
    for rule in rules:
        made.add("rrule", vRecur.from_ical(rule))


def _clean(text: str) -> str:
    """A text without what no calendar may hold; its line ends become those of the format."""
    return (
        _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).encode("utf-8", "replace").decode()
    )
