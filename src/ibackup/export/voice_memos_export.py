"""Voice memos: the recordings, named by date and title, with their transcripts, and a table."""

from collections.abc import Iterator

from ibackup.apple.backup import Backup
from ibackup.base.confined import Parts
from ibackup.contents.gaps import Gaps
from ibackup.contents.voice_memos import VoiceMemo, VoiceMemos
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.export_folder import plain_name
from ibackup.export.recordings import copy_recording, dated_name
from ibackup.export.tables import Record, write_tables

_HEADS = {
    "time": "Time",
    "title": "Title",
    "seconds": "Seconds",
    "folder": "Folder",
    "deleted": "Deleted",
    "file": "File",
    "transcript": "Transcript",
}


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every memo."""
    memos = VoiceMemos.of(backup, gaps)
    if memos is not None:
        with memos:
            for memo in memos:
                yield memo.id


def export(run: Export) -> None:
    """Copy the recordings and write the list."""
    memos = VoiceMemos.of(run.backup, run.gaps)
    if memos is None:
        run.nothing()
        return
    above = run.folder.place((), "Voice memos", "folder voice memos")
    with memos:
        records = [_record(run, above, memos, memo) for memo in memos if run.wants(memo.id, memo.time)]
    if not records:
        run.nothing()
        return
    shown, _ = write_tables(run, above, "Voice memos", _HEADS, lambda _gaps: records)
    run.count("memos", len(records))
    run.index.append(IndexLine("Voice memos", shown, counted(len(records), "memos")))


def _record(run: Export, above: Parts, memos: VoiceMemos, memo: VoiceMemo) -> Record:
    folder = above
    if memo.folder:
        folder = run.folder.place(above, plain_name(memo.folder, "Folder"), f"memo folder {memo.folder}")
    entry = memos.file(memo)
    transcript = memos.transcript(memo)
    place = None
    if entry is not None:
        place = copy_recording(run, folder, entry, memo.title, memo.time, memo.id)
        if transcript:
            name = f"{place[-1].rpartition('.')[0]}.txt"
            text = run.folder.place(folder, name, f"transcript {memo.id}")
            run.folder.write(text, [transcript, "\n"], memo.time.timestamp() if memo.time else None)
    elif memo.pieces:
        place = _pieces(run, folder, memo)
    return {
        "id": memo.id,
        "time": memo.time,
        "title": memo.title,
        "seconds": memo.seconds,
        "folder": memo.folder,
        "deleted": memo.deleted,
        "transcript": transcript,
        "file": "/".join(place[len(above) :]) if place is not None else None,
    }


def _pieces(run: Export, above: Parts, memo: VoiceMemo) -> Parts:
    """Copy the parts of an edited memo into a folder."""
    folder = run.folder.place(
        above, dated_name(memo.title, memo.time, run.request.zone), f"memo pieces {memo.id}"
    )
    for path in memo.pieces:
        entry = run.backup.entry(memo.domain, path)
        if entry is not None:
            name = path.rpartition("/")[2]
            run.folder.copy(entry, run.folder.place(folder, name, f"memo piece {memo.id} {path}"))
    return folder
