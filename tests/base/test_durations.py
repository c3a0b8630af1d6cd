"""How long something takes, in words."""

from datetime import timedelta

import pytest

from ibackup.base.durations import at_least, clock_text, duration_words, long_duration, rough_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (7000, "117 minutes"),
        (7200, "2 hours"),
        (7500, "2 hours 5 minutes"),
        (3660 * 2, "2 hours 2 minutes"),
    ],
)
def test_to_the_minute(seconds: float, text: str) -> None:
    assert duration_words(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1 minute"), (60, "1 minute"), (61, "2 minutes"), (899, "15 minutes")]
)
def test_how_long_to_wait_is_rounded_up(seconds: float, text: str) -> None:
    assert at_least(seconds) == text


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (60, "60 seconds"),
        (2700, "45 minutes"),
        (timedelta(hours=7.5), "7.5 hours"),
        (timedelta(days=9, hours=3), "9 days"),
    ],
)
def test_about(span: timedelta | float, text: str) -> None:
    assert rough_duration(span) == text


@pytest.mark.parametrize(("seconds", "text"), [(7.9, "0:07"), (754, "12:34"), (3723, "1:02:03")])
def test_clocks(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (1, "about 1 day"), (13, "about 13 days"), (14, "about 2 weeks"), (60, "about 2 months"),
        (729, "about 24 months"), (730, "about 2 years"), (3652, "about 10 years"), (3653, "more than 10 years"),
    ],
)  # fmt: skip
def test_for_plans(days: int, text: str) -> None:
    assert long_duration(timedelta(days=days)) == text
