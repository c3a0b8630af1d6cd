"""In which backups an entry is, and what it said before, found by looking into few of many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from ibackup.apple.backup import Backup
from ibackup.base.errors import NotABackup
from ibackup.contents.gaps import Gaps
from ibackup.view.kinds_shown.entry_history import EntryHistory, entry_history
from ibackup.view.kinds_shown.entry_types import EntryDetail, EntryRow
from ibackup.view.kinds_shown.shown_kind import EntryLook, KindShelf, ShownKind
from ibackup.view.shown_phones import ShownBackup

FIRST = datetime(2026, 1, 1, 22, 0, tzinfo=UTC)
BACKUPS = [ShownBackup(f"{n}", f"/backups/{n}", "UDID", FIRST + timedelta(days=n)) for n in range(60)]


@dataclass(frozen=True)
class Line:
    """What an entry says, and since when."""

    text: str
    changed: datetime | None


class Lines(ShownKind[Line]):
    """A kind without a backup: the search alone is looked at."""

    page = icon = title = one = many = find = "lines"

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[Line]:
        return []

    def ident(self, record: Line) -> str:
        return record.text

    def row(self, record: Line) -> EntryRow:
        return EntryRow(record.text)

    def heading(self, record: Line) -> str:
        return ""

    def words(self, record: Line) -> str:
        return record.text

    def changed(self, record: Line) -> datetime | None:
        return record.changed

    def detail(self, record: Line, shelf: KindShelf[Line], look: EntryLook) -> EntryDetail:
        return EntryDetail(title=record.text)


class Phone:
    """Knows what an entry says in each backup, and counts how many were looked into."""

    def __init__(self, here: dict[int, Line], broken: Sequence[int] = ()) -> None:
        self._here = here
        self._broken = set(broken)
        self.looked: set[str] = set()

    def find(self, backup: ShownBackup) -> Line | None:
        self.looked.add(backup.id)
        if int(backup.id) in self._broken:
            raise NotABackup("It is damaged.")
        return self._here.get(int(backup.id))

    def history(self, chosen: int) -> EntryHistory | None:
        return entry_history(Lines(), BACKUPS, BACKUPS[chosen], self.find)


def a_day(number: int) -> datetime:
    """A moment in the day before a backup."""
    return FIRST + timedelta(days=number, hours=-5)


@pytest.mark.parametrize(("first", "last"), [(0, 59), (0, 20), (30, 59), (17, 23), (31, 31), (58, 59)])
def test_the_first_and_the_last_backup_are_found_in_few_steps(first: int, last: int) -> None:
    phone = Phone({n: Line("same", None) for n in range(first, last + 1)})
    found = phone.history((first + last) // 2)
    assert found is not None
    assert (found.first.id, found.last.id, found.count) == (str(first), str(last), last - first + 1)
    assert (found.before.id if found.before else None) == (str(first - 1) if first else None)
    assert (found.after.id if found.after else None) == (str(last + 1) if last < 59 else None)
    assert len(phone.looked) <= 16


def test_versions_are_in_the_newest_backups_from_before_each_change() -> None:
    texts = {
        **dict.fromkeys(range(10, 25), 10),
        **dict.fromkeys(range(25, 40), 25),
        **dict.fromkeys(range(40, 60), 40),
    }
    phone = Phone({n: Line(f"written on {since}\nshared line", a_day(since)) for n, since in texts.items()})
    found = phone.history(59)
    assert found is not None
    assert [(each.backup.id, each.taken, each.added) for each in found.versions] == [
        ("39", ("written on 25",), ("written on 40",)),
        ("24", ("written on 10",), ("written on 25",)),
    ]
    assert not found.more_versions
    assert len(phone.looked) <= 16


def test_a_change_that_says_nothing_new_is_no_version() -> None:
    phone = Phone({n: Line("same", a_day(30 if n >= 30 else 5)) for n in range(5, 60)})
    found = phone.history(59)
    assert found is not None
    assert found.versions == ()


def test_backups_that_cannot_be_read_are_passed_over_and_counted() -> None:
    phone = Phone({n: Line("same", None) for n in range(20, 40)}, broken=[0, 59, 29, 30])
    found = phone.history(25)
    assert found is not None
    assert (found.first.id, found.last.id) == ("20", "39")
    assert found.unread >= 2  # the ends, which are looked at first
    assert Phone({}, broken=[25]).history(25) is None


def test_many_versions_end_somewhere() -> None:
    phone = Phone({n: Line(f"day {n}", a_day(n)) for n in range(60)})
    found = phone.history(59)
    assert found is not None
    assert len(found.versions) == 8
    assert found.more_versions
