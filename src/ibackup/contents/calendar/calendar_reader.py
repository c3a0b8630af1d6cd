"""The events of the phone's calendars, with recurrence, exceptions, guests and alarms."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

from ibackup.apple.app_places import CALENDARS
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, AppTable, Cell, number, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.calendar.event_types import CalendarInfo, Event, EventAlarm, EventPlace, Guest, Moment
from ibackup.contents.calendar.repetition import CALENDAR_FREQUENCIES, calendar_parts, rule
from ibackup.contents.gaps import Gaps
from ibackup.contents.odd_values import OddValues
from ibackup.contents.time_zones import known_zone

PART: Final = "calendar"
EVENT, REMINDER = 2, 3
_ATTENDEE: Final = 7
_ORGANIZER: Final = 8
_FLOATING: Final = "_float"
_BIRTHDAYS: Final = "gregorian"  # the scale of the items that the phone makes from contacts' birthdays
_STATUS: Final = {1: "accepted", 2: "declined", 3: "tentative", 4: "delegated"}
_ROLE: Final = {1: "required", 2: "optional", 3: "chair", 4: "none"}
_PROXIMITY: Final = {1: "arriving", 2: "leaving"}
_FIRST_YEAR, _LAST_YEAR = 2, 4000  # times outside are stand-ins for none
_MOST_DETAILS: Final = 2_000_000
_COLUMNS: Final = (
    "UUID",
    "unique_identifier",
    "calendar_id",
    "summary",
    "start_date",
    "start_tz",
    "end_date",
    "end_tz",
    "all_day",
    "description",
    "location_id",
    "url",
    "conference_url_detected",
    "conference_url",
    "organizer_id",
    "orig_item_id",
    "orig_date",
    "status",
    "availability",
    "privacy_level",
    "travel_time",
    "creation_date",
    "last_modified",
    "birthday_id",
    "calendar_scale",
    "entity_type",
)


@dataclass(slots=True)
class _Details:
    """What other tables say of one event."""

    attendees: list[Guest] = field(default_factory=list)
    organizer: Guest | None = None
    alarms: list[EventAlarm] = field(default_factory=list)
    rules: list[tuple[Cell, ...]] = field(default_factory=list)
    except_on: list[Cell] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Clock:
    """How the times of one event are to be read."""

    all_day: bool
    floating: bool
    zone: ZoneInfo | None

    def moment(self, instant: datetime) -> Moment:
        if self.all_day:
            return instant.astimezone(UTC).date()
        if self.floating:
            return instant.astimezone(UTC).replace(tzinfo=None)
        return instant.astimezone(self.zone or UTC)


@dataclass(frozen=True, slots=True)
class _Owner:
    """An event of which another is a changed occurrence: its identifier, and how its times are to be read."""

    uid: str
    clock: _Clock


class Calendars:
    """A backup's calendars; iterate over it for their events. Close it when done.

    What other tables say of the events is kept in memory (some 1 KiB for an event with guests).
    """

    def __init__(self, database: AppDatabase, gaps: Gaps) -> None:
        self._database = database
        self._gaps = gaps
        self._odd = OddValues(PART, gaps)
        self._off: set[int] = set()
        self._organizers: dict[int, Guest] = {}
        self._calendars = self._read_calendars()

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """Open them; None if the backup has none or, with a gap, if they cannot be read. Raises NoRoom, FormatError."""
        database = AppDatabase.of(backup, CALENDARS, PART, gaps)
        return None if database is None else cls(database, gaps)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @property
    def calendars(self) -> list[CalendarInfo]:
        """The calendars of accounts that are switched on, also those without events."""
        return [info for row, info in self._calendars.items() if row not in self._off]

    def __iter__(self) -> Iterator[Event]:
        """Every event, and every changed occurrence of one; birthdays from contacts are not among them."""
        table = self._database.table("CalendarItem")
        if table is None:
            self._gaps.add(PART, "the database has no table of events", damage=True)
            return
        details = self._details()
        places = self._places()
        owners = self._owners(table)
        seen: set[str] = set()
        for row, *cells in table.select(*_COLUMNS):
            named = dict(zip(_COLUMNS, cells, strict=True))
            if self._left_out(named):
                continue
            event = self._event(number(row), named, details.pop(number(row), _Details()), places, owners)
            if event.id in seen:
                continue
            seen.add(event.id)
            yield event

    def _left_out(self, cells: dict[str, Cell]) -> bool:
        if number(cells["entity_type"]) == REMINDER:
            return True  # the reader of reminders has them
        if number(cells["birthday_id"]) > 0 or text(cells["calendar_scale"]) == _BIRTHDAYS:
            self._gaps.add(PART, "a birthday that the phone shows from a contact; it is with the contacts")
            return True
        if number(cells["calendar_id"]) in self._off:
            self._gaps.add(PART, "an event of an account that is switched off on the phone")
            return True
        return False

    def _event(
        self,
        row: int,
        cells: dict[str, Cell],
        details: _Details,
        places: dict[int, EventPlace],
        owners: dict[int, _Owner],
    ) -> Event:
        own = text(cells["UUID"]) or f"event {row}"
        # A changed occurrence whose event is lost is an event of its own.
        owner = owners.get(number(cells["orig_item_id"]))
        clock = self._clock(cells["all_day"], cells["start_tz"], cells["end_tz"])
        start, end = self._time(cells["start_date"]), self._time(cells["end_date"])
        replaced = self._time(cells["orig_date"]) if owner is not None else None
        travel = self._odd.whole(cells["travel_time"]) or 0
        return Event(
            id=own,
            uid=owner.uid if owner is not None else text(cells["unique_identifier"]) or own,
            calendar=self._calendars.get(number(cells["calendar_id"])) or _UNKNOWN,
            title=text(cells["summary"]),
            start=None if start is None else clock.moment(start),
            end=self._end(clock, start, end),
            all_day=clock.all_day,
            floating=clock.floating and not clock.all_day,
            zone=clock.zone.key if clock.zone is not None else "",
            notes=text(cells["description"]),
            place=places.get(number(cells["location_id"])),
            url=text(cells["url"]),
            conference_url=text(cells["conference_url_detected"]) or text(cells["conference_url"]),
            organizer=details.organizer or self._organizers.get(number(cells["organizer_id"])),
            attendees=tuple(details.attendees),
            alarms=tuple(details.alarms),
            rules=tuple(filter(None, (self._rule(each, clock) for each in details.rules))),
            except_on=tuple(
                clock.moment(each) for each in map(self._time, details.except_on) if each is not None
            ),
            instead_of=owner.clock.moment(replaced) if owner is not None and replaced is not None else None,
            status=self._odd.whole(cells["status"]),
            availability=self._odd.whole(cells["availability"]),
            privacy=self._odd.whole(cells["privacy_level"]),
            travel_seconds=max(0, travel),
            created=self._odd.time(cells["creation_date"]),
            changed=self._odd.time(cells["last_modified"]),
        )

    def _time(self, cell: Cell) -> datetime | None:
        """A moment of the calendar, in which 0 is 1 January 2001."""
        found = from_apple(cell if cell != 0 else 0.001)
        if found is None or not _FIRST_YEAR <= found.year < _LAST_YEAR:
            if cell is not None:
                self._odd.odd("times that are no dates", cell)
            return None
        return found.replace(microsecond=0)

    def _clock(self, whole_days: Cell, start_zone: Cell, end_zone: Cell) -> _Clock:
        all_day = bool(self._odd.flag(whole_days))
        name = text(start_zone)
        if all_day or not name or name == _FLOATING:
            return _Clock(all_day, name == _FLOATING, None)
        zone = known_zone(name) or known_zone(text(end_zone))
        if zone is None:
            self._odd.odd("time zones that nobody knows; those times are in UTC", name)
        return _Clock(all_day, floating=False, zone=zone)

    @staticmethod
    def _end(clock: _Clock, start: datetime | None, end: datetime | None) -> Moment | None:
        if end is None or (start is not None and end < start):
            return None
        if not clock.all_day:
            return clock.moment(end)
        # It is stored as the last second of the last day; midnight would be the day after already.
        last = (
            (end - timedelta(seconds=1) if start is not None and end > start else end).astimezone(UTC).date()
        )
        return last + timedelta(days=1)

    def _rule(self, cells: tuple[Cell, ...], clock: _Clock) -> str:
        frequency, interval, count, until, specifier = cells
        name = CALENDAR_FREQUENCIES.get(number(frequency))
        if name is None:
            self._odd.odd("repetitions that cannot be read", frequency)
            return ""
        ends = from_apple(until)
        return rule(
            name,
            number(interval),
            number(count),
            ends,
            calendar_parts(
                text(specifier), lambda part: self._odd.odd("repetitions that cannot be read", part)
            ),
            whole_days=clock.all_day,
            floating=clock.floating,
        )

    # -- what the events refer to -----------------------------------------------------------------------------

    def _read_calendars(self) -> dict[int, CalendarInfo]:
        stores = self._database.table("Store")
        accounts: dict[int, str] = {}
        off: set[int] = set()
        for row, name, disabled in stores.select("name", "disabled") if stores else ():
            accounts[number(row)] = text(name)
            if number(disabled):
                off.add(number(row))
        table = self._database.table("Calendar")
        found: dict[int, CalendarInfo] = {}
        for row, unique, title, color, store in (
            table.select("UUID", "title", "color", "store_id") if table else ()
        ):
            found[number(row)] = CalendarInfo(
                id=text(unique) or f"calendar {number(row)}",
                title=text(title),
                color=text(color),
                account=accounts.get(number(store), ""),
            )
            if number(store) in off:
                self._off.add(number(row))
        return found

    def _details(self) -> dict[int, _Details]:
        """What the other tables say of each event, by its number."""
        found: dict[int, _Details] = {}
        count = 0

        def of(owner: Cell) -> _Details:
            nonlocal count
            count += 1
            if count > _MOST_DETAILS:
                self._gaps.add(PART, "the calendar holds more details than any phone's", damage=True)
                return _Details()
            return found.setdefault(number(owner), _Details())

        names = self._identities()
        columns: tuple[str, ...]
        table = self._database.table("Participant")
        columns = (
            "owner_id",
            "entity_type",
            "status",
            "role",
            "email",
            "phone_number",
            "identity_id",
            "is_self",
        )
        for row, owner, kind, *cells in table.select(*columns) if table else ():
            guest = _guest(cells, names)
            if number(kind) == _ATTENDEE:
                of(owner).attendees.append(guest)
                continue
            if number(kind) == _ORGANIZER:
                of(owner).organizer = guest
            if len(self._organizers) < _MOST_DETAILS:
                self._organizers[number(row)] = guest
        table = self._database.table("Alarm")
        columns = ("calendaritem_owner_id", "trigger_interval", "trigger_date", "proximity", "disabled")
        for _, owner, interval, moment, proximity, disabled in table.select(*columns) if table else ():
            if not number(disabled):
                of(owner).alarms.append(self._alarm(interval, moment, proximity))
        table = self._database.table("Recurrence")
        columns = ("owner_id", "frequency", "interval", "count", "end_date", "specifier")
        for _, owner, *rest in table.select(*columns) if table else ():
            of(owner).rules.append(tuple(rest))
        table = self._database.table("ExceptionDate")
        for _, owner, moment in table.select("owner_id", "date") if table else ():
            of(owner).except_on.append(moment)
        return found

    def _alarm(self, interval: Cell, moment: Cell, proximity: Cell) -> EventAlarm:
        if number(proximity) in _PROXIMITY:
            return EventAlarm(proximity=_PROXIMITY[number(proximity)])
        at = from_apple(moment)
        if at is not None and _FIRST_YEAR <= at.year < _LAST_YEAR:
            return EventAlarm(at=at)
        return EventAlarm(seconds=number(interval))

    def _identities(self) -> dict[int, tuple[str, str]]:
        table = self._database.table("Identity")
        rows = table.select("display_name", "address") if table else ()
        return {number(row): (text(name), text(address)) for row, name, address in rows}

    def _places(self) -> dict[int, EventPlace]:
        table = self._database.table("Location")
        rows = table.select("title", "address", "latitude", "longitude") if table else ()
        return {
            number(row): EventPlace(
                title=text(title),
                address=text(address),
                latitude=_degrees(latitude, 90),
                longitude=_degrees(longitude, 180),
            )
            for row, title, address, latitude, longitude in rows
        }

    def _owners(self, table: AppTable) -> dict[int, _Owner]:
        """The events of which others are changed occurrences."""
        rows = sorted({number(owner) for _, owner in table.select("orig_item_id") if owner})
        columns = table.select("unique_identifier", "UUID", "all_day", "start_tz", "end_tz")
        found = {}
        for row in rows:
            cells = columns.at(row)
            if cells is not None:
                uid = text(cells[1]) or text(cells[2]) or f"event {row}"
                found[row] = _Owner(uid, self._clock(*cells[3:]))
        return found


_UNKNOWN: Final = CalendarInfo(id="", title="", color="", account="")


def _guest(cells: list[Cell], names: dict[int, tuple[str, str]]) -> Guest:
    status, role, email, phone, identity, is_self = cells
    name, address = names.get(number(identity), ("", ""))
    reached = (text(email) or text(phone) or address).strip()
    return Guest(
        name=name,
        address=reached.partition(":")[2] if reached.lower().startswith(("mailto:", "tel:")) else reached,
        status=_STATUS.get(number(status), "needs action"),
        role=_ROLE.get(number(role), "required"),
        is_self=number(is_self) != 0,
    )


def _degrees(cell: Cell, most: int) -> float | None:
    return float(cell) if isinstance(cell, (int, float)) and -most <= cell <= most else None
