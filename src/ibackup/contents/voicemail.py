"""Voicemail that the phone downloaded ("visual voicemail"), with the recordings and what the phone understood."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from ibackup.apple.app_places import VOICEMAIL
from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.apple.rows import Kind
from ibackup.base.confined import PathRefused
from ibackup.contents.app_database import AppDatabase, Cell, number, text
from ibackup.contents.app_times import from_unix
from ibackup.contents.decoding.archived_objects import ArchivedObject, unarchive
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.gaps import Gaps
from ibackup.contents.odd_values import OddValues

PART: Final = "voicemail"
_FOLDER: Final = VOICEMAIL.folder
_HEARD, _DELETED = 64, 8  # bits of `flags`: seen as 3 (new), 67 (heard) and 75 (deleted), and so assumed
_MOST_TRANSCRIPT: Final = 4 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Voicemail:
    """One message in the box.

    Attributes:
        id: the same in every snapshot of this phone.
        time: when it was left; None if the phone's value is no time.
        seconds: how long it is.
        sender: the number it came from; empty if that was withheld.
        callback: the number to call back, if it is another.
        heard: None if the phone did not note it.
        deleted: when the person deleted it; the phone keeps it for a while.
        receiver: the phone's own number or line that it was left for.
        transcript: what the phone understood; empty if nothing.
        recording: the path of the recording below HomeDomain; None if the backup has none.
    """

    id: str
    time: datetime | None
    seconds: float | None
    sender: str
    callback: str
    heard: bool | None
    deleted: datetime | None
    receiver: str
    transcript: str
    recording: str | None


class VoicemailBox:
    """A backup's voicemail; iterate over it. Close it when done."""

    def __init__(self, backup: Backup, box: AppDatabase, gaps: Gaps) -> None:
        self._backup = backup
        self._box = box
        self._gaps = gaps
        self._odd = OddValues(PART, gaps)

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """Open it; None if the backup has none or, with a gap, if it cannot be read. Raises NoRoom, FormatError."""
        box = AppDatabase.of(backup, [VOICEMAIL], PART, gaps)
        return None if box is None else cls(backup, box, gaps)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its database."""
        self._box.close()

    def __iter__(self) -> Iterator[Voicemail]:
        """Every message, in the order in which they were left."""
        table = self._box.table("voicemail")
        columns = ("date", "duration", "sender", "callback_num", "flags", "trashed_date", "receiver")
        for row, *cells in table.select(*columns) if table is not None else ():
            yield self._voicemail(number(row), cells)

    def recording(self, voicemail: Voicemail) -> Entry | None:
        """The file with the sound."""
        return voicemail_recording(self._backup, voicemail)

    def _voicemail(self, row: int, cells: list[Cell]) -> Voicemail:
        date, length, sender, callback, flags, trashed, receiver = cells
        bits = self._odd.whole(flags)
        sound = f"{_FOLDER}/{row}.amr"
        entry = self._backup.entry(VOICEMAIL.domain, sound)
        if entry is None:
            self._gaps.add(PART, "the recording is not in the backup", sound)
        return Voicemail(
            id=f"voicemail {row}",
            time=self._odd.time(date, from_unix),
            seconds=self._odd.seconds(length),
            sender=text(sender),
            callback=text(callback) if text(callback) != text(sender) else "",
            heard=None if bits is None else bool(bits & _HEARD),
            deleted=self._odd.time(trashed),
            receiver=text(receiver),
            transcript=self._transcript(f"{_FOLDER}/{row}.transcript"),
            recording=sound if entry is not None and entry.kind is Kind.FILE else None,
        )

    def _transcript(self, path: str) -> str:
        entry = self._backup.entry(VOICEMAIL.domain, path)
        if entry is None:
            return ""
        try:
            with entry.open() as source:
                found = unarchive(source.read(_MOST_TRANSCRIPT))
        except (OSError, FormatError, KeyRefused, PathRefused, Undecodable):
            self._gaps.add(PART, "the transcript cannot be read", path, damage=True)
            return ""
        if isinstance(found, ArchivedObject):
            with suppress(KeyError):
                return text(_cell(found.fields["transcriptionString"]))
        return ""


def voicemail_recording(backup: Backup, voicemail: Voicemail) -> Entry | None:
    """A message's recording in its backup; None if it is not there."""
    return None if voicemail.recording is None else backup.entry(VOICEMAIL.domain, voicemail.recording)


def _cell(value: object) -> Cell:
    return value if isinstance(value, str) else None
