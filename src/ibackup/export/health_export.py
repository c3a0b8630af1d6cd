"""Health: one table for each kind of figure, a row for each day."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import groupby

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.health import PART, HealthFigures, health_by_day
from ibackup.contents.only_encrypted import why_none
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.export_folder import plain_name
from ibackup.export.tables import Record, write_tables

_TITLE = "Health"


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every kind and day."""
    return (each.id for each in health_by_day(backup, gaps))


def export(run: Export) -> None:
    """Write a table for each kind."""
    above = run.folder.place((), _TITLE, "folder health")
    found = (each for each in health_by_day(run.backup, run.gaps, run.request.zone) if _wanted(run, each))
    days = 0
    kinds = 0
    for (kind, _), group in groupby(found, key=lambda each: (each.kind, each.unit)):
        rows = list(group)
        _write(run, above, kind, rows)
        days += len(rows)
        kinds += 1
    if not days:
        run.nothing(why_none(run.gaps, PART))
        return
    run.count("Health days", days)
    run.index.append(
        IndexLine(_TITLE, None, f"{counted(kinds, 'kinds')} of figures, in the folder {above[-1]}")
    )


def _wanted(run: Export, each: HealthFigures) -> bool:
    return run.wants(each.id, _midnight(each.day, run.request.zone))


def _midnight(day: str, zone: tzinfo) -> datetime:
    try:
        return datetime.fromisoformat(day).replace(tzinfo=zone)
    except ValueError:
        return datetime(1, 1, 1, tzinfo=UTC)


def _write(run: Export, above: tuple[str, ...], kind: str, days: Sequence[HealthFigures]) -> None:
    heads, records = health_table(days)
    write_tables(run, above, plain_name(_head(kind), "Figures"), heads, lambda _gaps: records)


def health_table(days: Sequence[HealthFigures]) -> tuple[dict[str, str], list[Record]]:
    """The columns and the rows of a table of one kind of figures."""
    figures = list(dict.fromkeys(name for row in days for name in row.figures))
    unit = days[0].unit if days else ""
    heads = {"day": "Day"}
    heads |= {name: f"{_head(name)} ({unit})" if unit else _head(name) for name in figures}
    heads["samples"] = "Measurements"
    return heads, [
        {
            "id": row.id,
            "kind": row.kind,
            "unit": unit or None,
            "day": row.day,
            **{name: _plain(row.figures.get(name)) for name in figures},
            "samples": row.samples,
        }
        for row in days
    ]


def _plain(figure: float | None) -> float | int | None:
    """A figure with three digits after the point, and none if they are zeros."""
    if figure is None:
        return None
    return int(figure) if figure.is_integer() else round(figure, 3)


def _head(name: str) -> str:
    return name[:1].upper() + name[1:]
