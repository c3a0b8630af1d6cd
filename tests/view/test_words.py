"""Ages, moments, windows and rounded times, as the pages say them."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from ibackup.view import words

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
"""A Sunday morning; the zone of these tests is UTC."""


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=-20), "just now"),
        (timedelta(hours=-2), "in the future"),
        (timedelta(seconds=40), "just now"),
        (timedelta(minutes=1, seconds=30), "1 minute ago"),
        (timedelta(minutes=90), "90 minutes ago"),
        (timedelta(minutes=91), "2 hours ago"),
        (timedelta(hours=9, minutes=46), "10 hours ago"),
        (timedelta(hours=20), "20 hours ago"),
        (timedelta(hours=20, minutes=30), "yesterday"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=2, hours=7), "2 days ago"),
        (timedelta(days=2, hours=9), "3 days ago"),
        (timedelta(days=60), "60 days ago"),
        (timedelta(days=61), "2 months ago"),
        (timedelta(days=365), "12 months ago"),
        (timedelta(days=3 * 365), "2 years ago"),
    ],
)
def test_ages(passed: timedelta, text: str) -> None:
    assert words.age(NOW - passed, NOW) == text


def test_an_evening_backup_was_made_last_night_until_the_next_evening() -> None:
    made = datetime(2026, 11, 28, 22, 14, tzinfo=UTC)
    assert words.age(made, NOW) == "10 hours ago"
    assert words.age(made, datetime(2026, 11, 29, 19, 0, tzinfo=UTC)) == "last night"
    assert words.age(made, datetime(2026, 11, 30, 0, 30, tzinfo=UTC)) == "2 days ago"
    assert (
        words.age(datetime(2026, 11, 29, 1, 0, tzinfo=UTC), datetime(2026, 11, 29, 22, 0, tzinfo=UTC))
        == "last night"
    )


def test_an_age_counts_days_of_this_computers_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = datetime(2026, 11, 27, 23, 30, tzinfo=UTC)
    assert words.age(made, NOW) == "2 days ago"
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert words.age(made, NOW) == "yesterday"


def test_a_time_without_a_zone_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert words.clock(datetime(2026, 11, 28, 22, 14)) == "22:14"  # noqa: DTZ001
    assert words.clock(datetime(2026, 11, 28, 22, 14, tzinfo=UTC)) == "07:14"


def test_the_year_stands_only_where_it_is_another_one() -> None:
    made = datetime(2026, 11, 8, 9, 5, tzinfo=UTC)
    assert words.moment(made, NOW) == "Sun 8 November, 09:05"
    assert words.moment(made, NOW.replace(year=2027)) == "Sun 8 November 2026, 09:05"
    assert words.short_moment(made, NOW) == "8 Nov, 09:05"
    assert words.day(date(2025, 5, 3), NOW) == "3 May 2025"
    assert words.whole_moment(made) == "Sunday 8 November 2026, 09:05"
    assert words.month(made) == "November 2026"
    assert words.machine_time(made) == "2026-11-08T09:05:00+00:00"
    assert words.machine_time(date(2025, 5, 3)) == "2025-05-03"


def test_headings_of_days() -> None:
    days = [NOW, NOW - timedelta(days=1), NOW + timedelta(days=1), date(2026, 11, 27), date(2024, 2, 29)]
    assert [words.relative_day(each, NOW) for each in days] == [
        "Today",
        "Yesterday",
        "Tomorrow",
        "Friday 27 November",
        "Thursday 29 February 2024",
    ]


def test_a_deletion_has_a_window() -> None:
    after, before = datetime(2026, 11, 20, 22, 11, tzinfo=UTC), datetime(2026, 11, 21, 22, 45, tzinfo=UTC)
    assert words.window(after, before, NOW) == "between 20 Nov, 22:11 and 21 Nov, 22:45"
    assert words.window(after, None, NOW) == "after 20 Nov, 22:11"
    assert words.window(None, before, NOW) == "before 21 Nov, 22:45"
    assert words.window(None, None, NOW) == "at a time that is not known"


def test_a_figure_keeps_its_unit() -> None:
    assert words.size(38_100_000_000) == "38.1\u00a0GB"
    assert words.rough_size(7_912_000_000) == "7.9\u00a0GB"
    assert words.number(61204) == "61,204"


def test_nothing_is_done_before_it_is_done() -> None:
    assert [words.percent(share) for share in (0, 0.329, 0.9999, 1)] == [
        f"{done}\u00a0%" for done in (0, 32, 99, 100)
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a minute"),
        (29, "less than a minute"),
        (61, "a minute"),
        (480, "about 8 minutes"),
        (44 * 60, "about 45 minutes"),
        (61 * 60, "about 60 minutes"),
        (3 * 3600, "about 3 hours"),
    ],
)
def test_time_left_is_rounded(seconds: float, text: str) -> None:
    assert words.time_left(seconds) == text


def test_an_address_takes_other_parameters() -> None:
    assert words.with_query("/phone/a/photos?at=1&only=gone", at="2") == "/phone/a/photos?at=2&only=gone"
    assert words.with_query("/phone/a/photos?at=1&only=gone", at="") == "/phone/a/photos?only=gone"
    assert words.with_query("/phone/a?at=1", at=None) == "/phone/a"
    assert words.with_query("/search", q="a & b") == "/search?q=a+%26+b"
