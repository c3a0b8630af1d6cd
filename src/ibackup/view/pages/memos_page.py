"""Voice memos: recordings that play, with what the phone understood."""

from collections.abc import Iterator, Sequence
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.base import durations
from ibackup.base.counts import count_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.voice_memos import VoiceMemo, VoiceMemos, memo_recording, memo_transcript
from ibackup.view.kinds_shown.entry_times import moment_of, month_heading, short_day_of, whole_moment_of
from ibackup.view.kinds_shown.entry_types import (
    Download,
    EntryDetail,
    EntryMark,
    EntryNotice,
    EntryRow,
    EntrySound,
    Fact,
    TakeForm,
    dated,
    facts,
)
from ibackup.view.kinds_shown.kind_ways import kind_ways
from ibackup.view.kinds_shown.shown_kind import EntryChip, EntryLook, KindShelf, ShownKind, is_stored
from ibackup.view.kinds_shown.taken_sounds import TakenSound, sounds_download

_UNTITLED: Final = "Untitled"
_SOUND: Final = "sound"
_PIECE: Final = "piece "


class Memos(ShownKind[VoiceMemo]):
    """The kind."""

    page = "memos"
    icon = "mic"
    title = "Voice memos"
    one = "recording"
    many = "recordings"
    find = "Find a recording"
    forms = (TakeForm("sound", "Take this recording out", "All {}, in a zip"),)
    chips = (
        EntryChip[VoiceMemo]("deleted", "Recently deleted", "trash", lambda each: each.deleted is not None),
    )

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[VoiceMemo]:
        """Every memo, the newest first; those in Recently Deleted last."""
        memos = VoiceMemos.of(backup, gaps)
        if memos is None:
            return []
        with memos:
            found = sorted(memos, key=lambda memo: dated(memo.time), reverse=True)
        return sorted(found, key=lambda memo: memo.deleted is not None)

    def summary(self, shelf: KindShelf[VoiceMemo]) -> str:
        """How long they are together."""
        seconds = sum(memo.seconds or 0 for memo in shelf.records)
        return f"Together they last {durations.duration_words(seconds)}." if seconds >= 1 else ""

    def ident(self, record: VoiceMemo) -> str:
        """As the phone has it."""
        return record.id

    def heading(self, record: VoiceMemo) -> str:
        """The month."""
        return "Recently deleted" if record.deleted is not None else month_heading(record.time)

    def place(self, record: VoiceMemo) -> str:
        """Its folder."""
        return record.folder

    def words(self, record: VoiceMemo) -> str:
        """Its title and its folder."""
        return f"{record.title}\n{record.folder}"

    def row(self, record: VoiceMemo) -> EntryRow:
        """What it is called, how long it is."""
        marks = (
            []
            if record.recording
            else [EntryMark("Not here" if record.file_name else "In iCloud", "cloud", "wait")]
        )
        about = ", ".join(filter(None, (record.folder, short_day_of(record.time))))
        length = "" if record.seconds is None else durations.clock_text(record.seconds)
        return EntryRow(record.title or _UNTITLED, about, length, tuple(marks))

    def detail(self, record: VoiceMemo, shelf: KindShelf[VoiceMemo], look: EntryLook) -> EntryDetail:
        """The recording and what is known of it."""
        del shelf
        title = record.title or _UNTITLED
        sounds = [EntrySound(_SOUND, title)] if record.recording else []
        sounds += [
            EntrySound(f"{_PIECE}{number}", f"{title}, part {number}")
            for number, _ in enumerate(record.pieces, start=1)
        ]
        return EntryDetail(
            title=title,
            subtitle=moment_of(record.time),
            notices=tuple(_notices(record)),
            sounds=tuple(sounds),
            text=memo_transcript(look.backup, record),
            text_heading="What the phone understood",
            facts=facts(
                Fact.of("Length", "" if record.seconds is None else durations.clock_text(record.seconds)),
                Fact.of("Folder", record.folder),
                Fact.of("Recorded", whole_moment_of(record.time)),
                Fact.of("Deleted", whole_moment_of(record.deleted)),
                Fact.of("File", record.file_name),
            ),
            technical=facts(
                Fact.of("Id", record.id), Fact.of("Place", record.domain, record.recording or "")
            ),
            can_be_taken=bool(sounds),
        )

    def file(self, record: VoiceMemo, name: str, backup: Backup) -> Entry | None:
        """The recording, or a part of it."""
        if name == _SOUND:
            return memo_recording(backup, record)
        number = name.removeprefix(_PIECE)
        if number.isdecimal() and 1 <= int(number) <= len(record.pieces):
            return backup.entry(record.domain, record.pieces[int(number) - 1])
        return None

    def take(self, records: Sequence[VoiceMemo], form: str, backup: Backup, *, alone: bool) -> Download:
        """The recordings as they are."""
        del form
        sounds = [sound for memo in records for sound in _sounds(memo, backup)]
        return sounds_download(self.title, sounds, alone=alone)


def _sounds(memo: VoiceMemo, backup: Backup) -> Iterator[TakenSound]:
    title = memo.title or _UNTITLED
    whole = memo_recording(backup, memo)
    if whole is not None and is_stored(backup, whole):
        yield TakenSound(title, memo.time, whole)
    for number, path in enumerate(memo.pieces, start=1):
        piece = backup.entry(memo.domain, path)
        if piece is not None and is_stored(backup, piece):
            yield TakenSound(f"{title}, part {number}", memo.time, piece)


def _notices(memo: VoiceMemo) -> Iterator[EntryNotice]:
    if memo.deleted is not None:
        yield EntryNotice(
            "In Recently Deleted", "The phone removes such recordings after some weeks.", "trash", "wait"
        )
    if memo.pieces:
        parts = count_text(len(memo.pieces), "part")
        yield EntryNotice("This recording was edited", f"The backup has it in {parts}, not in one piece.")
    elif memo.recording is None and memo.file_name:
        yield EntryNotice(
            "The recording is not in this backup",
            "Only its entry in the list is. A backup before or after this one may have it.",
            "warn",
            "wait",
        )
    elif memo.recording is None:
        yield EntryNotice(
            "The recording is only in iCloud",
            "The phone did not have it when the backup was made.",
            "cloud",
            "wait",
        )


WAYS = kind_ways(Memos())
