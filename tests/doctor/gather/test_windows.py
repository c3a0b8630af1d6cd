"""Lines of the periods when the conditions for iCloud Backup held."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.doctor.gather.night_conditions import parse_window, parse_windows

REAL = "2023-02-22T10:24:49.051-08:00|158966.533|1|1|0|1|1|0|120|73683|15023|0|MBErrorDomain|209|2|0|0|0|0"
"""As a real phone wrote it."""

ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1), timezones=ZONES)  # noqa: DTZ001
FLAGS = st.sampled_from([0, 1])


def test_a_real_line() -> None:
    window = parse_window(REAL)
    assert window is not None
    assert window.start == datetime(2023, 2, 22, 18, 24, 49, 51_000, tzinfo=UTC)
    assert window.seconds == 158_966.533
    assert (window.enabled, window.on_power, window.locked, window.on_wifi) == (True, True, False, True)
    assert window.ended_by == ("lock",)
    assert (window.error_domain, window.error_code) == ("MBErrorDomain", 209)
    assert (window.on_cellular, window.expensive_network) == (False, False)


def test_fourteen_fields_are_enough_and_more_than_nineteen_do_no_harm() -> None:
    short = parse_window("|".join(REAL.split("|")[:14]))
    assert short is not None
    assert short.error_code == 209
    assert (short.on_cellular, short.expensive_network, short.cellular_allowed) == (None, None, None)
    assert parse_window(REAL + "|7|new|") == parse_window(REAL)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "broken|line",
        "|".join(REAL.split("|")[:13]),
        REAL.replace("2023-02-22T10:24:49.051-08:00", "yesterday"),
        REAL.replace("158966.533", "-1"),
        REAL.replace("158966.533", "nan"),
        REAL.replace("158966.533", "1e300"),
        REAL.replace("|1|1|0|1|", "|1|2|0|1|"),
        REAL.replace("|209|", "|x|"),
        REAL.replace("2023-02-22T10:24:49.051-08:00", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_a_line_that_does_not_fit_is_dropped(line: str) -> None:
    assert parse_window(line) is None


def test_a_broken_line_takes_nothing_from_the_others() -> None:
    newer = REAL.replace("2023", "2024")
    windows = parse_windows([REAL, "broken|line", newer, 17, None])
    assert [window.start.year for window in windows] == [2024, 2023]


@given(
    start=MOMENTS,
    seconds=st.floats(0, 1e6),
    states=st.tuples(FLAGS, FLAGS, FLAGS, FLAGS),
    code=st.integers(-2000, 6000),
    rest=st.lists(st.text(alphabet="0123456789.x-", max_size=6), max_size=8),
)
def test_every_line_of_that_form_is_read(
    start: datetime, seconds: float, states: tuple[int, ...], code: int, rest: list[str]
) -> None:
    fields = [
        start.isoformat(),
        repr(seconds),
        *map(str, states),
        "1",
        "0",
        "120",
        "",
        "x",
        "-3",
        "",
        str(code),
    ]
    window = parse_window("|".join([*fields, *rest]))
    assert window is not None
    assert window.start == start
    assert window.start.tzinfo is UTC
    assert window.seconds == seconds
    assert window.error_code == code
    assert [window.enabled, window.on_power, window.locked, window.on_wifi] == [bool(each) for each in states]
    assert len(window.ended_by) == states.count(0)


@given(st.text() | st.lists(st.text(max_size=8), min_size=14, max_size=19).map("|".join))
def test_no_line_is_an_error(line: str) -> None:
    window = parse_window(line)
    assert window is None or (window.start.tzinfo is UTC and window.seconds >= 0)
