"""Backups of made app databases, and what readers say of them in the words of the makers' tables."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date

from ibackup.apple.backup import Backup
from ibackup.contents.calendar.event_types import EventAlarm, EventPlace, Guest
from ibackup.contents.people.card_types import CalendarDay, Labeled, LabeledDay
from ibackup.simulator.life.life_file import LifeFile
from support.minted import Mint, Spec


@contextmanager
def backup_of(mint: Mint, files: Iterable[LifeFile], password: str | None = None) -> Iterator[Backup]:
    """An open backup that holds these files."""
    made = mint(password, specs=[Spec(file.domain, file.path, content=file.data) for file in files])
    with Backup.open(made.folder) as backup:
        backup.unlock(password)
        yield backup


def in_their_words(value: object) -> object:
    """A value of a record as the makers' tables spell it."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, CalendarDay):
        return str(value)
    if isinstance(value, Labeled):
        return value.label.text, value.value
    if isinstance(value, LabeledDay):
        return value.label.text, str(value.day)
    if isinstance(value, Guest):
        return f"{value.address} {value.status}"
    if isinstance(value, EventPlace):
        return value.shown
    if isinstance(value, EventAlarm):
        return value.proximity or (value.at.isoformat() if value.at else value.seconds)
    if isinstance(value, tuple | list):
        return [in_their_words(each) for each in value]
    return value


def disagreements(record: object, says: Mapping[str, object]) -> list[str]:
    """Where a record says something else than the maker's table."""
    found = []
    for name, expected in says.items():
        actual = in_their_words(getattr(record, name))
        wanted = list(expected) if isinstance(expected, tuple) else expected
        if actual != wanted:
            found.append(f"{name}: {actual!r}, not {wanted!r}")
    return found
