"""How long a disk is enough: only what the snapshots' own records say, and nothing too early."""

from datetime import timedelta
from pathlib import Path

import pytest

from ibackup.config.config_schema import Config
from ibackup.jobs.overview.store_growth import bytes_per_day, lasts
from ibackup.jobs.overview.store_overview import look
from support.made_store import ANN, BOB, NOW, add_snapshot, make_store

DAY = timedelta(days=1)
GB = 10**9


def growth(folder: Path, *snapshots: tuple[str, int, int, int], copies: bool = False) -> float | None:
    """Of a store with these snapshots: udid, age in days, bytes, bytes that the phone sent."""
    store = make_store(folder / "store")
    phones: dict[str, list[object]] = {}
    for udid, age, size, sent in snapshots:
        made = add_snapshot(store, udid, age * DAY, bytes=size * GB, received_bytes=sent * GB)
        phones.setdefault(udid, []).append(made.meta)
    return bytes_per_day(phones.values(), NOW, copies=copies)  # type: ignore[arg-type]


def test_what_each_backup_brought_counts_but_not_the_first(tmp_path: Path) -> None:
    found = growth(
        tmp_path, (ANN, 20, 60, 60), (ANN, 10, 61, 4), (ANN, 0, 61, 6), (BOB, 40, 30, 30), (BOB, 1, 30, 20)
    )
    assert found == pytest.approx(10 * GB / 20 + 20 * GB / 40)


def test_where_snapshots_were_removed_what_stays_of_them_counts(tmp_path: Path) -> None:
    assert growth(tmp_path, (ANN, 100, 60, 60), (ANN, 0, 110, 2)) == pytest.approx(50 * GB / 100)


def test_where_nothing_is_shared_each_backup_counts_in_full(tmp_path: Path) -> None:
    assert growth(tmp_path, (ANN, 20, 60, 60), (ANN, 0, 60, 1), copies=True) == pytest.approx(3 * GB)


@pytest.mark.parametrize(
    "snapshots",
    [
        [],
        [(ANN, 13, 60, 60), (ANN, 1, 61, 4)],
        [(ANN, 40, 60, 60), (ANN, 1, 61, 4), (BOB, 3, 30, 30)],
        [(ANN, 40, 60, 60)],
        [(ANN, -3, 60, 60)],
    ],
    ids=[
        "no backup",
        "less than two weeks",
        "a phone that is new",
        "nothing was added",
        "dated in the future",
    ],
)
def test_without_enough_history_nothing_is_said(
    tmp_path: Path, snapshots: list[tuple[str, int, int, int]]
) -> None:
    assert growth(tmp_path, *snapshots) is None


def test_the_overview_says_it_for_the_whole_store_alone(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    for age in (20, 0):
        add_snapshot(store, ANN, age * DAY)
    found = look(store, Config(), NOW)
    assert found.enough_for == lasts(found.free_bytes, 10**9 / 20)
    assert look(store, Config(), NOW, udid=ANN).enough_for is None
