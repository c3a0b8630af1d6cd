"""Voicemail: a table, and the recordings, named by date and caller."""

from collections.abc import Iterator

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.people.name_book import NameBook
from ibackup.contents.people.names_of_backup import names_of
from ibackup.contents.voicemail import Voicemail, VoicemailBox
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.recordings import copy_recording
from ibackup.export.tables import Record, write_tables

_HEADS = {
    "time": "Time",
    "name": "Name",
    "sender": "Number",
    "seconds": "Seconds",
    "heard": "Heard",
    "deleted": "Deleted",
    "transcript": "Transcript",
    "file": "File",
}


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every message."""
    box = VoicemailBox.of(backup, gaps)
    if box is not None:
        with box:
            for voicemail in box:
                yield voicemail.id


def export(run: Export) -> None:
    """Copy the recordings and write the list."""
    box = VoicemailBox.of(run.backup, run.gaps)
    if box is None:
        run.nothing()
        return
    names = names_of(run.backup)
    above = run.folder.place((), "Voicemail", "folder voicemail")
    with box:
        records = [
            _record(run, above, box, voicemail, names)
            for voicemail in box
            if run.wants(voicemail.id, voicemail.time)
        ]
    if not records:
        run.nothing()
        return
    shown, _ = write_tables(run, above, "Voicemail", _HEADS, lambda _gaps: records)
    run.count("voicemails", len(records))
    run.index.append(IndexLine("Voicemail", shown, counted(len(records), "messages")))


def _record(
    run: Export, above: tuple[str, ...], box: VoicemailBox, voicemail: Voicemail, names: NameBook
) -> Record:
    number = voicemail.sender or voicemail.callback
    who = names.who(number) if number else None
    name = who.shown if who is not None and who.people else ""
    entry = box.recording(voicemail)
    place = None
    if entry is not None:
        place = copy_recording(run, above, entry, name or number or "Unknown", voicemail.time, voicemail.id)
    return {
        "id": voicemail.id,
        "time": voicemail.time,
        "name": name,
        "sender": voicemail.sender,
        "callback": voicemail.callback,
        "receiver": voicemail.receiver,
        "seconds": voicemail.seconds,
        "heard": voicemail.heard,
        "deleted": voicemail.deleted,
        "transcript": voicemail.transcript,
        "file": "/".join(place[len(above) :]) if place is not None else None,
    }
