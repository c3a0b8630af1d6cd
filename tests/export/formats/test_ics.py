"""Calendars, read again by icalendar and expanded by recurring-ical-events, against what the makers' tables say."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import pytest
import recurring_ical_events

from ibackup.contents.calendar.calendar_reader import Calendars
from ibackup.contents.calendar.event_types import Event
from ibackup.contents.gaps import Gaps
from ibackup.contents.reminders import Reminder, Reminders
from ibackup.export.formats.ics import calendar_ics, reminders_ics
from ibackup.simulator.life.calendar_db import EVENTS, MadeEvent, calendar_file
from ibackup.simulator.life.reminders_db import reminder_stores
from support.lives import backup_of
from support.minted import Mint


@pytest.fixture
def events(mint: Mint) -> list[Event]:
    with backup_of(mint, [calendar_file()]) as backup:
        calendars = Calendars.of(backup, Gaps())
        assert calendars is not None
        with calendars:
            return list(calendars)


def written(events: list[Event]) -> icalendar.Calendar:
    data = b"".join(calendar_ics(events[0].calendar, events))
    for line in data.split(b"\r\n"):
        assert len(line) <= 75
        assert b"\n" not in line
    return icalendar.Calendar.from_ical(data)


def test_every_event_with_a_start_is_there(events: list[Event]) -> None:
    calendar = written(events)
    assert calendar["X-WR-CALNAME"] == "Work: 1/2"
    titles = [str(each["SUMMARY"]) for each in calendar.walk("VEVENT")]
    assert len(titles) == len([event for event in events if event.start is not None])
    assert "Plans, money; and \\ more" in titles
    assert not calendar.errors
    assert not [error for each in calendar.walk() for error in each.errors]


def test_a_meeting_with_guests_and_alarms(events: list[Event]) -> None:
    (meeting,) = [each for each in written(events).walk("VEVENT") if each["UID"] == "meeting"]
    assert meeting.decoded("DTSTART") == events[0].start
    assert meeting["DTSTART"].params["TZID"] == "Europe/Berlin"
    assert meeting.decoded("DTEND") - meeting.decoded("DTSTART") == timedelta(minutes=90)
    assert str(meeting["ORGANIZER"]) == "mailto:ada@example.org"
    listed: Any = meeting["ATTENDEE"]
    guests = {str(each): each.params for each in listed}
    assert guests["mailto:me@example.org"]["PARTSTAT"] == "TENTATIVE"
    assert guests["mailto:joan@example.org"]["ROLE"] == "OPT-PARTICIPANT"
    assert guests["mailto:alan@example.org"]["CN"] == "Alan 'Al' Turing"
    first, second = meeting.walk("VALARM")
    assert first.decoded("TRIGGER") == timedelta(minutes=-15)
    assert second.decoded("TRIGGER") == datetime(2024, 6, 2, 18, tzinfo=UTC)
    assert str(meeting["LOCATION"]) == "Room 4, Hauptstraße 1, Berlin"
    assert meeting["GEO"].to_ical() in ("52.5;13.25", b"52.5;13.25")
    assert str(meeting["URL"]) == "https://example.org/agenda"


@pytest.mark.parametrize("made", [each for each in EVENTS if each.occurs], ids=lambda each: each.case)
def test_other_programs_find_the_occurrences(events: list[Event], made: MadeEvent) -> None:
    own = [event for event in events if event.uid == made.case]
    calendar = written(own)
    first = datetime.fromisoformat(made.occurs[0])
    found = recurring_ical_events.of(calendar).between(
        first - timedelta(days=2), first + timedelta(days=5 * 366)
    )
    starts = sorted((each.decoded("DTSTART") for each in found), key=lambda moment: moment.isoformat())
    shown = [
        each.replace(tzinfo=None).isoformat(timespec="minutes")
        if isinstance(each, datetime)
        else each.isoformat()
        for each in starts
    ]
    assert tuple(shown[: len(made.occurs)]) == made.occurs
    if "rule" in (made.says or {}) and "COUNT" in str((made.says or {})["rule"]):
        assert len(shown) == len(made.occurs)


def test_all_day_and_floating_events_have_no_zone(events: list[Event]) -> None:
    by_uid = {str(each["UID"]): each for each in written(events).walk("VEVENT")}
    fair = by_uid["all day for three days"]
    assert (fair.decoded("DTSTART"), fair.decoded("DTEND")) == (date(2024, 9, 6), date(2024, 9, 9))
    floating = by_uid["floating"]
    assert floating.decoded("DTSTART") == datetime(2024, 7, 4, 7)  # noqa: DTZ001 - that is the point
    assert "TZID" not in floating["DTSTART"].params


def test_a_hostile_event_adds_nothing(events: list[Event]) -> None:
    own = [event for event in events if event.uid == "hostile"]
    calendar = written(own)
    (event,) = calendar.walk("VEVENT")
    assert "ATTACH" not in event
    assert "X-EVIL" not in event
    assert str(event["SUMMARY"]).startswith("x\nEND:VEVENT\n")
    assert "URL" not in event
    assert str(event["DESCRIPTION"]).endswith("not a\nurl")


def test_zones_are_described(events: list[Event]) -> None:
    names = {str(each["TZID"]) for each in written(events).walk("VTIMEZONE")}
    assert names == {"Europe/Berlin", "America/New_York"}


def test_the_same_events_give_the_same_bytes(events: list[Event]) -> None:
    info = events[0].calendar
    assert b"".join(calendar_ics(info, events)) == b"".join(calendar_ics(info, events))


def test_reminders_become_tasks(mint: Mint) -> None:
    with backup_of(mint, reminder_stores()) as backup:
        reminders = Reminders.of(backup, Gaps())
        assert reminders is not None
        with reminders:
            listed: list[Reminder] = list(reminders)
    calendar = icalendar.Calendar.from_ical(b"".join(reminders_ics("Household", listed)))
    tasks = {str(each["SUMMARY"]): each for each in calendar.walk("VTODO")}
    assert len(tasks) == len(listed)
    rent = tasks["Pay rent; now, please"]
    assert rent.decoded("DUE") == datetime(2024, 7, 1, 7, tzinfo=UTC)
    assert rent.decoded("PRIORITY") == 1
    assert str(rent["STATUS"]) == "NEEDS-ACTION"
    subtask = tasks["Find the IBAN"]
    assert subtask.decoded("COMPLETED") == datetime(2024, 6, 5, 10, tzinfo=UTC)
    assert str(subtask["RELATED-TO"]) == str(rent["UID"])
    bins = tasks["Bins"]
    assert bins.decoded("DUE") == date(2024, 7, 3)
    found = recurring_ical_events.of(calendar, components=["VTODO"]).between(
        date(2024, 7, 1), date(2025, 1, 1)
    )
    assert sorted(each.decoded("DUE") for each in found if str(each["SUMMARY"]) == "Bins") == [
        date(2024, 7, 3),
        date(2024, 7, 17),
        date(2024, 7, 31),
    ]
    assert "DUE" not in tasks["Learn Welsh"]
