"""A calendar made by code: `Calendar.sqlitedb`, with what a correct reader says of each event.

CalendarItem and Participant have the columns of a real iOS 14.3 phone. The others have those that several readers of
real ones name; what the codes of `status`, `availability`, `type` and `proximity` mean is unconfirmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp

CALENDAR_PATH = ("HomeDomain", "Library/Calendar/Calendar.sqlitedb")
_ITEM = """ROWID INTEGER PRIMARY KEY AUTOINCREMENT, summary TEXT, location_id INTEGER, client_location_id INTEGER,
 description TEXT, start_date REAL, start_tz TEXT, end_date REAL, end_tz TEXT, all_day INTEGER, calendar_id
 INTEGER, orig_item_id INTEGER, orig_date REAL, organizer_id INTEGER, self_attendee_id INTEGER, status INTEGER,
 invitation_status INTEGER, availability INTEGER, privacy_level INTEGER, url TEXT, last_modified REAL,
 sequence_num INTEGER, birthday_id INTEGER, modified_properties INTEGER, external_tracking_status INTEGER,
 external_id TEXT, external_mod_tag TEXT, unique_identifier TEXT, external_schedule_id TEXT, external_rep BLOB,
 response_comment TEXT, last_synced_response_comment TEXT, hidden INTEGER, has_recurrences INTEGER, has_attendees
 INTEGER, UUID TEXT, entity_type INTEGER, priority INTEGER, due_date REAL, due_tz TEXT, due_all_day INTEGER,
 completion_date REAL, creation_date REAL, action TEXT, app_link BLOB, display_order INTEGER, created_by_id
 INTEGER, modified_by_id INTEGER, shared_item_created_date REAL, shared_item_created_tz TEXT,
 shared_item_modified_date REAL, shared_item_modified_tz TEXT, invitation_changed_properties INTEGER,
 default_alarm_removed INTEGER, phantom_master INTEGER, participation_status_modified_date REAL, calendar_scale
 TEXT, travel_time INTEGER, travel_advisory_behavior INTEGER, start_location_id INTEGER, end_location_id INTEGER,
 suggested_event_info_id INTEGER, first_alert_date REAL, proposed_start_date REAL, can_forward INTEGER,
 location_prediction_state INTEGER, fired_ttl INTEGER, disallow_propose_new_time INTEGER, structured_data BLOB,
 local_structured_data BLOB, junk_status INTEGER, conference_url TEXT, contact_identifier TEXT, recurrence_set
 TEXT, flags INTEGER, contact_name TEXT"""
_PARTICIPANT = """ROWID INTEGER PRIMARY KEY AUTOINCREMENT, entity_type INTEGER, type INTEGER, status INTEGER,
 pending_status INTEGER, role INTEGER, identity_id INTEGER, owner_id INTEGER, external_rep BLOB, UUID TEXT, email TEXT,
 phone_number TEXT, is_self INTEGER, comment TEXT, schedule_agent INTEGER, flags INTEGER, last_modified REAL,
 proposed_start_date REAL, invited_by TEXT, proposed_start_date_status INTEGER, comment_last_modified REAL"""
_TABLES = {
    "Store": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, type INTEGER, disabled INTEGER, persistent_id TEXT",
    "Calendar": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, store_id INTEGER, title TEXT, flags INTEGER, color TEXT,"
    " type TEXT, sharing_status INTEGER, external_id TEXT, UUID TEXT",
    "Recurrence": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, frequency INTEGER, interval INTEGER, week_start INTEGER,"
    " count INTEGER, cached_end_date REAL, end_date REAL, specifier TEXT, by_month_months INTEGER, owner_id INTEGER,"
    " UUID TEXT",
    "ExceptionDate": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER, date REAL, sync_order INTEGER",
    "Alarm": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, trigger_date REAL, trigger_interval INTEGER, type INTEGER,"
    " calendaritem_owner_id INTEGER, UUID TEXT, proximity INTEGER, disabled INTEGER, location_id INTEGER",
    "Participant": _PARTICIPANT,
    "Identity": "display_name TEXT, address TEXT, first_name TEXT, last_name TEXT",
    "Location": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT, address TEXT, latitude REAL, longitude REAL,"
    " radius REAL, item_owner_id INTEGER, alarm_owner_id INTEGER",
    "Attachment": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER, file_id INTEGER",
    "AttachmentFile": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT, UUID TEXT, filename TEXT, file_size INTEGER,"
    " local_path TEXT",
}


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, zone: str = "Europe/Berlin") -> float:
    """A moment as the database stores it, given as clocks in a zone show it."""
    return stamp(datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone)).timestamp())


def day(year: int, month: int, number: int) -> float:
    """The start of a day of an all-day or floating event, which is stored as if its zone were UTC."""
    return stamp(datetime(year, month, number, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class MadeGuest:
    """Someone invited, or the organizer (entity type 8)."""

    name: str
    email: str
    status: int = 0
    role: int = 1
    entity_type: int = 7
    is_self: bool = False


@dataclass(frozen=True, kw_only=True)
class MadeEvent:
    """An event.

    Attributes:
        case: what is special about it; also its UUID and, unless it changes another, its unique_identifier.
        columns: of its row.
        calendar: the number of its calendar: 1 Home, 2 Work, 3 Birthdays, 4 of an account that is switched off.
        repeats: the row in Recurrence.
        except_on: stored in ExceptionDate.
        changes: the case whose occurrence it is a changed one of.
        guests: who is invited, and the organizer.
        place: the row in Location.
        alarms: rows in Alarm.
        says: what a correct reader says of it, by the names of its fields; None: it is left out.
        occurs: the first local starts that a program must show that reads what we write; for an event that repeats.
    """

    case: str
    columns: Mapping[str, object]
    calendar: int = 1
    repeats: Mapping[str, object] = field(default_factory=dict)
    except_on: tuple[float, ...] = ()
    changes: str = ""
    guests: tuple[MadeGuest, ...] = ()
    place: Mapping[str, object] = field(default_factory=dict)
    alarms: tuple[Mapping[str, object], ...] = ()
    says: Mapping[str, object] | None = field(default_factory=dict)
    occurs: tuple[str, ...] = ()


def _in_berlin(start: float, minutes: float = 60, **columns: object) -> Mapping[str, object]:
    zones = {"start_tz": "Europe/Berlin", "end_tz": "Europe/Berlin", "all_day": 0}
    return {"start_date": start, "end_date": start + minutes * 60, **zones, **columns}


EVENTS: tuple[MadeEvent, ...] = (
    MadeEvent(
        case="meeting",
        columns=_in_berlin(
            at(2024, 6, 3, 10),
            90,
            summary="Plans, money; and \\ more",
            description="Line one\nLine two",
            url="https://example.org/agenda",
            conference_url="https://meet.example/abc",
            creation_date=at(2024, 5, 1, 9),
            last_modified=at(2024, 5, 2, 9),
            availability=1,
            travel_time=1800,
        ),
        calendar=2,
        guests=(
            MadeGuest("Ada Lovelace", "ada@example.org", 1, 3, 8),
            MadeGuest('Alan "Al" Turing', "alan@example.org", 1),
            MadeGuest("Joan", "joan@example.org", 2, 2),
            MadeGuest("Me", "me@example.org", 3, is_self=True),
        ),
        place={"title": "Room 4", "address": "Hauptstraße 1, Berlin", "latitude": 52.5, "longitude": 13.25},
        alarms=({"trigger_interval": -900}, {"trigger_date": at(2024, 6, 2, 20)}),
        says={
            "title": "Plans, money; and \\ more",
            "start": "2024-06-03T10:00:00+02:00",
            "end": "2024-06-03T11:30:00+02:00",
            "all_day": False,
            "floating": False,
            "zone": "Europe/Berlin",
            "notes": "Line one\nLine two",
            "url": "https://example.org/agenda",
            "conference_url": "https://meet.example/abc",
            "organizer": "ada@example.org",
            "attendees": [
                "alan@example.org accepted",
                "joan@example.org declined",
                "me@example.org tentative",
            ],
            "location": "Room 4, Hauptstraße 1, Berlin",
            "alarms": [-900, "2024-06-02T18:00:00+00:00"],
        },
    ),
    MadeEvent(
        case="weekly, one moved and one deleted",
        columns=_in_berlin(at(2024, 3, 19, 9), summary="Choir"),
        repeats={"frequency": 2, "interval": 1, "count": 5, "specifier": "D=0TU"},
        except_on=(at(2024, 3, 26, 9), at(2024, 4, 2, 9)),
        says={"rule": "FREQ=WEEKLY;COUNT=5;BYDAY=TU", "title": "Choir"},
        occurs=("2024-03-19T09:00", "2024-03-26T11:00", "2024-04-09T09:00", "2024-04-16T09:00"),
    ),
    MadeEvent(
        case="the moved one",
        columns=_in_berlin(at(2024, 3, 26, 11), summary="Choir, later", orig_date=at(2024, 3, 26, 9)),
        changes="weekly, one moved and one deleted",
        says={
            "uid": "weekly, one moved and one deleted",
            "instead_of": "2024-03-26T09:00:00+01:00",
            "title": "Choir, later",
        },
    ),
    MadeEvent(
        case="weekly, once for the whole day",
        columns=_in_berlin(at(2024, 5, 7, 18), summary="Yoga"),
        repeats={"frequency": 2, "interval": 1, "count": 3},
        except_on=(at(2024, 5, 14, 18),),
        occurs=("2024-05-07T18:00", "2024-05-14", "2024-05-21T18:00"),
    ),
    MadeEvent(
        case="the whole day",
        columns={
            "summary": "Yoga retreat",
            "start_date": day(2024, 5, 14),
            "end_date": day(2024, 5, 14) + 86_399,
            "all_day": 1,
            "start_tz": "_float",
            "orig_date": at(2024, 5, 14, 18),
        },
        changes="weekly, once for the whole day",
        says={"start": "2024-05-14", "instead_of": "2024-05-14T18:00:00+02:00"},
    ),
    MadeEvent(
        case="changed occurrence of an event that is lost",
        columns=_in_berlin(
            at(2024, 5, 15, 9), summary="Orphan", orig_item_id=999, orig_date=at(2024, 5, 14, 9)
        ),
        says={"instead_of": None, "uid": "changed occurrence of an event that is lost"},
    ),
    MadeEvent(
        case="every two days, five times",
        columns=_in_berlin(at(2024, 10, 25, 8), 30, summary="Pills"),
        repeats={"frequency": 1, "interval": 2, "count": 5},
        says={"rule": "FREQ=DAILY;INTERVAL=2;COUNT=5"},
        occurs=(
            "2024-10-25T08:00",
            "2024-10-27T08:00",
            "2024-10-29T08:00",
            "2024-10-31T08:00",
            "2024-11-02T08:00",
        ),
    ),
    MadeEvent(
        case="last Friday of the month, to the end of the year",
        columns=_in_berlin(at(2024, 8, 30, 17), summary="Beer"),
        repeats={"frequency": 3, "interval": 1, "specifier": "D=-1FR", "end_date": at(2024, 11, 30)},
        says={"rule": "FREQ=MONTHLY;UNTIL=20241129T230000Z;BYDAY=-1FR"},
        occurs=("2024-08-30T17:00", "2024-09-27T17:00", "2024-10-25T17:00", "2024-11-29T17:00"),
    ),
    MadeEvent(
        case="weekdays by two specifiers",
        columns=_in_berlin(at(2024, 7, 1, 7), summary="Run"),
        repeats={"frequency": 2, "interval": 1, "count": 4, "week_start": 1, "specifier": "D=0MO,+0WE;O=7"},
        says={"rule": "FREQ=WEEKLY;COUNT=4;BYDAY=MO,WE;BYMONTH=7"},
        occurs=("2024-07-01T07:00", "2024-07-03T07:00", "2024-07-08T07:00", "2024-07-10T07:00"),
    ),
    MadeEvent(
        case="yearly on 29 February",
        columns={
            "summary": "Leap day",
            "start_date": day(2024, 2, 29),
            "end_date": day(2024, 2, 29) + 86_399,
            "all_day": 1,
            "start_tz": "_float",
        },
        repeats={"frequency": 4, "interval": 1},
        says={"rule": "FREQ=YEARLY", "start": "2024-02-29", "end": "2024-03-01", "all_day": True},
        occurs=("2024-02-29", "2028-02-29"),
    ),
    MadeEvent(
        case="all day for three days",
        columns={
            "summary": "Fair",
            "start_date": day(2024, 9, 6),
            "end_date": day(2024, 9, 8) + 86_399,
            "all_day": 1,
            "start_tz": None,
        },
        says={"start": "2024-09-06", "end": "2024-09-09", "all_day": True, "zone": ""},
    ),
    MadeEvent(
        case="floating",
        columns={
            "summary": "Wake up",
            "start_date": day(2024, 7, 4) + 7 * 3600,
            "end_date": day(2024, 7, 4) + 7.5 * 3600,
            "start_tz": "_float",
            "end_tz": "_float",
            "all_day": 0,
        },
        says={"start": "2024-07-04T07:00:00", "end": "2024-07-04T07:30:00", "floating": True, "zone": ""},
    ),
    MadeEvent(
        case="zone unknown",
        columns={
            **_in_berlin(at(2024, 7, 5, 12), summary="On Mars"),
            "start_tz": "Mars/Olympus_Mons",
            "end_tz": None,
        },
        says={"start": "2024-07-05T10:00:00+00:00", "zone": ""},
    ),
    MadeEvent(
        case="in New York",
        columns={
            **_in_berlin(at(2024, 11, 1, 9, zone="America/New_York"), summary="Stand-up"),
            "start_tz": "America/New_York",
            "end_tz": "America/New_York",
        },
        repeats={"frequency": 2, "interval": 1, "count": 2},
        says={"start": "2024-11-01T09:00:00-04:00", "zone": "America/New_York"},
        occurs=("2024-11-01T09:00", "2024-11-08T09:00"),
    ),
    MadeEvent(
        case="in the year 1",
        columns={**_in_berlin(at(2024, 7, 6, 12), summary="Long ago"), "start_date": -63_114_076_800.0},
        says={"start": None, "title": "Long ago"},
    ),
    MadeEvent(
        case="repeats to the year 4001",
        columns=_in_berlin(at(2024, 7, 7, 12), summary="For ever"),
        repeats={"frequency": 4, "interval": 1, "end_date": 63_113_904_000.0},
        says={"rule": "FREQ=YEARLY"},
    ),
    MadeEvent(
        case="birthday from a card",
        columns={
            "summary": "Ada",
            "start_date": 0.0,
            "all_day": 1,
            "birthday_id": 1,
            "calendar_scale": "gregorian",
        },
        calendar=3,
        says=None,
    ),
    MadeEvent(
        case="of an account that is switched off",
        columns=_in_berlin(at(2024, 7, 8, 12), summary="Off"),
        calendar=4,
        says=None,
    ),
    MadeEvent(
        case="invited, answered maybe",
        columns=_in_berlin(at(2024, 7, 9, 12), summary="Party", status=2),
        guests=(
            MadeGuest("Host", "host@example.org", 1, 3, 8),
            MadeGuest("Me", "mailto:me@example.org", 3, is_self=True),
        ),
        says={"organizer": "host@example.org", "attendees": ["me@example.org tentative"]},
    ),
    MadeEvent(
        case="alarm at a place",
        columns=_in_berlin(at(2024, 7, 10, 12), summary="Shop"),
        alarms=({"trigger_interval": 0, "proximity": 1},),
        says={"alarms": ["arriving"]},
    ),
    MadeEvent(
        case="hostile",
        columns=_in_berlin(
            at(2024, 7, 11, 12),
            summary="x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\nATTACH:http://evil.example/",
            description="\0\x0b" + "ä" * 200,
            url="not a\r\nurl",
        ),
        guests=(MadeGuest('Eve";ROLE=CHAIR:mailto:x', "e@example.org\r\nX-EVIL:1"),),
        says={},
    ),
    MadeEvent(
        case="odd values",
        columns={
            "summary": b"Bytes",
            "start_date": "soon",
            "end_date": None,
            "all_day": "no",
            "calendar_id": 99,
        },
        says={"title": "Bytes", "start": None},
    ),
)


def calendar_file(events: tuple[MadeEvent, ...] = EVENTS, *, ios: int = 17) -> LifeFile:
    """The calendar's database."""
    item = _ITEM + (", conference_url_detected TEXT" if ios >= 17 else "")
    database = MadeDatabase({"CalendarItem": item, **_TABLES})
    for row, (name, off) in enumerate([("iCloud", 0), ("Old account", 1)], start=1):
        database.add("Store", {"ROWID": row, "name": name, "type": 2, "disabled": off})
    titles = [
        ("Home", 1, "#FF2968"),
        ("Work: 1/2", 1, "#1BADF8"),
        ("Birthdays", 1, ""),
        ("Off", 2, "#63DA38"),
    ]
    for row, (title, store, color) in enumerate(titles, start=1):
        columns = {"ROWID": row, "store_id": store, "title": title, "color": color, "UUID": f"calendar {row}"}
        database.add("Calendar", columns)
    rows = {event.case: row for row, event in enumerate(events, start=1)}
    for event in events:
        row = rows[event.case]
        fixed: dict[str, object] = {
            "ROWID": row,
            "calendar_id": event.calendar,
            "UUID": event.case,
            "unique_identifier": event.changes or event.case,
            "entity_type": 2,
            "has_recurrences": int(bool(event.repeats)),
            "has_attendees": int(bool(event.guests)),
        }
        if event.changes:
            fixed["orig_item_id"] = rows[event.changes]
        if event.place:
            fixed["location_id"] = database.add("Location", {**event.place, "item_owner_id": row})
        for guest in event.guests:
            identity = database.add(
                "Identity", {"display_name": guest.name, "address": f"mailto:{guest.email}"}
            )
            number = database.add(
                "Participant",
                {
                    "entity_type": guest.entity_type,
                    "status": guest.status,
                    "role": guest.role,
                    "identity_id": identity,
                    "owner_id": row,
                    "email": guest.email,
                    "is_self": int(guest.is_self),
                },
            )
            if guest.entity_type == 8:
                fixed["organizer_id"] = number
        database.add("CalendarItem", {**fixed, **event.columns})
        if event.repeats:
            database.add("Recurrence", {"owner_id": row, **event.repeats})
        for moment in event.except_on:
            database.add("ExceptionDate", {"owner_id": row, "date": moment})
        for alarm in event.alarms:
            database.add("Alarm", {"calendaritem_owner_id": row, "type": 0, **alarm})
    return LifeFile(*CALENDAR_PATH, database.data(), 1_722_000_000)
