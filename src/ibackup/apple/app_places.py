"""Where the phone's apps keep their data: the one table of these places.

The readers of contents, `extract`, `verify` and the search for files without a list all take them from here. How sure
each place is stands in docs/format.md or, if other readers alone name it, beside it.
"""

from typing import Final, NamedTuple


class AppPlace(NamedTuple):
    """A file or folder of an app: its domain, and its path there."""

    domain: str
    path: str

    @property
    def folder(self) -> str:
        """The folder that it is in; empty for the domain itself."""
        return self.path.rpartition("/")[0]

    def beside(self, name: str) -> "AppPlace":
        """Another file in the same folder."""
        return AppPlace(self.domain, f"{self.folder}/{name}" if self.folder else name)


_HOME: Final = "HomeDomain"
_CALENDAR_GROUP: Final = "AppDomainGroup-group.com.apple.calendar"

MESSAGES: Final = AppPlace(_HOME, "Library/SMS/sms.db")
ATTACHMENTS_DOMAIN: Final = "MediaDomain"
CONTACTS: Final = AppPlace(_HOME, "Library/AddressBook/AddressBook.sqlitedb")
CONTACT_PICTURES: Final = CONTACTS.beside("AddressBookImages.sqlitedb")
CALLS: Final = AppPlace(_HOME, "Library/CallHistoryDB/CallHistory.storedata")
WAITING_CALLS: Final = CALLS.beside("CallHistoryTemp.storedata")
"""Takes calls until the first can be opened; a call may be in both."""
OLD_CALLS: Final = AppPlace("WirelessDomain", "Library/CallHistory/call_history.db")
CALENDARS: Final = (
    AppPlace(_HOME, "Library/Calendar/Calendar.sqlitedb"),
    AppPlace(_CALENDAR_GROUP, "Library/Calendar/Calendar.sqlitedb"),
    AppPlace(_CALENDAR_GROUP, "Calendar.sqlitedb"),
)
"""The first on every phone seen; the others are where a newer iOS may move it."""
REMINDER_FOLDERS: Final = (
    AppPlace("AppDomainGroup-group.com.apple.reminders", "Container_v1/Stores"),
    AppPlace(_HOME, "Library/Reminders/Container_v1/Stores"),
)
"""The first since iOS 17 or so; before iOS 13, reminders were in the calendar's database."""
NOTES: Final = AppPlace("AppDomainGroup-group.com.apple.notes", "NoteStore.sqlite")
OLD_NOTES: Final = AppPlace(_HOME, "Library/Notes/notes.sqlite")
PHOTOS: Final = AppPlace("CameraRollDomain", "Media/PhotoData/Photos.sqlite")
VOICE_MEMOS: Final = (
    AppPlace("AppDomainGroup-group.com.apple.VoiceMemos.shared", "Recordings/CloudRecordings.db"),
    AppPlace("MediaDomain", "Media/Recordings/CloudRecordings.db"),
    AppPlace("MediaDomain", "Media/Recordings/Recordings.db"),
)
"""The first since about iOS 17; after an update the older ones may still be there."""
VOICEMAIL: Final = AppPlace(_HOME, "Library/Voicemail/voicemail.db")
WHATSAPP: Final = AppPlace("AppDomainGroup-group.net.whatsapp.WhatsApp.shared", "ChatStorage.sqlite")
WHATSAPP_BUSINESS: Final = AppPlace(
    "AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared", "ChatStorage.sqlite"
)
SAFARI_FOLDERS: Final = (
    AppPlace(_HOME, "Library/Safari"),
    AppPlace("AppDomain-com.apple.mobilesafari", "Library/Safari"),
)
"""The second on older iOS."""
HEALTH: Final = AppPlace("HealthDomain", "Health/healthdb_secure.sqlite")
HEALTH_SOURCES: Final = HEALTH.beside("healthdb.sqlite")


class NamedDatabase(NamedTuple):
    """A database, by the name of what is in it, for people."""

    what: str
    place: AppPlace


def _safari() -> tuple[NamedDatabase, ...]:
    names = {"Bookmarks.db": "Safari bookmarks", "History.db": "Safari history"}
    return tuple(
        NamedDatabase(what, AppPlace(domain, f"{folder}/{name}"))
        for domain, folder in SAFARI_FOLDERS
        for name, what in names.items()
    )


DATABASES: Final = (
    NamedDatabase("messages", MESSAGES),
    NamedDatabase("contacts", CONTACTS),
    NamedDatabase("contact pictures", CONTACT_PICTURES),
    *(NamedDatabase("call history", place) for place in (CALLS, WAITING_CALLS, OLD_CALLS)),
    NamedDatabase("photos", PHOTOS),
    *(NamedDatabase("notes", place) for place in (NOTES, OLD_NOTES)),
    *(NamedDatabase("calendar", place) for place in CALENDARS),
    *(NamedDatabase("reminders", place.beside("Stores/Data-local.sqlite")) for place in REMINDER_FOLDERS),
    *(NamedDatabase("voice memos", place) for place in VOICE_MEMOS),
    NamedDatabase("voicemail", VOICEMAIL),
    *(NamedDatabase("health", place) for place in (HEALTH_SOURCES, HEALTH)),
    *(NamedDatabase("WhatsApp", place) for place in (WHATSAPP, WHATSAPP_BUSINESS)),
    *_safari(),
)
"""Those with the same name on every phone. Of reminders, most stores have a name that only the phone's list knows."""
