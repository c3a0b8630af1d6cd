"""Recordings under names that people recognize, with the time at which they were made."""

from datetime import datetime, tzinfo

from ibackup.apple.entry import Entry
from ibackup.base.confined import Parts
from ibackup.explore.file_times import Times
from ibackup.export.export_context import Export, in_zone
from ibackup.export.export_folder import plain_name


def copy_recording(
    run: Export, above: Parts, entry: Entry, title: str, moment: datetime | None, key: str
) -> Parts:
    """Copy a recording as it is and return its place.

    Args:
        run: the export.
        above: the folder.
        entry: the file in the backup.
        title: what it is called after its date.
        moment: when it was made; None if unknown.
        key: its own id, unique in the whole export.
    """
    name = recording_name(entry, title, moment, run.request.zone)
    place = run.folder.place(above, name, f"recording {key}")
    run.folder.copy(
        entry, place, Times(moment.timestamp(), moment.timestamp()) if moment is not None else None
    )
    return place


def recording_name(entry: Entry, title: str, moment: datetime | None, zone: tzinfo) -> str:
    """A name such as "2024-05-03 12.00 Idea.m4a"."""
    ending = plain_name(entry.relative_path.rpartition("/")[2].rpartition(".")[2], "bin").lower()
    return f"{dated_name(title, moment, zone)}.{ending}"


def dated_name(title: str, moment: datetime | None, zone: tzinfo) -> str:
    """The same without an ending."""
    date = f"{in_zone(moment, zone):%Y-%m-%d %H.%M} " if moment is not None and moment.year >= 1000 else ""
    return plain_name(date + plain_name(title, "Untitled"), "Untitled")
