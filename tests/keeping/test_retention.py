"""Which snapshots stay: the rules one by one, and what holds whatever the rules and the snapshots are."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.keeping.retention import Facts, Rules, decide

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday


def daily(count: int, *, step: timedelta = timedelta(days=1), newest: datetime = NOON) -> list[Facts]:
    """Snapshots 1 … count, one a step, the last at ``newest``."""
    return [Facts(str(number), number, newest - (count - number) * step) for number in range(1, count + 1)]


def kept(snapshots: list[Facts], rules: Rules, zone: timezone = UTC) -> list[int]:
    return sorted(int(name) for name, why in decide(snapshots, rules, zone).items() if why)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(last=3), [58, 59, 60]),
        (Rules(daily=3), [58, 59, 60]),
        # ISO weeks end on Sundays: 22, 15, 8 November.
        (Rules(weekly=3), [46, 53, 60]),
        # The newest of November, October and September.
        (Rules(monthly=3), [7 + 0, 38, 60]),
        (Rules(within=timedelta(days=2)), [58, 59, 60]),
        (Rules(last=1, weekly=2, monthly=2), [38, 53, 60]),
    ],
)
def test_each_rule(rules: Rules, expected: list[int]) -> None:
    assert kept(daily(60), rules) == expected


def test_of_several_a_day_the_newest_stays() -> None:
    assert kept(daily(12, step=timedelta(hours=5)), Rules(daily=2)) == [9, 12]


def test_days_without_a_snapshot_do_not_count() -> None:
    assert kept(daily(5, step=timedelta(days=40)), Rules(daily=3)) == [3, 4, 5]


def test_a_phone_that_fell_silent_keeps_what_it_has() -> None:
    long_ago = daily(5, newest=datetime(2016, 1, 1, tzinfo=UTC))
    assert kept(long_ago, Rules(within=timedelta(days=30))) == [1, 2, 3, 4, 5]


def test_days_are_those_of_the_zone() -> None:
    pair = [
        Facts("1", 1, datetime(2026, 11, 21, 22, 30, tzinfo=UTC)),
        Facts("2", 2, datetime(2026, 11, 21, 23, 30, tzinfo=UTC)),
        Facts("3", 3, datetime(2026, 11, 22, 9, tzinfo=UTC)),
    ]
    assert kept(pair, Rules(daily=9)) == [2, 3]
    assert kept(pair, Rules(daily=9), timezone(timedelta(hours=1))) == [1, 3]


def test_a_year_ends_in_the_first_week_of_the_next() -> None:
    around = daily(4, newest=datetime(2026, 1, 2, 12, tzinfo=UTC))  # 30 December to 2 January, one ISO week
    assert kept(around, Rules(weekly=5)) == [4]
    assert kept(around, Rules(monthly=5)) == [2, 4]


def test_reasons_are_all_named() -> None:
    snapshots = daily(3)
    snapshots[0] = Facts("1", 1, snapshots[0].data_from, pinned=True, proven="full")
    assert decide(snapshots, Rules(last=1, daily=1), UTC) == {
        "3": ("last", "daily", "newest"),
        "2": (),
        "1": ("proven", "pinned"),
    }


def test_a_damaged_one_takes_no_place() -> None:
    snapshots = daily(5)
    snapshots[4] = Facts("5", 5, snapshots[4].data_from, damaged=True, proven="full")
    reasons = decide(snapshots, Rules(last=2), UTC)
    assert {name for name, why in reasons.items() if why} == {"5", "4", "3"}
    assert "newest" in reasons["4"]
    assert "newest" not in reasons["5"]
    assert "proven" not in reasons["5"]


def test_reading_every_byte_proves_more_than_a_quick_look() -> None:
    when = daily(3)
    quick = Facts("3", 3, when[2].data_from, proven="quick")
    full = Facts("1", 1, when[0].data_from, proven="full")
    assert "proven" in decide([full, when[1], quick], Rules(last=1), UTC)["1"]
    assert "proven" in decide([when[0], when[1], quick], Rules(last=1), UTC)["3"]


def test_the_one_made_last_stays_whatever_its_clock_said() -> None:
    wrong = Facts("1", 1, datetime(2040, 1, 1, tzinfo=UTC))
    reasons = decide([wrong, *[Facts(str(n), n, NOON) for n in (2, 3)]], Rules(last=1), UTC)
    assert reasons == {"1": ("last", "newest"), "3": ("newest",), "2": ()}


def test_longer_than_time_itself() -> None:
    assert kept(daily(3), Rules(within=timedelta(weeks=999_999))) == [1, 2, 3]


moments = st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
snapshot_lists = st.lists(
    st.tuples(moments, st.booleans(), st.sampled_from(["", "quick", "full", "deep"]), st.booleans()),
    max_size=25,
).map(
    lambda rows: [
        Facts(str(number), number, when, damaged, proven, pinned)
        for number, (when, damaged, proven, pinned) in enumerate(rows)
    ]
)
rule_sets = st.builds(
    Rules,
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 6),
    st.timedeltas(timedelta(0), timedelta(days=400)),
)


@given(snapshot_lists, rule_sets)
def test_what_always_stays(snapshots: list[Facts], rules: Rules) -> None:
    reasons = decide(snapshots, rules, UTC)
    staying = [each for each in snapshots if reasons[each.id]]
    good = [each for each in snapshots if not each.damaged]
    if good:
        assert max(good, key=lambda each: each.data_from).data_from in [each.data_from for each in staying]
        assert max(good, key=lambda each: each.sequence) in staying
    elif snapshots:
        assert staying
    proven = [each for each in good if each.proven in {"full", "deep"}]
    if proven:
        assert max(each.data_from for each in proven) in [e.data_from for e in staying if e in proven]
    assert all(each in staying for each in snapshots if each.pinned)


@given(snapshot_lists, rule_sets)
def test_rules_only_add(snapshots: list[Facts], rules: Rules) -> None:
    """More of anything never removes what less of it keeps; and pruning again removes nothing more."""
    more = Rules(rules.last + 1, rules.daily + 2, rules.weekly + 1, rules.monthly + 3, rules.within * 2)
    small, large = decide(snapshots, rules, UTC), decide(snapshots, more, UTC)
    assert all(large[each.id] for each in snapshots if small[each.id])
    left = [each for each in snapshots if small[each.id]]
    assert all(decide(left, rules, UTC).values())


@given(snapshot_lists, st.integers(1, 8))
def test_days_against_a_plain_count(snapshots: list[Facts], number: int) -> None:
    good = [each for each in snapshots if not each.damaged]
    days: list[date] = sorted({each.data_from.date() for each in good}, reverse=True)[:number]
    reasons = decide(snapshots, Rules(daily=number), UTC)
    by_day = [each.data_from.date() for each in good if "daily" in reasons[each.id]]
    assert sorted(by_day, reverse=True) == days
