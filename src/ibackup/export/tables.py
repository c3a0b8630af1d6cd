"""Lists of records as CSV for people and JSON for programs, from one description of each record."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, tzinfo
from itertools import chain

from ibackup.base.confined import Parts
from ibackup.contents.app_times import rfc3339
from ibackup.contents.gaps import Gaps
from ibackup.export.export_context import Export, in_zone
from ibackup.export.formats.csv_rows import CsvCell, csv_lines

Record = Mapping[str, object]
"""By the names of its JSON members. Times are datetimes: in UTC in JSON, in the request's zone in CSV."""
Records = Callable[[Gaps], Iterable[Record]]


def write_tables(
    run: Export, above: Parts, stem: str, heads: Mapping[str, str], records: Records
) -> tuple[Parts, int]:
    """Write the formats that the request names: CSV unless it names JSON alone, and JSON.

    Args:
        run: the export.
        above: the folder.
        stem: of the files' names.
        heads: the columns of the CSV file: its head by the member that it shows.
        records: gives the rows, once for each format, so that long tables need little memory; what it cannot read
            goes to the gaps that it gets.

    Returns:
        The place of the file that people open, and the number of rows. Without any, nothing is written.
    """
    formats = run.request.formats
    wanted = [each for each in ("csv", "json") if each in formats] or ["csv"]
    place: Parts = above
    count = 0
    for number, form in enumerate(wanted):
        # What is left out is counted once.
        found = iter(records(run.gaps if number == 0 else Gaps()))
        first = next(found, None)
        if first is None:
            return above, 0
        rows = chain([first], found)
        counted = _Counted()
        target = run.folder.place(above, f"{stem}.{form}", f"table {'/'.join(above)} {stem}.{form}")
        if form == "csv":
            run.folder.write(target, csv_table(heads, counted.each(rows), run.request.zone))
        else:
            run.folder.write(target, json_list(counted.each(rows)))
        if number == 0:
            place, count = target, counted.number
    return place, count


def csv_table(heads: Mapping[str, str], records: Iterable[Record], zone: tzinfo) -> Iterator[str]:
    """The lines of a CSV file.

    Args:
        heads: its columns: the head by the member that it shows.
        records: the rows.
        zone: in which times are shown.
    """
    return csv_lines(
        heads.values(), ([_cell(zone, record.get(name)) for name in heads] for record in records)
    )


class _Counted:
    """Counts rows on their way."""

    def __init__(self) -> None:
        self.number = 0

    def each(self, rows: Iterable[Record]) -> Iterator[Record]:
        for row in rows:
            self.number += 1
            yield row


def json_list(records: Iterable[Record]) -> Iterator[str]:
    """A list of objects, one a line."""
    before = "[\n"
    for record in records:
        plain = {name: _member(value) for name, value in record.items()}
        yield before + json.dumps(plain, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def shown_time(run: Export, moment: datetime) -> str:
    """A moment as people read it, with the difference of its zone from UTC: 2024-05-18 04:40:00 +02:00."""
    return _shown(moment, run.request.zone)


def _shown(moment: datetime, zone: tzinfo) -> str:
    text = in_zone(moment, zone).isoformat(" ", "seconds")  # 2024-05-18 04:40:00+02:00
    return f"{text[:19]} {text[19:25]}"


def _member(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value) if value.tzinfo is not None else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_member(each) for each in value]
    return value


def _cell(zone: tzinfo, value: object) -> CsvCell:
    if isinstance(value, datetime):
        return _shown(value, zone) if value.tzinfo is not None else value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return "; ".join(str(each) for each in value if each)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
