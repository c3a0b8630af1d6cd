"""The zone of this computer, in which an export shows times."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ibackup.contents.time_zones import SystemZone, local_zone

pytestmark = pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process is set once there")


@pytest.fixture(params=["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A zone in which this process is for the time of a test."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_a_time_has_the_offset_of_its_own_day(name: str) -> None:
    zone, step = ZoneInfo(name), timedelta(hours=7, minutes=30)
    for mine in (local_zone(), SystemZone()):
        moment = datetime(2023, 1, 1, tzinfo=UTC)
        while moment.year < 2026:
            shown = moment.astimezone(mine)
            assert shown.isoformat() == moment.astimezone(zone).isoformat()
            assert shown.astimezone(UTC) == moment
            moment += step


def test_both_hours_of_a_night_that_has_one_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        first = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
        shown = [(first + timedelta(hours=each)).astimezone(SystemZone()).isoformat() for each in range(2)]
    time.tzset()
    assert shown == ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"]


@pytest.mark.parametrize("year", [1, 1500, 9999])
def test_the_ends_of_the_calendar_raise_nothing(year: int) -> None:
    shown = datetime(year, 6, 1, tzinfo=UTC).astimezone(SystemZone())
    assert shown.utcoffset() is not None


def test_a_zone_of_no_name_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "<+05>-5")
    assert isinstance(local_zone(), SystemZone)
