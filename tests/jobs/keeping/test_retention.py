"""Which snapshots stay: the rules one by one, and what holds whatever the rules and the snapshots are."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.jobs.keeping.retention import Facts, RetentionRules, decide
from ibackup.store.freshness import StandingState

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday


def daily(count: int, *, step: timedelta = timedelta(days=1), newest: datetime = NOON) -> list[Facts]:
    """Snapshots 1 … count, one a step, the last at ``newest``."""
    return [Facts(str(number), number, newest - (count - number) * step) for number in range(1, count + 1)]


def kept(snapshots: list[Facts], rules: RetentionRules, zone: timezone = UTC) -> list[int]:
    return sorted(int(name) for name, why in decide(snapshots, rules, zone).items() if why)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (RetentionRules(last=3), [58, 59, 60]),
        (RetentionRules(daily=3), [58, 59, 60]),
        # ISO weeks end on Sundays: 22, 15, 8 November.
        (RetentionRules(weekly=3), [46, 53, 60]),
        # The newest of November, October and September.
        (RetentionRules(monthly=3), [7 + 0, 38, 60]),
        (RetentionRules(within=timedelta(days=2)), [58, 59, 60]),
        (RetentionRules(last=1, weekly=2, monthly=2), [38, 53, 60]),
    ],
)
def test_each_rule(rules: RetentionRules, expected: list[int]) -> None:
    assert kept(daily(60), rules) == expected


def test_of_several_a_day_the_newest_stays() -> None:
    assert kept(daily(12, step=timedelta(hours=5)), RetentionRules(daily=2)) == [9, 12]


def test_days_without_a_snapshot_do_not_count() -> None:
    assert kept(daily(5, step=timedelta(days=40)), RetentionRules(daily=3)) == [3, 4, 5]


def test_a_phone_that_fell_silent_keeps_what_it_has() -> None:
    long_ago = daily(5, newest=datetime(2016, 1, 1, tzinfo=UTC))
    assert kept(long_ago, RetentionRules(within=timedelta(days=30))) == [1, 2, 3, 4, 5]


def test_days_are_those_of_the_zone() -> None:
    pair = [
        Facts("1", 1, datetime(2026, 11, 21, 22, 30, tzinfo=UTC)),
        Facts("2", 2, datetime(2026, 11, 21, 23, 30, tzinfo=UTC)),
        Facts("3", 3, datetime(2026, 11, 22, 9, tzinfo=UTC)),
    ]
    assert kept(pair, RetentionRules(daily=9)) == [2, 3]
    assert kept(pair, RetentionRules(daily=9), timezone(timedelta(hours=1))) == [1, 3]


def test_a_year_ends_in_the_first_week_of_the_next() -> None:
    around = daily(4, newest=datetime(2026, 1, 2, 12, tzinfo=UTC))  # 30 December to 2 January, one ISO week
    assert kept(around, RetentionRules(weekly=5)) == [4]
    assert kept(around, RetentionRules(monthly=5)) == [2, 4]


def test_reasons_are_all_named() -> None:
    snapshots = daily(3)
    snapshots[0] = Facts("1", 1, snapshots[0].data_from, pinned=True, proven="read")
    assert decide(snapshots, RetentionRules(last=1, daily=1), UTC) == {
        "3": ("last", "daily", "newest"),
        "2": (),
        "1": ("proven", "pinned"),
    }


def test_a_damaged_one_takes_no_place() -> None:
    snapshots = daily(5)
    snapshots[4] = Facts("5", 5, snapshots[4].data_from, state="damaged", proven="read")
    reasons = decide(snapshots, RetentionRules(last=2), UTC)
    assert {name for name, why in reasons.items() if why} == {"5", "4", "3"}
    assert "newest" in reasons["4"]
    assert "newest" not in reasons["5"]
    assert "proven" not in reasons["5"]


def test_a_flawed_one_is_a_backup_and_the_newest_without_flaws_stays_beside_it() -> None:
    snapshots = daily(5)
    for number in (3, 4):
        snapshots[number] = Facts(str(number + 1), number + 1, snapshots[number].data_from, state="flawed")
    reasons = decide(snapshots, RetentionRules(last=1), UTC)
    assert reasons == {"5": ("last", "newest"), "4": (), "3": ("flawless",), "2": (), "1": ()}


def test_of_nothing_but_damaged_ones_that_stays_which_the_next_run_can_build_on() -> None:
    when = daily(2)
    old = Facts("1", 1, when[0].data_from, state="damaged")
    new = Facts("2", 2, when[1].data_from, state="damaged", sealed=False)
    assert decide([old, new], RetentionRules(last=1), UTC)["1"] == ("last", "newest")


def test_reading_every_byte_proves_more_than_a_quick_look() -> None:
    when = daily(3)
    quick = Facts("3", 3, when[2].data_from, proven="quick")
    full = Facts("1", 1, when[0].data_from, proven="read")
    assert "proven" in decide([full, when[1], quick], RetentionRules(last=1), UTC)["1"]
    assert "proven" in decide([when[0], when[1], quick], RetentionRules(last=1), UTC)["3"]


def test_the_one_made_last_stays_whatever_its_clock_said() -> None:
    wrong = Facts("1", 1, datetime(2040, 1, 1, tzinfo=UTC))
    reasons = decide([wrong, *[Facts(str(n), n, NOON) for n in (2, 3)]], RetentionRules(last=1), UTC)
    assert reasons == {"1": ("last", "newest"), "3": ("newest",), "2": ()}


def test_longer_than_time_itself() -> None:
    assert kept(daily(3), RetentionRules(within=timedelta(weeks=999_999))) == [1, 2, 3]


STATES: tuple[StandingState, ...] = get_args(StandingState)
PROVEN: tuple[Literal["", "quick", "read"], ...] = ("", "quick", "read")
moments = st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
snapshot_lists = st.lists(
    st.tuples(moments, st.sampled_from(STATES), st.sampled_from(PROVEN), st.booleans(), st.booleans()),
    max_size=25,
).map(
    lambda rows: [
        Facts(str(number), number, when, state, proven, sealed, pinned)
        for number, (when, state, proven, sealed, pinned) in enumerate(rows)
    ]
)
rule_sets = st.builds(
    RetentionRules,
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 6),
    st.timedeltas(timedelta(0), timedelta(days=400)),
)


def _sequence(facts: Facts) -> int:
    return facts.sequence


@given(snapshot_lists, rule_sets)
def test_what_always_stays(snapshots: list[Facts], rules: RetentionRules) -> None:
    reasons = decide(snapshots, rules, UTC)
    staying = [each for each in snapshots if reasons[each.id]]
    good = [each for each in snapshots if not each.damaged]
    if good:
        assert max(good, key=lambda each: each.data_from).data_from in [each.data_from for each in staying]
        assert max(good, key=lambda each: each.sequence) in staying
    elif snapshots:
        assert max((each for each in snapshots if each.sealed), key=_sequence, default=None) in [
            None,
            *staying,
        ]
        assert staying
    flawless = [each for each in good if each.state == "good"]
    if flawless:
        assert max(flawless, key=_sequence) in staying
    proven = [each for each in good if each.proven == "read"]
    if proven:
        assert max(each.data_from for each in proven) in [e.data_from for e in staying if e in proven]
    assert all(each in staying for each in snapshots if each.pinned)


@given(snapshot_lists, rule_sets)
def test_rules_only_add(snapshots: list[Facts], rules: RetentionRules) -> None:
    """More of anything never removes what less of it keeps; and pruning again removes nothing more."""
    more = RetentionRules(
        rules.last + 1, rules.daily + 2, rules.weekly + 1, rules.monthly + 3, rules.within * 2
    )
    small, large = decide(snapshots, rules, UTC), decide(snapshots, more, UTC)
    assert all(large[each.id] for each in snapshots if small[each.id])
    left = [each for each in snapshots if small[each.id]]
    assert all(decide(left, rules, UTC).values())


@given(snapshot_lists, st.integers(1, 8))
def test_days_against_a_plain_count(snapshots: list[Facts], number: int) -> None:
    good = [each for each in snapshots if not each.damaged]
    days: list[date] = sorted({each.data_from.date() for each in good}, reverse=True)[:number]
    reasons = decide(snapshots, RetentionRules(daily=number), UTC)
    by_day = [each.data_from.date() for each in good if "daily" in reasons[each.id]]
    assert sorted(by_day, reverse=True) == days
