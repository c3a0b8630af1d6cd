"""Home's last thirty nights, and tonight's place at the end of a phone's thread."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from ibackup.config.config_schema import Config, NightlyConfig
from ibackup.config.value_kinds import HoursWindow
from ibackup.jobs.nights.night_log import History
from ibackup.jobs.schedule.next_start import NextStart
from ibackup.store.store import Store
from ibackup.view import shown_phones
from ibackup.view.home import overviews
from ibackup.view.home.night_strip import NightStrip, night_strip
from support.made_store import ANN, BOB, add_snapshot, make_store
from support.page_calls import PageCalls

NOW = datetime(2026, 11, 25, 0, 0, tzinfo=UTC)
"""A moment that belongs to the night before in every time zone."""
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store")


def turn(ago: int, state: str, udid: str = ANN, now: datetime = NOW) -> None:
    History().add({"udid": udid, "state": state, "ended": (now - ago * DAY).isoformat()})


def strip(store: Store, following: datetime | None = None) -> NightStrip | None:
    phones = shown_phones.of_store(store, Config())
    return night_strip([(each, following) for each in phones], Config(), NOW)


def test_a_phones_nights_in_marks_and_in_words(store: Store) -> None:
    for ago, state in enumerate(("done", "not_due", "failed", "absent", "unanswered", "waiting"), start=1):
        turn(ago, state)
    add_snapshot(store, ANN, 8 * DAY, now=NOW)
    found = strip(store)
    assert found is not None
    (row,) = found.rows
    assert len(row.marks) == 30
    looks = [mark.look for mark in row.marks]
    assert looks[:21] == ["before"] * 21
    assert looks[21:] == ["made", "none", "none", "missed", "missed", "failed", "idle", "made", "before"]
    assert row.marks[-4].label.endswith(": failed")
    assert row.marks[-5].label.endswith(": was not connected")
    assert row.said == (
        "Ann, the last 30 nights: 2 nights with a backup, 1 night when nothing was due, 2 nights when the phone or "
        "someone was missing, 1 night when the backup failed and 2 nights when ibackup did not run"
    )


def test_tonight_is_still_to_come_until_it_has_its_backup(store: Store) -> None:
    add_snapshot(store, ANN, 3 * DAY, now=NOW)
    soon = NOW + timedelta(minutes=1)
    coming = strip(store, soon)
    assert coming is not None
    assert coming.rows[0].marks[-1].look == "next"
    add_snapshot(store, ANN, timedelta(minutes=1), now=NOW)
    made = strip(store, soon)
    assert made is not None
    assert made.rows[0].marks[-1].look == "made"


@pytest.mark.parametrize("hour", [15, 21, 23])
def test_a_night_that_has_not_begun_or_is_not_over_was_not_left_out(store: Store, hour: int) -> None:
    now = datetime(2026, 11, 24, hour, 30).astimezone()
    add_snapshot(store, ANN, 3 * DAY, now=now)
    config = Config(nightly=NightlyConfig(window=HoursWindow(time(22), time(6))))
    found = night_strip([(each, None) for each in shown_phones.of_store(store, config)], config, now)
    assert found is not None
    assert [mark.look for mark in found.rows[0].marks[-3:]] == ["none", "none", "before"]


def test_where_nothing_is_known_there_is_no_strip(store: Store) -> None:
    assert strip(store) is None
    add_snapshot(store, ANN, 90 * DAY, now=NOW)
    found = strip(store)
    assert found is not None
    assert {mark.look for mark in found.rows[0].marks[:-1]} == {"none"}


def test_home_shows_the_nights_and_the_thread_ends_with_the_next_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(overviews, "next_start", lambda _now: NextStart(next_run=now + timedelta(hours=30)))
    for udid in (ANN, BOB):
        for ago in (20, 15, 10, 1):
            add_snapshot(store, udid, ago * DAY, now=now, name="Ann" if udid == ANN else "Bob")
    turn(3, "failed", now=now)
    calls = PageCalls(Path(store.path))
    home = calls.get("/")
    assert "The last 30 nights" in home.text
    assert (
        'aria-label="Ann, the last 30 nights: 4 nights with a backup, 1 night when the backup failed'
        in home.html
    )
    assert 'aria-label="Bob, the last 30 nights: 4 nights with a backup' in home.html
    assert "enough for " in home.text
    timeline = calls.get("/phone/ann").html
    calls.close()
    assert timeline.count('<li class="next"') == 1
    assert timeline.index('<li class="next"') > timeline.rindex('class="bead')
    assert ": not made yet" in timeline
