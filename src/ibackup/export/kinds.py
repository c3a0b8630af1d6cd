"""The kinds of an export: one row each, from which the command line takes its options and their help."""

import importlib
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:  # the command's help needs the table alone
    from collections.abc import Callable

    from ibackup.export.export_context import Export, Ids

TEXT_FORMATS = ("html", "json", "csv", "txt")
"""The forms in which conversations can be written."""
_APPS = {"Health", "Safari", "WhatsApp"}


class KindModule(Protocol):
    """What a kind's module has.

    Attributes:
        export: exports everything of the kind that the request wants.
        ids: gives the id of everything of the kind in a backup, which is the same in every backup of a phone.
    """

    export: "Callable[[Export], None]"
    ids: "Ids"


class ExportKind(NamedTuple):
    """A kind.

    Attributes:
        name: of its option, without the dashes.
        title: for people; also the name of its folder.
        help: of its option.
        module: in this package.
    """

    name: str
    title: str
    help: str
    module: str

    @property
    def in_a_sentence(self) -> str:
        """Its title in the middle of a sentence."""
        return self.title if self.title in _APPS else self.title.lower()

    def load(self) -> KindModule:
        """Its module, imported when it is needed."""
        return cast("KindModule", importlib.import_module(f"ibackup.export.{self.module}"))


KINDS: tuple[ExportKind, ...] = (
    ExportKind("messages", "Messages", "Export conversations, with their attachments", "messages_export"),
    ExportKind("contacts", "Contacts", "Export contacts as one file of vCards", "contacts_export"),
    ExportKind("calls", "Calls", "Export the list of calls as a table", "calls_export"),
    ExportKind("voicemail", "Voicemail", "Export voicemail: recordings, transcripts", "voicemail_export"),
    ExportKind(
        "voice-memos", "Voice memos", "Export voice memos: recordings, transcripts", "voice_memos_export"
    ),
    ExportKind("calendar", "Calendars", "Export each calendar as an iCalendar file", "calendar_export"),
    ExportKind(
        "reminders", "Reminders", "Export each list of reminders as an iCalendar file", "reminders_export"
    ),
    ExportKind("photos", "Photos", "Export photos and videos, with their albums", "photos_export"),
    ExportKind("notes", "Notes", "Export notes as pages, with their attachments", "notes_export"),
    ExportKind(
        "whatsapp", "WhatsApp", "Export WhatsApp's chats as pages, with their files", "whatsapp_export"
    ),
    ExportKind("safari", "Safari", "Export Safari's bookmarks, Reading List and history", "safari_export"),
    ExportKind("health", "Health", "Export Health figures by day, as tables", "health_export"),
)
"""In the order of the command's help and of the page that links everything."""


def kind(name: str) -> ExportKind:
    """A kind by its name."""
    return next(each for each in KINDS if each.name == name)
