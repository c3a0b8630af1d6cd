"""What became of a night. It was missed only if a backup was due and none was made, whatever was removed since."""

from datetime import UTC, date, datetime, time

from ibackup.config.value_kinds import HoursWindow
from ibackup.jobs.nights import past_nights as nights
from ibackup.jobs.nights.past_nights import past_nights

UDID = "00008110-000A2D3C1E8A801E"
NIGHT = HoursWindow(time(22), time(6))
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def turn(day: int, state: str, hour: int = 23, **more: object) -> dict[str, object]:
    return {"udid": UDID, "state": state, "ended": f"2026-11-{day:02d}T{hour:02d}:00:00Z", **more}


def missed(*turns: dict[str, object], made: tuple[int, ...] = ()) -> list[int]:
    there = [datetime(2026, 11, day, 23, 0, tzinfo=UTC) for day in made]
    found = nights.missed(past_nights(turns, UDID, there, NIGHT, NOW, UTC))
    assert all(each.replace(day=1) == date(2026, 11, 1) for each in found)
    return sorted(each.day for each in found)


def test_a_night_that_tried_in_vain_was_missed() -> None:
    assert missed(turn(20, "failed"), turn(21, "absent"), turn(22, "unanswered"), turn(23, "no_power")) == [
        20, 21, 22, 23,
    ]  # fmt: skip
    assert missed(turn(20, "absent"), turn(20, "done", 23)) == []


def test_the_hours_after_midnight_belong_to_the_night_before() -> None:
    assert missed(turn(21, "failed", hour=3)) == [20]
    assert missed(turn(20, "failed"), turn(21, "done", hour=3)) == []


def test_a_night_whose_backup_was_removed_was_not_missed() -> None:
    assert missed(turn(20, "failed"), turn(20, "done"), made=()) == []
    by_hand = turn(21, "failed", newest="2026-11-20T23:30:00Z")  # made by hand after the night had given up
    assert missed(turn(20, "failed"), by_hand) == [21]


def test_where_nothing_was_due_nothing_was_missed() -> None:
    assert missed(turn(20, "not_due"), turn(21, "waiting")) == []
    assert missed() == []


def test_a_backup_that_is_there_is_proof_enough() -> None:
    assert missed(turn(20, "absent"), made=(20,)) == []


def test_a_night_counts_when_its_hours_are_over() -> None:
    turns = [turn(26, "absent"), turn(27, "absent")]
    assert missed(*turns) == [26, 27]
    early = datetime(2026, 11, 28, 5, 0, tzinfo=UTC)
    assert nights.missed(past_nights(turns, UDID, [], NIGHT, early, UTC)) == {date(2026, 11, 26)}


def test_lines_of_other_phones_and_damaged_ones_say_nothing() -> None:
    other = turn(20, "failed") | {"udid": "00008110-000000000000000F"}
    odd: list[dict[str, object]] = [{}, {"udid": UDID}, {"udid": UDID, "state": "failed", "ended": "soon"}]
    assert missed(other, *odd, turn(21, "absent") | {"udid": UDID.replace("-", "")}) == [21]


def test_the_gravest_of_several_turns_tells_of_a_night_and_a_backup_settles_it() -> None:
    turns = [
        *(turn(20, "absent"), turn(20, "failed"), turn(20, "unanswered")),
        *(turn(21, "absent"), turn(21, "done"), turn(21, "not_due")),
        *(turn(22, "not_due"), turn(23, "waiting"), turn(24, "not_due", newest="2026-11-24T22:30:00Z")),
    ]
    found = past_nights(turns, UDID, [], NIGHT, NOW, UTC)
    assert {night.day: state for night, state in found.items()} == {
        20: "failed", 21: "done", 22: "not_due", 24: "done",
    }  # fmt: skip


def test_the_hour_before_a_night_is_not_over_either() -> None:
    soon = datetime(2026, 11, 28, 21, 30, tzinfo=UTC)
    assert not past_nights([turn(28, "absent", hour=21)], UDID, [], NIGHT, soon, UTC)


def test_a_night_that_is_not_over_counts_once_it_has_its_backup() -> None:
    early = datetime(2026, 11, 28, 5, 0, tzinfo=UTC)
    assert not past_nights([turn(27, "failed")], UDID, [], NIGHT, early, UTC)
    done = past_nights([turn(27, "failed"), turn(27, "done")], UDID, [], NIGHT, early, UTC)
    assert done == {date(2026, 11, 27): "done"}
