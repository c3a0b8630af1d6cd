"""What is remembered from night to night, and how snapshots take turns at being read."""

import random
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.base import slices
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.nights import clock, rotation
from ibackup.jobs.nights.night_journal import Attempt, JournalFile, NightJournal, PhoneRecord, RunRecord
from ibackup.jobs.nights.rotation import Candidate
from ibackup.simulator.spec import Passcode
from jobs.nights.conftest import ANN, BOB, House, states

NOW = datetime(2026, 11, 25, 21, 30, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH_S = 30 * 86400.0


def test_it_reads_what_it_wrote(tmp_path: Path) -> None:
    file = JournalFile(str(tmp_path / "new" / "state"))
    assert file.read() == NightJournal()
    attempt = Attempt(NOW, "failed", ExitCode.NO_ROOM, "Full ✓", "", "watch")
    record = PhoneRecord(attempt, 2, "2026-11-25", 3, True, {"stale": "2026-11-24"})
    journal = NightJournal(
        {ANN.udid: record, BOB.udid: PhoneRecord()}, RunRecord("nightly", NOW, None), {"room_low": "x"}
    )
    assert file.write(journal)
    assert file.read() == journal
    file.ran(RunRecord("watch", NOW, NOW + DAY, ExitCode.DAMAGE))
    assert file.read().last_run == RunRecord("watch", NOW, NOW + DAY, ExitCode.DAMAGE)
    assert file.read().phones == journal.phones


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"phones": 3}', b'{"phones": {}, "alarms": {"a": 1}}']
)
def test_a_damaged_one_is_begun_again(tmp_path: Path, content: bytes) -> None:
    file = JournalFile(str(tmp_path))
    Path(file.path).write_bytes(content)
    assert file.read() == NightJournal()
    file.update(ANN.udid, lambda record: record)
    assert file.read() == NightJournal({ANN.udid: PhoneRecord()})


def test_one_that_cannot_be_written_stops_no_backup_and_still_counts_prompts(
    house: House, tmp_path: Path
) -> None:
    phone = house.ann()
    phone.passcode = Passcode(kind="cancelled", delay_s=0.4)
    house.server.attach(phone)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    journal = JournalFile(str(blocked))
    assert states(house.night(journal=journal)) == {"Ann": "unanswered"}
    assert house.ears.alarms == ["needs_passcode"] * 3
    phone.passcode = Passcode()
    assert states(house.night(journal=JournalFile(str(blocked)), once=True)) == {"Ann": "done"}


def test_another_night_begins_to_count_again() -> None:
    record = PhoneRecord(
        failures=3, night="2026-11-24", prompts=3, proven=True, alarms={"stale": "2026-11-24"}
    )
    assert record.in_night("2026-11-24") is record
    fresh = record.in_night("2026-11-25")
    assert (fresh.failures, fresh.prompts, fresh.proven, fresh.alarms) == (0, 0, False, record.alarms)


@pytest.mark.parametrize("kept", [1, 3, 20, 60, 200])
def test_every_snapshot_is_read_once_a_month(kept: int) -> None:
    """A year of nights in which a new snapshot comes each night, and the oldest goes."""
    made = {f"{day:04d}": NOW + DAY * day for day in range(-kept + 1, 1)}
    read: dict[str, datetime] = {}
    most = 0
    for day in range(1, 366):
        now = NOW + DAY * day + timedelta(minutes=random.Random(day).randrange(180))
        made[f"{day:04d}"] = now
        for old in sorted(made)[:-kept]:
            del made[old]
        candidates = [Candidate(id_, made[id_], read.get(id_)) for id_ in sorted(made)]
        chosen = rotation.share(candidates, MONTH_S, now)
        most = max(most, len(chosen))
        read |= dict.fromkeys(chosen, now)
        if day > 31:
            ages = [now - max(made[id_], read.get(id_, made[id_])) for id_ in made]
            assert max(ages) <= 31 * DAY, day
    assert most <= kept // 20 + 1


def test_all_the_old_ones_of_a_store_are_read_within_a_month() -> None:
    """Sixty snapshots that were made long ago and never read, and no new one: the phone is in a drawer."""
    read: dict[str, datetime] = {}
    for day in range(30):
        now = NOW + DAY * day
        candidates = [Candidate(f"{each:03d}", NOW - 99 * DAY, read.get(f"{each:03d}")) for each in range(60)]
        read |= dict.fromkeys(rotation.share(candidates, MONTH_S, now), now)
    assert len(read) == 60


def test_the_newest_is_read_first_where_none_ever_was() -> None:
    young = [Candidate("a", NOW - DAY, None), Candidate("b", NOW, None)]
    assert rotation.share(young, MONTH_S, NOW) == ["b"]
    assert rotation.share(young, 0, NOW) == []
    assert rotation.share([], MONTH_S, NOW) == []


class Time:
    """``time``, on a computer that sleeps: the monotonic clock stands still meanwhile."""

    def __init__(self, slept: float) -> None:
        self.wall, self.steady, self.slept = 1e9, 5.0, slept
        self.slices: list[float] = []

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def sleep(self, seconds: float) -> None:
        self.slices.append(seconds)
        self.steady += seconds
        self.wall += seconds + self.slept
        self.slept = 0.0


def test_a_pause_ends_by_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = Time(slept=8 * 3600)
    monkeypatch.setattr(clock, "time", asleep)
    assert clock.SystemClock().pause(3600) is False
    assert asleep.slices == [30]  # woken up in the morning, it does not wait for the rest of the hour
    awake = Time(slept=0)
    monkeypatch.setattr(clock, "time", awake)
    clock.SystemClock().pause(100)
    assert awake.slices == [30, 30, 30, 10]
    back = Time(slept=-7200)  # the clock was set back by two hours
    monkeypatch.setattr(clock, "time", back)
    clock.SystemClock().pause(60)
    assert sum(back.slices) == 60


@pytest.mark.parametrize(("platform", "longest"), [("win32", slices.SLICE_S), ("linux", 30.0)])
def test_a_pause_that_a_phone_may_end_is_ended_by_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, platform: str, longest: float
) -> None:
    """Which does not wake a program that waits for a socket on Windows."""
    waits: list[float] = []

    def select(_read: object, _write: object, _error: object, seconds: float) -> tuple[bool]:
        waits.append(seconds)
        return (len(waits) == 3,)

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("select.select", select)
    with socket.socket() as sock:
        assert clock.SystemClock().pause(3600, sock)
    assert waits == [longest] * 3
