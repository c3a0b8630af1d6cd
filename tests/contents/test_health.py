"""Health by day: no step counted twice, each day where the person was."""

from collections.abc import Iterator
from datetime import UTC

import pytest

from ibackup.contents.gaps import Gaps
from ibackup.contents.health import HealthFigures, health_by_day
from ibackup.contents.only_encrypted import NOT_ENCRYPTED
from ibackup.simulator.life import health_db
from ibackup.simulator.life.life_file import LifeFile
from support.lives import backup_of
from support.minted import Mint

PASSWORD = "Kurzhaar-Wisent 7"


def read(
    mint: Mint, files: Iterator[LifeFile], gaps: Gaps | None = None
) -> dict[tuple[str, str], HealthFigures]:
    with backup_of(mint, files, PASSWORD) as backup:
        found = list(health_by_day(backup, gaps if gaps is not None else Gaps(), UTC))
    assert [each.id for each in found] == sorted({each.id for each in found})
    return {(each.kind, each.day): each for each in found}


@pytest.mark.parametrize("ios", [14, 15, 17, 26])
def test_each_day_says_what_is_true(mint: Mint, ios: int) -> None:
    gaps = Gaps()
    found = read(mint, health_db.files(health_db.SAMPLES, ios=ios), gaps)
    for day in health_db.DAYS:
        figures = found[day.kind, day.day]
        truth = {name: figures.figures[name] for name in day.figures}
        assert truth == pytest.approx(day.figures), day
        assert figures.samples == day.samples, day
    assert found["workouts", "2024-06-02"].figures == {"minutes": 30}
    assert len(found) == len(health_db.DAYS) + 1
    assert not gaps


def test_a_walk_that_phone_and_watch_counted_counts_once(mint: Mint) -> None:
    """The watch counted most in one hour, the phone in the next."""
    walk = [
        health_db.MadeSample(
            kind=health_db.STEPS, start=health_db.MIDNIGHT + at, quantity=steps, source=source
        )
        for at, steps, source in (
            (36_000, 500, health_db.PHONE),
            (36_060, 600, health_db.WATCH),
            (39_600, 800, health_db.PHONE),
            (39_660, 700, health_db.WATCH),
        )
    ]
    found = read(mint, health_db.files(walk, ios=17))
    assert found["steps", "2024-06-02"].figures == {"sum": 1400}


def test_values_of_the_wrong_kind_cost_only_themselves(mint: Mint) -> None:
    made = health_db.filled(health_db.SAMPLES, ios=17)
    made.run("UPDATE samples SET start_date = 'soon' WHERE data_id = 4")
    made.run("UPDATE quantity_samples SET quantity = X'00' WHERE data_id = 5")
    made.run("DROP TABLE workouts")
    gaps = Gaps()
    found = read(mint, iter([LifeFile(health_db.DOMAIN, health_db.SECURE, made.data(), 1)]), gaps)
    assert found["steps", "2024-06-02"].figures == {"sum": 1100}
    assert sum(gap.count for gap in gaps) == 2


def test_missing_provenances_cost_only_the_zone(mint: Mint) -> None:
    made = health_db.filled(health_db.SAMPLES, ios=17)
    made.run("DROP TABLE data_provenances")
    found = read(mint, iter([LifeFile(health_db.DOMAIN, health_db.SECURE, made.data(), 1)]))
    assert found["steps", "2024-06-02"].samples == 6


def test_an_unencrypted_backup_says_why_there_is_nothing(mint: Mint) -> None:
    gaps = Gaps()
    with backup_of(mint, [LifeFile("HomeDomain", "Library/x", b"x", 1)]) as backup:
        assert list(health_by_day(backup, gaps)) == []
    assert [gap.reason for gap in gaps] == [NOT_ENCRYPTED]
