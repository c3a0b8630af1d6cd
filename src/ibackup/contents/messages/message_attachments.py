"""The files of messages: rows of ``attachment``, and where they are in the backup."""

from typing import Final

from ibackup.apple.app_places import ATTACHMENTS_DOMAIN
from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError
from ibackup.contents.app_database import AppDatabase, number, text
from ibackup.contents.app_times import from_messages
from ibackup.contents.messages.message_types import Attachment
from ibackup.contents.messages.numbered_pairs import NumberedPairs

MEDIA: Final = ATTACHMENTS_DOMAIN
_ROOTS: Final = ("~/", "/var/mobile/", "/private/var/mobile/")
_TEMPORARY: Final = ("/var/tmp/", "/private/var/tmp/", "/tmp/", "/private/tmp/", "/var/folders/")  # noqa: S108
_PREVIEW: Final = ".pluginPayloadAttachment"

NEVER_SAVED: Final = "the phone never saved it"
NOT_HERE: Final = "it is not in this backup"
NO_ROW: Final = "the database no longer says which file it is"
_COLUMNS: Final = (
    "guid",
    "filename",
    "transfer_name",
    "mime_type",
    "uti",
    "total_bytes",
    "created_date",
    "is_sticker",
    "hide_attachment",
    "emoji_image_short_description",
)


def stored_path(filename: str) -> str:
    """The path below MediaDomain of a file that the database names; "" if it never was in a place that is kept."""
    if filename.startswith(_TEMPORARY):
        return ""
    for root in _ROOTS:
        if filename.startswith(root):
            return filename.removeprefix(root)
    return "" if filename.startswith("/") else filename


class MessageFiles:
    """Which files belong to which messages.

    Args:
        database: of Messages.
        backup: has the files; None if only the database is at hand.
    """

    def __init__(self, database: AppDatabase, backup: Backup | None) -> None:
        self._backup = backup
        table = database.table("attachment")
        self._rows = table.select(*_COLUMNS) if table is not None else None
        self._guids = table.select("guid") if table is not None else None
        self._joined = NumberedPairs()
        joins = database.table("message_attachment_join")
        for _, message, attachment in (
            joins.select("message_id", "attachment_id") if joins is not None else ()
        ):
            self._joined.add(message, attachment)

    def move_to(self, backup: Backup) -> None:
        """Take the files from another backup of the same content."""
        self._backup = backup

    def of(self, message: int, most: int | None = None) -> list[Attachment]:
        """The attachments of a message, by the number of its row, in the order of the join."""
        return [found for row in self._joined.of(message)[:most] if (found := self.at(row)) is not None]

    def count(self, message: int) -> int:
        """How many attachments a message has, with those whose row is gone."""
        return len(self._joined.of(message))

    def by_guid(self, guids: set[str]) -> dict[str, Attachment]:
        """Those of some attachments that are there; reads the whole table once."""
        found: dict[str, Attachment] = {}
        for row, guid in self._guids if self._guids is not None and guids else ():
            name = text(guid)
            if name in guids and type(row) is int:
                attachment = self.at(row)
                if attachment is not None:
                    found[name] = attachment
        return found

    def at(self, row: int) -> Attachment | None:
        """One attachment, by the number of its row; None if there is none."""
        cells = self._rows.at(row) if self._rows is not None else None
        if cells is None:
            return None
        _, guid, filename, transfer, mime, uti, size, created, sticker, hide, description = cells
        name = text(filename)
        path = stored_path(name)
        entry = self._entry(path) if path else None
        absent = "" if entry is not None else NOT_HERE if path else NEVER_SAVED if name else NO_ROW
        shown = text(transfer) or name.rpartition("/")[2]
        return Attachment(
            text(guid) or f"row {row}",
            shown,
            text(mime),
            text(uti),
            number(size) if number(size) > 0 else None,
            from_messages(created),
            MEDIA if path else "",
            path,
            entry,
            absent,
            bool(number(sticker)),
            text(description),
            bool(number(hide)) or shown.endswith(_PREVIEW) or name.endswith(_PREVIEW),
            number=row,
        )

    def _entry(self, path: str) -> Entry | None:
        if self._backup is None:
            return None
        try:
            return self._backup.entry(MEDIA, path)
        except (FormatError, ValueError):  # ValueError: a text that no path can be
            return None
