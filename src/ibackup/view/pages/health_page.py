"""Health: what was measured, each with its figures by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.base.counts import count_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.health import PART, HealthFigures, health_by_day
from ibackup.contents.only_encrypted import why_none
from ibackup.contents.time_zones import local_zone
from ibackup.export.export_folder import plain_name
from ibackup.export.health_export import health_table
from ibackup.export.tables import csv_table
from ibackup.view.kinds_shown.entry_times import moment_of
from ibackup.view.kinds_shown.entry_types import (
    Download,
    EntryDetail,
    EntryRow,
    EntryTable,
    Fact,
    TakeForm,
    facts,
)
from ibackup.view.kinds_shown.kind_ways import kind_ways
from ibackup.view.kinds_shown.shown_kind import EntryLook, KindShelf, ShownKind

_SHOWN_DAYS: Final = 92


@dataclass(frozen=True, slots=True)
class FiguresOfKind:
    """All days of one kind of figure, the newest last."""

    name: str
    unit: str
    days: tuple[HealthFigures, ...]


class Health(ShownKind[FiguresOfKind]):
    """The kind."""

    page = "health"
    icon = "heart"
    title = "Health"
    one = "kind of figures"
    many = "kinds of figures"
    find = "Find a kind of figures"
    forms = (TakeForm("csv", "Take these figures out (CSV)", ""),)

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[FiguresOfKind]:
        """The kinds, by name."""
        by_day = health_by_day(backup, gaps, local_zone())
        return [
            FiguresOfKind(name, unit, tuple(days))
            for (name, unit), days in groupby(by_day, key=lambda each: (each.kind, each.unit))
        ]

    def why_none(self, shelf: KindShelf[FiguresOfKind]) -> str:
        """Only encrypted backups have it."""
        if why_none(shelf.gaps, PART):
            return (
                "There are no Health figures in this backup, because it is not encrypted: a phone puts them only into "
                "encrypted backups. Turn on encryption in Settings here, and the next backup has them."
            )
        return "There are no Health figures in this backup."

    def ident(self, record: FiguresOfKind) -> str:
        """Its name."""
        return record.name

    def heading(self, record: FiguresOfKind) -> str:
        """None: the list is short."""
        del record
        return ""

    def words(self, record: FiguresOfKind) -> str:
        """Its name."""
        return record.name

    def row(self, record: FiguresOfKind) -> EntryRow:
        """What was measured, and on how many days."""
        return EntryRow(_sentence(record.name), count_text(len(record.days), "day"), record.unit)

    def detail(self, record: FiguresOfKind, shelf: KindShelf[FiguresOfKind], look: EntryLook) -> EntryDetail:
        """The newest figures as a table."""
        del shelf, look
        heads, rows = health_table(record.days)
        names = tuple(name for name in heads if name != "samples")
        shown = rows[-_SHOWN_DAYS:][::-1]
        table = EntryTable(
            "By day" if len(shown) == len(rows) else f"The newest {len(shown)} days",
            tuple(heads[name] for name in names),
            tuple(tuple(_cell(name, row.get(name)) for name in names) for row in shown),
        )
        return EntryDetail(
            title=_sentence(record.name),
            subtitle=count_text(len(record.days), "day"),
            facts=facts(
                Fact.of("First day", _day(record.days[0].day)),
                Fact.of("Last day", _day(record.days[-1].day)),
                Fact.of("Measurements", f"{sum(each.samples for each in record.days):,}"),
            ),
            tables=(table,),
        )

    def take(self, records: Sequence[FiguresOfKind], form: str, backup: Backup, *, alone: bool) -> Download:
        """The table that an export writes."""
        del form, backup, alone
        heads, rows = health_table([day for each in records for day in each.days])
        lines = csv_table(heads, rows, local_zone())
        name = plain_name(_sentence(records[0].name), "Figures") if records else self.title
        return Download(f"{name}.csv", "text/csv; charset=utf-8", (line.encode() for line in lines))


def _cell(name: str, value: object) -> str:
    if name == "day":
        return _day(str(value))
    return f"{value:,}" if isinstance(value, (int, float)) else ""


def _day(day: str) -> str:
    try:
        return moment_of(date.fromisoformat(day))
    except ValueError:
        return day


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


WAYS = kind_ways(Health())
