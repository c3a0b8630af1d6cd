"""The thread of a phone: beads by size, what proves them, months, and the nights that were missed."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.config.config_schema import Config
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof
from ibackup.store.store import Store
from ibackup.view import shown_phones
from ibackup.view.shown_phones import ShownPhone
from ibackup.view.thread_beads import Bead, MissedNights, MonthBegins, NextRun, nights_between, thread_of
from support.made_store import ANN, add_snapshot, make_store

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
GB = 10**9


def phone_with(folder: Path, *ages: int) -> ShownPhone:
    store = make_store(folder / "store")
    for n, days in enumerate(ages):
        add_snapshot(store, ANN, timedelta(days=days, hours=14), now=NOW, bytes=(30 + n) * GB)
    (found,) = shown_phones.of_store(store, Config())
    return found


def beads(phone: ShownPhone) -> list[Bead]:
    return [each for each in thread_of(phone, (), NOW) if isinstance(each, Bead)]


def test_beads_are_larger_for_larger_backups_and_the_last_is_the_newest(tmp_path: Path) -> None:
    found = beads(phone_with(tmp_path, 4, 3, 2, 1, 0))
    assert [each.step for each in found] == [1, 2, 3, 4, 5]
    assert [each.newest for each in found] == [False] * 4 + [True]


def test_one_backup_has_a_size_in_the_middle(tmp_path: Path) -> None:
    assert [each.step for each in beads(phone_with(tmp_path, 1))] == [3]


def test_what_is_proved_stands_in_the_words_too(tmp_path: Path) -> None:
    phone = phone_with(tmp_path, 3, 2, 1)
    assert phone.folder is not None
    read, rehearsed, damaged = (each.id for each in phone.backups)
    phone.folder.add_proof(read, Proof("full", NOW, "good"))
    phone.folder.add_proof(rehearsed, Proof("rehearse", NOW, "good"))
    phone.folder.add_proof(damaged, Proof("full", NOW, "damaged", ("aa/aabb",)))
    one, two, three = beads(shown_phones.of_store(_store(phone), Config())[0])
    assert (one.read_in_full, one.rehearsed, one.damaged, one.said) == (True, False, False, "read in full")
    assert (two.rehearsed, two.said) == (True, "restorable, proven")
    assert (three.damaged, three.read_in_full, three.said) == (True, False, "damaged")
    assert one.label.endswith("30\u00a0GB, read in full")


def test_a_months_first_backup_has_its_name_before_it(tmp_path: Path) -> None:
    found = thread_of(phone_with(tmp_path, 400, 33, 32, 0), (), NOW)
    assert [each.label if isinstance(each, MonthBegins) else each.kind for each in found] == [
        "Oct", "bead", "Oct 2026", "bead", "bead", "Nov", "bead",
    ]  # fmt: skip


def test_missed_nights_lie_between_their_neighbours_and_after_the_newest(tmp_path: Path) -> None:
    phone = phone_with(tmp_path, 10, 6, 3)
    days = [(NOW - timedelta(days=ago)).date() for ago in (9, 8, 2)]
    found = thread_of(phone, days, NOW)
    kinds = [each.nights if isinstance(each, MissedNights) else each.kind for each in found]
    assert kinds == ["month", "bead", 2, "bead", "bead", 1]


def test_the_next_run_ends_the_thread_and_is_no_bead(tmp_path: Path) -> None:
    phone = phone_with(tmp_path, 3, 2)
    last = thread_of(phone, (), NOW, NOW + timedelta(hours=10))[-1]
    assert isinstance(last, NextRun)
    assert last.label.endswith(": not made yet")


@pytest.mark.parametrize(("hour", "many"), [(21, 0), (2, 0), (13, 1)])
def test_a_backup_after_midnight_is_of_the_night_before(hour: int, many: int) -> None:
    before = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
    after = datetime(2026, 11, 20 + (hour < 12 or hour == 13), hour, 0, tzinfo=UTC)
    assert nights_between(before, after, [date(2026, 11, 20)]) == many


def _store(phone: ShownPhone) -> Store:
    assert isinstance(phone.folder, PhoneFolder)
    return Store.open(Path(phone.folder.path).parent, create=False)
