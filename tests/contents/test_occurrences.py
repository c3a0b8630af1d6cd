"""When events take place again, compared with what dateutil, written by others, makes of the same rules."""

import random
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr

from ibackup.contents.calendar.event_types import CalendarInfo, Event, Moment
from ibackup.contents.calendar.occurrences import DayBudget, occurrences

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2024, 2, 29, 9, 30, tzinfo=BERLIN)
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def event_of(*rules: str, start: Moment = START, except_on: tuple[Moment, ...] = ()) -> Event:
    empty: dict[str, object] = {field.name: None for field in fields(Event)}
    text = dict.fromkeys(("id", "uid", "title", "zone", "notes", "url", "conference_url"), "")
    known = {
        "calendar": CalendarInfo(id="", title="", color="", account=""),
        "start": start,
        "end": start + timedelta(days=1),
        "rules": rules,
        "except_on": except_on,
    }
    return Event(**(empty | text | known))  # type: ignore[arg-type]


def again(event: Event, first: date, last: date) -> list[Moment]:
    return sorted(each.start for each in occurrences(event, first, last, DayBudget()) if each.start)


def some_rule(rng: random.Random) -> str:
    """A rule that comes true again and again: dateutil looks for the next time to the year 9999."""
    frequency = rng.choice(("DAILY", "WEEKLY", "MONTHLY", "YEARLY"))
    parts = {"FREQ": frequency}
    kind = rng.choice(("", "days", "numbered", "of the month"))
    if kind == "of the month" and frequency != "WEEKLY":
        parts["BYMONTHDAY"] = ",".join(str(rng.choice((-28, -2, -1, 1, 9, 28))) for _ in range(2))
    elif kind:
        numbered = kind == "numbered" and frequency in ("MONTHLY", "YEARLY")
        numbers = ("1", "2", "4", "-1", "-3") if numbered else ("",)
        parts["BYDAY"] = ",".join(rng.choice(numbers) + day for day in rng.sample(DAYS, 2))
    if rng.random() < 0.4:
        parts["BYMONTH"] = ",".join(map(str, rng.sample(range(1, 13), 3)))
    else:
        parts["INTERVAL"] = str(rng.randint(1, 4))
    if rng.random() < 0.3:
        parts["UNTIL"] = "20270310T080000Z"
    return ";".join(f"{name}={value}" for name, value in parts.items())


def test_a_rule_has_the_days_that_others_find() -> None:
    rng = random.Random(20)
    found = 0
    for _ in range(150):
        rule = some_rule(rng)
        first = date(2024, 2, 1) + timedelta(days=rng.randint(0, 1500))
        last = first + timedelta(days=62)
        wanted = rrulestr(rule, dtstart=START).between(
            datetime.combine(first, time.min, BERLIN), datetime.combine(last, time.max, BERLIN), inc=True
        )
        found += len(wanted)
        assert again(event_of(rule), first, last) == [each for each in wanted if each != START], rule
    assert found > 300


@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_rule_ends_after_so_many_times(count: int) -> None:
    rule = f"FREQ=WEEKLY;COUNT={count};BYDAY=MO,TH"
    wanted = [each for each in rrulestr(rule, dtstart=START) if each != START]
    assert again(event_of(rule), date(2024, 1, 1), date(2030, 1, 1)) == wanted


def test_days_without_it_are_left_out_and_whole_days_stay_days() -> None:
    start = date(2026, 11, 2)
    event = event_of("FREQ=DAILY;UNTIL=20261106", start=start, except_on=(date(2026, 11, 4),))
    assert again(event, start, date(2026, 12, 1)) == [date(2026, 11, day) for day in (3, 5, 6)]
    moved = event_of("FREQ=DAILY", except_on=(datetime(2024, 3, 1, 8, 30, tzinfo=UTC),))
    assert again(moved, date(2024, 3, 1), date(2024, 3, 2)) == [START + timedelta(days=2)]


@pytest.mark.parametrize(
    "rule", ["FREQ=HOURLY", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=2", "FREQ=DAILY;BYDAY=XX", "odd"]
)
def test_what_is_not_understood_is_left_to_words(rule: str) -> None:
    assert again(event_of(rule), date(2024, 1, 1), date(2024, 12, 31)) == []


def test_a_rule_that_never_comes_true_takes_no_longer_than_others() -> None:
    budget = DayBudget(1000)
    event = event_of("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")
    assert list(occurrences(event, date(2024, 1, 1), date(2500, 1, 1), budget)) == []
    assert not budget.take()
