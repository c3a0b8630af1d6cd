"""Recordings under names that people recognize, with the time at which they were made."""

from datetime import datetime

from ibackup.apple.entry import Entry
from ibackup.base.confined import Parts
from ibackup.explore.file_times import Times
from ibackup.export.export_context import Export
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
    ending = plain_name(entry.relative_path.rpartition("/")[2].rpartition(".")[2], "bin").lower()
    place = run.folder.place(above, f"{dated_name(run, title, moment)}.{ending}", f"recording {key}")
    run.folder.copy(
        entry, place, Times(moment.timestamp(), moment.timestamp()) if moment is not None else None
    )
    return place


def dated_name(run: Export, title: str, moment: datetime | None) -> str:
    """A name such as "2024-05-03 12.00 Idea", without an ending."""
    date = f"{run.local(moment):%Y-%m-%d %H.%M} " if moment is not None and moment.year >= 1000 else ""
    return plain_name(date + plain_name(title, "Untitled"), "Untitled")
