"""Where documents come from: one source for each app, over the readers of what it keeps.

A source also names the files that it reads, so that it is not read again while their checksums stay the same.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from ibackup.apple.app_places import (
    CALENDARS,
    CONTACTS,
    MESSAGES,
    NOTES,
    OLD_NOTES,
    REMINDER_FOLDERS,
    WHATSAPP,
    WHATSAPP_BUSINESS,
)
from ibackup.apple.backup import Backup
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.rows import BadRow, Kind
from ibackup.apple.verify.seal import Seal
from ibackup.contents.calendar.calendar_reader import Calendars
from ibackup.contents.calendar.event_types import Event
from ibackup.contents.calls import CALL_STORES, Call, CallLog
from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.all_notes import all_notes
from ibackup.contents.notes.note_text import ATTACHED
from ibackup.contents.notes.written_note import NoteAttachment, WrittenNote
from ibackup.contents.people.addresses import AddressKind
from ibackup.contents.people.card_types import Contact
from ibackup.contents.people.contacts import AddressBook
from ibackup.contents.people.name_book import NameBook, WhoItIs
from ibackup.contents.people.names_of_backup import name_finder, names_of
from ibackup.contents.reminders import Reminders
from ibackup.contents.whatsapp.whatsapp_store import WhatsAppStore
from ibackup.explore.app_owners import Apps
from ibackup.search.documents import Document
from ibackup.search.message_source import message_documents

_FILES: Final = "files"
_MOST_NUMBERS: Final = 200  # of a card or a conversation


class BackupToRead:
    """An unlocked backup, as its sources read it.

    Attributes:
        gaps: takes what cannot be read.
    """

    def __init__(self, backup: Backup, gaps: Gaps) -> None:
        self.backup = backup
        self.gaps = gaps

    @cached_property
    def names(self) -> NameBook:
        """Who is behind the numbers."""
        return names_of(self.backup)


@dataclass(frozen=True, slots=True)
class Source:
    """A source.

    Attributes:
        name: of the source in an index.
        title: for people.
        documents: what it gives.
        files: domain and path of each file that it reads, which need not exist; None if it reads the list of files.
    """

    name: str
    title: str
    documents: Callable[[BackupToRead], Iterator[Document]]
    files: Callable[[Backup], Iterable[tuple[str, str]]] | None

    def sums(self, backup: Backup, seal: Seal | None) -> str:
        """A checksum over all that it reads; empty if it is not known. Raises FormatError."""
        if seal is None:
            return ""
        whole = hashlib.sha256()
        if self.files is None:
            whole.update(seal.get(backup.list_name) or bytes(32))
        for domain, path in self.files(backup) if self.files is not None else ():
            for each in (path, f"{path}-wal"):
                whole.update(seal.get(backup.place_of(file_id_of(domain, each))) or bytes(32))
        return whole.hexdigest()


def _messages(reading: BackupToRead) -> Iterator[Document]:
    return message_documents(reading.backup, reading.gaps)


# -- people -------------------------------------------------------------------------------------------------


def _people(reading: BackupToRead) -> Iterator[Document]:
    book = AddressBook.of(reading.backup, reading.gaps)
    if book is None:
        return
    names = reading.names
    with book:
        for contact in book:
            yield Document(
                "people",
                contact.id,
                contact.name,
                "\n".join(part for part in words_on_card(contact) if part),
                "\n".join(_spellings((each.value for each in contact.phones), names)),
                place=", ".join((contact.store, *contact.groups))
                if contact.store
                else ", ".join(contact.groups),
            )


def words_on_card(contact: Contact) -> Iterator[str]:
    """What a card says; parts may be empty."""
    whole = (
        *(contact.prefix, contact.first, contact.middle, contact.last, contact.suffix, contact.nickname),
        *(
            contact.previous_family_name,
            contact.first_phonetic,
            contact.middle_phonetic,
            contact.last_phonetic,
        ),
    )
    yield " ".join(part for part in whole if part)
    yield from (contact.organization, contact.department, contact.job_title)
    lists = (contact.phones, contact.emails, contact.urls, contact.related, contact.others)
    yield from (each.value for values in lists for each in values)
    for place in contact.addresses:
        yield f"{place.street}, {place.postal_code} {place.city}, {place.state}, {place.country}"
    yield from (f"{each.service} {each.user} {each.url}" for each in (*contact.messaging, *contact.social))
    if contact.birthday:
        yield str(contact.birthday)
    yield contact.note


def _spellings(numbers: Iterable[str], names: NameBook) -> Iterator[str]:
    for number in islice(numbers, _MOST_NUMBERS):
        yield from other_spellings(names.who(number))


def other_spellings(who: WhoItIs) -> list[str]:
    """A phone number as people may type it: in digits, with and without its country; nothing for other addresses."""
    address = who.address
    if address is None or address.kind is not AddressKind.PHONE:
        return []
    forms = {"".join(char for char in who.text if char.isdecimal()), address.key.lstrip("+")}
    if address.international and (national := _national(address.key)):
        forms |= {national, f"0{national}"}
    return sorted(forms - {who.text})


def _national(key: str) -> str:
    import phonenumbers

    try:
        return str(phonenumbers.national_significant_number(phonenumbers.parse(key, None)))
    except phonenumbers.NumberParseException:
        return ""


# -- calls --------------------------------------------------------------------------------------------------


def _calls(reading: BackupToRead) -> Iterator[Document]:
    log = CallLog.of(reading.backup, reading.gaps)
    if log is None:
        return
    with log:
        for call in log:
            yield _call(call, reading.names)


def _call(call: Call, names: NameBook) -> Document:
    people = [names.who(address, call.country or None) for address in call.addresses]
    named = list(dict.fromkeys(who.shown for who in people if who.people))
    if call.name_then and not named:
        named = [call.name_then]
    direction = "missed" if call.missed else "incoming" if call.incoming else "outgoing"
    kind = {"facetime-video": "FaceTime video", "facetime-audio": "FaceTime audio"}.get(call.kind, "")
    return Document(
        "calls",
        call.id,
        ", ".join(named) or ", ".join(call.addresses) or "withheld number",
        "\n".join(part for part in (*call.addresses, call.place) if part),
        "\n".join(_spellings(call.addresses, names)),
        place=", ".join(
            part for part in (direction, kind, call.service if call.kind == "app" else "") if part
        ),
        when=call.time,
    )


# -- notes --------------------------------------------------------------------------------------------------


def _notes(reading: BackupToRead) -> Iterator[Document]:
    for note in all_notes(reading.backup, reading.gaps):
        yield Document(
            "notes",
            note.id,
            note.title,
            "\n".join(words_in_note(note)),
            place="/".join(note.folder),
            when=note.modified or note.created,
        )


def words_in_note(note: WrittenNote) -> Iterator[str]:
    """What a note says, line by line, and what is attached to it."""
    for paragraph in note.paragraphs:
        line = ""
        for span in paragraph.spans:
            attached = note.attachments.get(span.attachment) if span.attachment else None
            line += span.text.replace(ATTACHED, attached.shown if attached is not None else " ")
        yield line
    for each in note.attachments.values():
        yield from _attached(each)


def _attached(attachment: NoteAttachment) -> Iterator[str]:
    if not attachment.inline:
        yield from (each for each in (attachment.title, attachment.file_name, attachment.url) if each)
        yield from ("\t".join(row) for row in attachment.rows)


# -- calendar and reminders ---------------------------------------------------------------------------------


def _calendar(reading: BackupToRead) -> Iterator[Document]:
    reader = Calendars.of(reading.backup, reading.gaps)
    if reader is None:
        return
    with reader:
        for event in reader:
            yield Document(
                "calendar",
                event.id,
                event.title,
                "\n".join(words_in_event(event)),
                place=event.calendar.title,
                when=event.start,
            )


def words_in_event(event: Event) -> Iterator[str]:
    """What an event says besides its title; parts may be empty."""
    yield event.place.shown if event.place is not None else ""
    yield event.notes
    yield from (f"{guest.name} {guest.address}" for guest in event.attendees)
    if event.organizer is not None:
        yield f"{event.organizer.name} {event.organizer.address}"
    yield event.url


def _reminders(reading: BackupToRead) -> Iterator[Document]:
    found = Reminders.of(reading.backup, reading.gaps)
    if found is None:
        return
    with found:
        for each in found:
            when = each.due or each.created
            yield Document("reminders", each.id, each.title, each.notes, place=each.list_name, when=when)


def _reminder_files(backup: Backup) -> Iterator[tuple[str, str]]:
    for domain, folder in REMINDER_FOLDERS:
        found = backup.entries(domain, f"{folder}/*.sqlite", bad=lambda _: None)
        yield from sorted({(domain, entry.relative_path) for entry in found})
    yield from CALENDARS


# -- WhatsApp -----------------------------------------------------------------------------------------------


def _whatsapp(reading: BackupToRead) -> Iterator[Document]:
    for business in (False, True):
        yield from _whatsapp_of(reading, business=business)


def _whatsapp_of(reading: BackupToRead, *, business: bool) -> Iterator[Document]:
    find_name = name_finder(reading.names)
    store = WhatsAppStore.open(reading.backup, reading.gaps, business=business, find_name=find_name)
    if store is None:
        return
    app = "WhatsApp Business" if business else "WhatsApp"
    with store:
        for chat in store.chats():
            where = f"{chat.name} ({app})"
            members = "\n".join((*chat.members[:_MOST_NUMBERS], chat.id))
            yield Document("messages", f"{app} chat {chat.id}", chat.name, members, place=app)
            for message in store.messages(chat):
                text = "\n".join(part for part in (message.text, message.file_name) if part)
                yield Document(
                    "messages",
                    f"{app} {chat.id} {message.id}",
                    "",
                    text,
                    who=message.sender,
                    place=where,
                    when=message.time,
                )


def _whatsapp_files(_backup: Backup) -> Iterator[tuple[str, str]]:
    for chats in (WHATSAPP, WHATSAPP_BUSINESS):
        yield from (chats, chats.beside("LID.sqlite"), chats.beside("ContactsV2.sqlite"))
    yield CONTACTS


# -- file names ---------------------------------------------------------------------------------------------


def _file_names(reading: BackupToRead) -> Iterator[Document]:
    apps = Apps.of(reading.backup)

    def bad(row: BadRow) -> None:
        reading.gaps.add(
            _FILES, "an entry of the backup's list cannot be read", row.relative_path, damage=True
        )

    for entry in reading.backup.entries(bad=bad):
        if entry.kind is Kind.FILE:
            folder, _, name = entry.relative_path.rpartition("/")
            owner = apps.owner(entry.domain).name
            place = (
                f"{owner}: {entry.domain}/{folder}" if owner != entry.domain else f"{entry.domain}/{folder}"
            )
            yield Document("files", f"{entry.domain}/{entry.relative_path}", name, place=place)


def _one(*files: tuple[str, str]) -> Callable[[Backup], Iterable[tuple[str, str]]]:
    return lambda _backup: files


SOURCES: Final = (
    Source("messages", "messages", _messages, _one(MESSAGES, CONTACTS)),
    Source("whatsapp", "WhatsApp", _whatsapp, _whatsapp_files),
    Source("people", "contacts", _people, _one(CONTACTS)),
    Source("notes", "notes", _notes, _one(NOTES, OLD_NOTES)),
    Source("calendar", "calendars", _calendar, _one(*CALENDARS)),
    Source("reminders", "reminders", _reminders, _reminder_files),
    Source("calls", "calls", _calls, _one(*CALL_STORES, CONTACTS)),
    Source("files", "file names", _file_names, None),
)
"""In the order in which they are read."""
