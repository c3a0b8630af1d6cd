"""When: windows over midnight and over days of 23 and 25 hours, when a phone is due, how pauses grow."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ibackup.config.config_schema import Config, PhoneRules
from ibackup.config.value_kinds import HoursWindow, window
from ibackup.jobs.nights import due
from ibackup.store.freshness import is_due, is_stale

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = HoursWindow(time(21), time(7))
HOURS_20 = 20 * 3600.0


def at(text: str) -> datetime:
    """A moment by the clock on the wall in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def rules(every: str = "20h", hours: HoursWindow | None = NIGHT) -> PhoneRules:
    hours_s = {"20h": 20 * 3600.0, "44h": 44 * 3600.0}[every]
    return PhoneRules(hours_s, hours, 7 * 86400.0, None)


@pytest.mark.parametrize(
    ("moment", "opened", "night"),
    [
        ("2026-11-20T19:59:59", False, "2026-11-19"),
        ("2026-11-20T20:00", False, "2026-11-20"),
        ("2026-11-20T20:59:59", False, "2026-11-20"),
        ("2026-11-20T21:00", True, "2026-11-20"),
        ("2026-11-20T23:59:59", True, "2026-11-20"),
        ("2026-11-21T00:00", True, "2026-11-20"),
        ("2026-11-21T06:59:59", True, "2026-11-20"),
        ("2026-11-21T07:00", False, "2026-11-20"),
        ("2026-11-21T12:00", False, "2026-11-20"),
    ],
)
def test_a_window_over_midnight_is_one_night(moment: str, opened: bool, night: str) -> None:
    assert due.is_open(NIGHT, at(moment), BERLIN) is opened
    assert due.night_of(NIGHT, at(moment), BERLIN) == night


def test_a_window_by_day() -> None:
    day = HoursWindow(time(9), time(17, 30))
    assert not due.is_open(day, at("2026-11-20T08:59"), BERLIN)
    assert due.closes(day, at("2026-11-20T09:00"), BERLIN) == at("2026-11-20T17:30")
    assert due.opens(day, at("2026-11-20T18:00"), BERLIN) == at("2026-11-21T09:00")
    assert due.opens(day, at("2026-11-20T10:00"), BERLIN) == at("2026-11-20T10:00")


@pytest.mark.parametrize("hours", [None, window("always")])
def test_without_a_window_nights_begin_at_noon(hours: HoursWindow | None) -> None:
    moment = at("2026-11-20T15:00")
    assert due.is_open(hours, moment, BERLIN)
    assert due.opens(hours, moment, BERLIN) == moment
    assert due.night_of(hours, at("2026-11-20T11:59"), BERLIN) == "2026-11-19"
    assert due.night_of(hours, at("2026-11-20T12:00"), BERLIN) == "2026-11-20"


def test_a_window_just_after_midnight() -> None:
    late = HoursWindow(time(0, 30), time(6))
    assert due.night_of(late, at("2026-11-20T23:29"), BERLIN) == "2026-11-20"
    assert due.night_of(late, at("2026-11-20T23:30"), BERLIN) == "2026-11-21"
    assert due.ends(late, at("2026-11-20T23:30"), BERLIN) == at("2026-11-21T06:00")
    assert due.ends(late, at("2026-11-20T23:29"), BERLIN) is None
    assert due.ends(late, at("2026-11-21T05:59"), BERLIN) == at("2026-11-21T06:00")


def test_the_night_in_which_clocks_go_back_has_eleven_hours() -> None:
    opened, closed = at("2026-10-24T21:00"), at("2026-10-25T07:00")
    assert closed - opened == timedelta(hours=11)
    assert due.closes(NIGHT, opened, BERLIN) == closed
    # 02:30 comes twice; a window that closes then does not open again for the second one.
    short = HoursWindow(time(21), time(2, 30))
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert due.closes(short, opened, BERLIN) == first
    assert not due.is_open(short, first + timedelta(minutes=45), BERLIN)  # 02:15 once more
    assert [due.night_of(NIGHT, opened + timedelta(hours=hours), BERLIN) for hours in range(11)] == [
        "2026-10-24"
    ] * 11


def test_the_night_in_which_clocks_go_forward_has_nine_hours() -> None:
    opened, closed = at("2026-03-28T21:00"), at("2026-03-29T07:00")
    assert closed - opened == timedelta(hours=9)
    assert due.closes(NIGHT, opened, BERLIN) == closed
    # 02:30 does not come at all: such a window opens at half an hour past what would have been 02:00.
    small = HoursWindow(time(2, 30), time(5))
    assert due.opens(small, opened, BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    # 20 hours are 20 hours, whatever the clock on the wall says.
    newest = at("2026-03-28T09:30")
    assert not is_due(newest, HOURS_20, newest + timedelta(hours=19, minutes=59))
    assert is_due(newest, HOURS_20, newest + timedelta(hours=20))


def test_the_system_zone_is_used_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    import time as system

    monkeypatch.setenv("TZ", "Europe/Berlin")
    system.tzset()
    try:
        assert due.closes(NIGHT, at("2026-10-24T21:00")) == at("2026-10-25T07:00")
        assert due.night_of(NIGHT, at("2026-03-29T06:59")) == "2026-03-28"
    finally:
        monkeypatch.delenv("TZ")
        system.tzset()


def test_when_a_phone_is_due() -> None:
    newest = at("2026-11-20T21:40")
    assert is_due(None, HOURS_20, newest)
    assert not is_due(newest, HOURS_20, at("2026-11-21T17:39"))
    assert is_due(newest, HOURS_20, at("2026-11-21T17:40"))
    # At 17:40 it is due, at 21:00 it may begin; after that, at once.
    assert due.next_due(rules(), newest, at("2026-11-21T10:00"), BERLIN) == at("2026-11-21T21:00")
    assert due.next_due(rules(), newest, at("2026-11-22T03:00"), BERLIN) == at("2026-11-22T03:00")
    assert due.next_due(rules("44h"), newest, at("2026-11-21T21:00"), BERLIN) == at("2026-11-22T21:00")
    assert due.next_due(rules(hours=None), newest, at("2026-11-21T10:00")) == at("2026-11-21T17:40")
    assert due.next_due(rules(), None, at("2026-11-21T10:00"), BERLIN) == at("2026-11-21T21:00")


def test_a_backup_from_the_future_is_none() -> None:
    assert is_due(at("2031-01-01T00:00"), HOURS_20, at("2026-11-21T21:00"))


def test_stale_is_older_than_the_limit() -> None:
    newest = at("2026-11-14T21:40")
    week = Config().nightly.max_age_s
    assert not is_stale(newest, week, newest + timedelta(days=7))
    assert is_stale(newest, week, newest + timedelta(days=7, seconds=1))
    assert is_stale(None, week, newest)
    assert is_stale(newest + timedelta(days=400), week, newest)


def test_pauses_grow_up_to_an_hour() -> None:
    assert [due.pause_s(failures) / 60 for failures in (1, 2, 3, 4, 5, 6, 999)] == [5, 10, 20, 40, 60, 60, 60]
