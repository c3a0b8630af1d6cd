"""Times that no clock ever showed are still shown."""

from datetime import UTC, date, datetime

import pytest

from ibackup.view.kinds_shown import entry_times

ODD = (None, date(1, 1, 1), datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC))


@pytest.mark.parametrize("moment", ODD)
def test_no_time_is_too_odd(moment: date | None) -> None:
    said = [
        entry_times.clock_of(moment),
        entry_times.moment_of(moment),
        entry_times.whole_moment_of(moment),
        entry_times.short_day_of(moment),
    ]
    assert all(isinstance(each, str) for each in said)
    assert bool(said[1]) == (moment is not None)
    assert entry_times.day_heading(moment)
    assert entry_times.month_heading(moment)
    assert (entry_times.day_of(moment) is None) == (moment is None)


def test_a_day_has_no_time() -> None:
    assert entry_times.clock_of(date(2026, 11, 28)) == ""
    anywhere = datetime(2026, 11, 28, 23, 59)  # noqa: DTZ001 - a time without zone is shown as it is
    assert entry_times.clock_of(anywhere) == "23:59"
    assert entry_times.day_of(anywhere) == date(2026, 11, 28)
