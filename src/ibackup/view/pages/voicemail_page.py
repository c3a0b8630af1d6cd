"""Voicemail: the messages in the box, with their sound and what the phone understood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.base import durations
from ibackup.base.counts import count_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.people.names_of_backup import names_of
from ibackup.contents.voicemail import Voicemail, VoicemailBox, voicemail_recording
from ibackup.view.kinds_shown.entry_times import clock_of, day_heading, day_of, moment_of, whole_moment_of
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
from ibackup.view.kinds_shown.shown_kind import (
    EntryChip,
    EntryLook,
    KindShelf,
    ShownKind,
    initials,
    is_stored,
)
from ibackup.view.kinds_shown.taken_sounds import TakenSound, sounds_download

_WITHHELD: Final = "No number shown"
_SOUND: Final = "sound"


@dataclass(frozen=True, slots=True)
class ShownVoicemail:
    """A message and the name of who left it."""

    message: Voicemail
    name: str


class VoicemailMessages(ShownKind[ShownVoicemail]):
    """The kind."""

    page = "voicemail"
    icon = "voicemail"
    title = "Voicemail"
    one = "message"
    many = "messages"
    find = "Find a name, a number or a word"
    forms = (TakeForm("sound", "Take this recording out", "All {}, in a zip"),)
    chips = (
        EntryChip[ShownVoicemail]("new", "Not heard", "ring", lambda each: each.message.heard is False),
        EntryChip[ShownVoicemail](
            "deleted", "Deleted", "trash", lambda each: each.message.deleted is not None
        ),
    )

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[ShownVoicemail]:
        """Every message, the newest first; deleted ones last."""
        box = VoicemailBox.of(backup, gaps)
        if box is None:
            return []
        names = names_of(backup)
        with box:
            found = []
            for message in box:
                number = message.sender or message.callback
                found.append(ShownVoicemail(message, names.who(number).shown if number else _WITHHELD))
        found.sort(key=lambda each: dated(each.message.time), reverse=True)
        return sorted(found, key=lambda each: each.message.deleted is not None)

    def why_none(self, shelf: KindShelf[ShownVoicemail]) -> str:
        """Many providers keep voicemail elsewhere."""
        del shelf
        return (
            "There is no voicemail in this backup. A phone has it only if the provider offers visual voicemail; "
            "otherwise the messages are with the provider."
        )

    def summary(self, shelf: KindShelf[ShownVoicemail]) -> str:
        """How many were not heard."""
        new = sum(each.message.heard is False for each in shelf.records)
        return f"{count_text(new, 'was', 'were')} not heard yet." if new else ""

    def ident(self, record: ShownVoicemail) -> str:
        """As the phone has it."""
        return record.message.id

    def heading(self, record: ShownVoicemail) -> str:
        """The day."""
        return "Deleted" if record.message.deleted is not None else day_heading(record.message.time)

    def day(self, record: ShownVoicemail) -> date | None:
        """The day."""
        return day_of(record.message.time)

    def words(self, record: ShownVoicemail) -> str:
        """Who, and what the phone understood."""
        message = record.message
        return f"{record.name}\n{message.sender}\n{message.callback}\n{message.transcript}"

    def row(self, record: ShownVoicemail) -> EntryRow:
        """Who, and how it begins."""
        message = record.message
        marks = [EntryMark("Not heard", "ring", "wait")] if message.heard is False else []
        length = "" if message.seconds is None else durations.clock_text(message.seconds)
        about = message.transcript.strip()[:120] or length
        return EntryRow(record.name, about, clock_of(message.time), tuple(marks))

    def detail(
        self, record: ShownVoicemail, shelf: KindShelf[ShownVoicemail], look: EntryLook
    ) -> EntryDetail:
        """The message."""
        del shelf, look
        message = record.message
        heard = {True: "Yes", False: "Not yet", None: ""}[message.heard]
        return EntryDetail(
            title=record.name,
            subtitle=moment_of(message.time),
            initials=initials(record.name),
            notices=tuple(_notices(message)),
            # Browsers do not have the codec of telephones.
            sounds=(EntrySound(_SOUND, f"Voicemail of {record.name}", playable=False),)
            if message.recording
            else (),
            text=message.transcript,
            text_heading="What the phone understood",
            facts=facts(
                Fact.of("Number", message.sender or _WITHHELD),
                Fact.of("Call back", message.callback),
                Fact.of("Length", "" if message.seconds is None else durations.clock_text(message.seconds)),
                Fact.of("Left for", message.receiver),
                Fact.of("Heard", heard),
                Fact.of("Deleted", whole_moment_of(message.deleted)),
            ),
            technical=facts(Fact.of("Id", message.id), Fact.of("Place", message.recording or "")),
            can_be_taken=message.recording is not None,
        )

    def file(self, record: ShownVoicemail, name: str, backup: Backup) -> Entry | None:
        """The recording."""
        return voicemail_recording(backup, record.message) if name == _SOUND else None

    def take(self, records: Sequence[ShownVoicemail], form: str, backup: Backup, *, alone: bool) -> Download:
        """The recordings as they are."""
        del form
        found = ((each, voicemail_recording(backup, each.message)) for each in records)
        sounds = [
            TakenSound(each.name, each.message.time, entry)
            for each, entry in found
            if entry is not None and is_stored(backup, entry)
        ]
        return sounds_download(self.title, sounds, alone=alone)


def _notices(message: Voicemail) -> Iterator[EntryNotice]:
    if message.deleted is not None:
        yield EntryNotice(
            "Deleted on the phone", "The phone keeps deleted messages for a while.", "trash", "wait"
        )
    if message.recording is None:
        yield EntryNotice(
            "The recording is not in this backup", "Only its entry in the list is.", "warn", "wait"
        )


WAYS = kind_ways(VoicemailMessages())
