"""Every reader and writer of people and their days, on databases whose cells and bytes are changed at random."""

import random

import icalendar
import pytest

from ibackup.apple.backup import Backup
from ibackup.contents.calendar.calendar_reader import Calendars
from ibackup.contents.calls import CallLog
from ibackup.contents.gaps import Gaps
from ibackup.contents.people.contacts import AddressBook
from ibackup.contents.people.names_of_backup import names_of
from ibackup.contents.reminders import Reminders
from ibackup.contents.safari import SafariBookmarks, SafariHistory
from ibackup.contents.voice_memos import VoiceMemos
from ibackup.contents.voicemail import VoicemailBox
from ibackup.export.formats.bookmark_file import bookmark_file
from ibackup.export.formats.ics import calendar_ics, reminders_ics
from ibackup.export.formats.vcard import vcard
from ibackup.simulator.life.calendar_db import calendar_file
from ibackup.simulator.life.calls_db import call_stores
from ibackup.simulator.life.contacts_db import address_book
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.memos_db import memo_files
from ibackup.simulator.life.reminders_db import reminder_stores
from ibackup.simulator.life.safari_db import safari_files
from ibackup.simulator.life.voicemail_db import voicemail_box
from support.lives import backup_of
from support.minted import Mint
from support.odd_databases import Change, with_odd_bytes, with_odd_cells


def life() -> list[LifeFile]:
    files = [*address_book(), *call_stores(), *voicemail_box(), *memo_files(), calendar_file()]
    return [*files, *reminder_stores(), *reminder_stores(ios=14), *safari_files()]


def read_everything(backup: Backup) -> int:
    """How many records all readers find together; what is written of them is well-formed."""
    gaps = Gaps()
    return sum(read(backup, gaps) for read in (_people, _calls, _recordings, _pages, _dates))


def _people(backup: Backup, gaps: Gaps) -> int:
    book = AddressBook.of(backup, gaps)
    if book is None:
        return 0
    with book:
        contacts = list(book)
        for contact in contacts:
            for version in ("3.0", "4.0"):
                lines = vcard(contact, book.picture(contact), version).split(b"\r\n")
                assert lines[-2] == b"END:VCARD"
                assert not [line for line in lines if len(line) > 75 or line.startswith(b"X-EVIL")]
    return len(contacts)


def _calls(backup: Backup, gaps: Gaps) -> int:
    log, names = CallLog.of(backup, gaps), names_of(backup)
    if log is None:
        return 0
    with log:
        calls = list(log)
    for call in calls:
        for address in call.addresses:
            names.who(address, call.country).shown.encode()
    return len(calls)


def _recordings(backup: Backup, gaps: Gaps) -> int:
    count = 0
    if (box := VoicemailBox.of(backup, gaps)) is not None:
        with box:
            count += len(list(box))
    if (memos := VoiceMemos.of(backup, gaps)) is not None:
        with memos:
            count += len([memos.transcript(memo) for memo in memos])
    return count


def _pages(backup: Backup, gaps: Gaps) -> int:
    count = 0
    if (history := SafariHistory.of(backup, gaps)) is not None:
        with history:
            count += len(list(history))
    if (bookmarks := SafariBookmarks.of(backup, gaps)) is not None:
        with bookmarks:
            marked = list(bookmarks)
        count += len(marked)
        "".join(bookmark_file(marked)).encode()
    return count


def _dates(backup: Backup, gaps: Gaps) -> int:
    count = 0
    if (calendars := Calendars.of(backup, gaps)) is not None:
        with calendars:
            events = list(calendars)
        count += len(events)
        if events:
            icalendar.Calendar.from_ical(b"".join(calendar_ics(events[0].calendar, events)))
    if (reminders := Reminders.of(backup, gaps)) is not None:
        with reminders:
            listed = list(reminders)
        count += len(listed)
        icalendar.Calendar.from_ical(b"".join(reminders_ics("List", listed)))
    return count


@pytest.mark.parametrize("change", [with_odd_cells, with_odd_bytes])
@pytest.mark.parametrize("seed", range(10))
def test_no_value_and_no_damage_ends_a_reader(mint: Mint, change: Change, seed: int) -> None:
    rng = random.Random(seed)
    files = [
        LifeFile(file.domain, file.path, change(file.data, rng), 0)
        if file.data.startswith(b"SQLite")
        else file
        for file in life()
    ]
    with backup_of(mint, files, "Kurzhaar-Wisent 7") as backup:
        count = read_everything(backup)
    # Odd cells cost themselves; a flipped byte may cost a database.
    assert count > (60 if change is with_odd_cells else 0)


def test_the_unchanged_databases_are_read_whole(mint: Mint) -> None:
    with backup_of(mint, life(), "Kurzhaar-Wisent 7") as backup:
        assert read_everything(backup) > 80
