"""All that someone has on a phone, as the makers of the databases describe it, and the files that it makes."""

from collections.abc import Iterator
from dataclasses import dataclass

from ibackup.simulator.life import health_db, notes_db, photos_db, whatsapp_db
from ibackup.simulator.life.calendar_db import MadeEvent, calendar_file
from ibackup.simulator.life.calls_db import MadeCall, call_stores
from ibackup.simulator.life.contacts_db import MadeContact, address_book
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.memos_db import MadeMemo, memo_files
from ibackup.simulator.life.messages_db import MadeMessages, message_files
from ibackup.simulator.life.reminders_db import MadeReminder, reminder_stores
from ibackup.simulator.life.safari_db import MadeBookmark, MadeVisit, safari_files
from ibackup.simulator.life.voicemail_db import MadeVoicemail, voicemail_box

OLDEST_IOS = 12
"""Of which the makers know the databases; an older phone gets these, too."""


@dataclass(frozen=True, kw_only=True)
class MadeLife:
    """Someone's data, app by app.

    Attributes:
        messages: Messages.
        contacts: Contacts.
        calls: the list of calls.
        events: Calendar.
        reminders: Reminders.
        memos: Voice Memos.
        voicemails: the voicemail box.
        assets, albums: Photos.
        loose: files in the camera's folders that Photos does not know, as paths below `Media/`.
        notes, folders: Notes.
        whatsapp: WhatsApp.
        samples: Health.
        bookmarks, visits: Safari.
    """

    messages: MadeMessages
    contacts: tuple[MadeContact, ...]
    calls: tuple[MadeCall, ...]
    events: tuple[MadeEvent, ...]
    reminders: tuple[MadeReminder, ...]
    memos: tuple[MadeMemo, ...]
    voicemails: tuple[MadeVoicemail, ...]
    assets: tuple[photos_db.MadeAsset, ...]
    albums: tuple[photos_db.MadeAlbum, ...]
    notes: tuple[notes_db.MadeNote, ...]
    folders: tuple[notes_db.MadeFolder, ...]
    whatsapp: whatsapp_db.MadeWhatsApp
    samples: tuple[health_db.MadeSample, ...]
    bookmarks: tuple[MadeBookmark, ...]
    visits: tuple[MadeVisit, ...]
    loose: tuple[str, ...] = ()

    def files(self, ios: int) -> Iterator[LifeFile]:
        """The databases in the schema of an iOS, and the files that they name."""
        ios = max(ios, OLDEST_IOS)
        yield from message_files(self.messages, ios)
        yield from address_book(self.contacts, ios=ios)
        yield from call_stores(self.calls, ios=ios)
        yield calendar_file(self.events, ios=ios)
        yield from reminder_stores(self.reminders, ios=ios)
        yield from memo_files(self.memos, ios=ios)
        yield from voicemail_box(self.voicemails)
        yield from photos_db.files(self.assets, self.albums, ios=ios)
        for path in self.loose:
            yield LifeFile(photos_db.DOMAIN, f"Media/{path}", photos_db.content_of(path), photos_db.TAKEN)
        yield from notes_db.files(self.notes, self.folders, ios=ios)
        yield from whatsapp_db.files(self.whatsapp)
        yield from health_db.files(self.samples, ios=ios)
        yield from safari_files(self.bookmarks, self.visits)
