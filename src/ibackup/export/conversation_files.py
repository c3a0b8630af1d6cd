"""The attachments of a conversation, copied beside its pages."""

import re
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.rows import Kind
from ibackup.base.confined import Parts
from ibackup.base.errors import IbackupError
from ibackup.contents.messages.message_attachments import MEDIA
from ibackup.contents.messages.message_types import Attachment, TextMessage
from ibackup.explore.file_times import Times
from ibackup.export.export_context import Export
from ibackup.export.export_folder import plain_name
from ibackup.export.heic_jpeg import Convert
from ibackup.export.recordings import dated_name

FOLDER: Final = "Attachments"
NO_JPEG: Final = "a HEIC picture of which no JPEG could be made"
_ENDING: Final = re.compile(r"[A-Za-z0-9]{1,10}")
_BUNDLE_PARTS: Final = 7  # Library/SMS/Attachments/ab/11/GUID/NAME; below that is what a folder holds
_HEIC: Final = frozenset({"heic", "heif"})
_MOST_IN_A_BUNDLE: Final = 10_000
_ENDINGS: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/heic": "heic",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "audio/amr": "amr",
    "audio/x-m4a": "m4a",
    "audio/mpeg": "mp3",
    "text/vcard": "vcf",
    "text/plain": "txt",
    "application/pdf": "pdf",
}
"""By type, for a name without an ending."""


class Bundles:
    """The files in folders that count as one document; found once in an export, if there is such a folder."""

    def __init__(self, backup: Backup) -> None:
        self._backup = backup
        self._found: dict[str, list[Entry]] | None = None

    def inside(self, folder: str) -> list[Entry]:
        """The files in a folder, by its path."""
        if self._found is None:
            self._found = {}
            for entry in self._backup.entries(MEDIA, bad=lambda _row: None):
                parts = entry.relative_path.split("/", _BUNDLE_PARTS)
                if len(parts) > _BUNDLE_PARTS and entry.kind is Kind.FILE:
                    files = self._found.setdefault("/".join(parts[:_BUNDLE_PARTS]), [])
                    if len(files) < _MOST_IN_A_BUNDLE:
                        files.append(entry)
        return self._found.get(folder, [])


class ConversationFiles:
    """The places of a conversation's attachments.

    Args:
        run: the export.
        bundles: what is in folders that count as one document.
        folder: of the conversation.
        conversation: its id.
        convert: makes the JPEGs of HEIC pictures, which few browsers show; None if none are wanted.

    Attributes:
        folder: of the conversation.
        count: how many attachments were copied.
    """

    def __init__(
        self,
        run: Export,
        bundles: "Bundles",
        folder: Parts,
        conversation: str,
        convert: Convert | None = None,
    ) -> None:
        self._run = run
        self._convert = convert
        self._jpegs: dict[str, Parts] = {}
        self._bundles = bundles
        self.folder = folder
        self.count = 0
        self._conversation = conversation

    def copy(self, message: TextMessage) -> None:
        """Copy the attachments of a message."""
        self._jpegs.clear()
        stickers = [each.sticker for each in message.reactions if each.sticker is not None]
        for attachment in (*message.attachments, *stickers):
            place = self.place(message, attachment)
            if place is None or attachment.entry is None:
                continue
            self.count += 1
            if attachment.entry.kind is Kind.FOLDER:
                self._copy_bundle(attachment.entry, place)
            else:
                moment = message.time.timestamp() if message.time is not None else None
                times = Times(moment, moment) if moment is not None else None
                self._run.folder.copy(attachment.entry, place, times)
                self._make_jpeg(attachment, place, moment)

    def place(self, message: TextMessage, attachment: Attachment) -> Parts | None:
        """Where an attachment is or will be; None if the backup does not have it, or it is nothing to show."""
        if attachment.entry is None or attachment.hidden:
            return None
        key = f"attachment {self._conversation} {message.id} {attachment.id}"
        return self._run.folder.place((*self.folder, FOLDER), self._name(message, attachment), key)

    def picture(self, message: TextMessage, attachment: Attachment) -> Parts | None:
        """Where the picture is that a page shows for an attachment: its JPEG, or itself."""
        return self._jpegs.get(attachment.id) or self.place(message, attachment)

    def _make_jpeg(self, attachment: Attachment, place: Parts, moment: float | None) -> None:
        stem, _, ending = place[-1].rpartition(".")
        if self._convert is None or attachment.entry is None or ending.lower() not in _HEIC:
            return
        try:
            with attachment.entry.open() as source:
                picture = self._convert(source.read())
        except (OSError, ValueError, IbackupError) as error:
            self._run.gaps.add("attachments", NO_JPEG, f"{attachment.name}: {error}")
            return
        target = self._run.folder.place(place[:-1], f"{stem}.jpg", f"jpeg {'/'.join(place)}")
        if self._run.folder.write(target, [picture], moment):
            self._jpegs[attachment.id] = target

    def address(self, message: TextMessage, attachment: Attachment) -> str:
        """The path of an attachment from the conversation's folder, with slashes; "" if there is none."""
        place = self.place(message, attachment)
        return "/".join(place[len(self.folder) :]) if place is not None else ""

    def _name(self, message: TextMessage, attachment: Attachment) -> str:
        """A name such as "2024-03-01 11.00 IMG_1.HEIC"."""
        stem, dot, ending = attachment.name.replace("\\", "/").rpartition("/")[2].rpartition(".")
        if not dot or not _ENDING.fullmatch(ending):
            stem, ending = f"{stem}{dot}{ending}", _ENDINGS.get(attachment.mime.lower(), "")
        name = dated_name(plain_name(stem, "Attachment"), message.time, self._run.request.zone)
        return f"{name}.{ending}" if ending else name

    def _copy_bundle(self, bundle: Entry, place: Parts) -> None:
        """Copy what is in a folder that counts as one document."""
        for entry in self._bundles.inside(bundle.relative_path):
            below = entry.relative_path[len(bundle.relative_path) + 1 :]
            parts = place
            for part in below.split("/"):
                name = plain_name(part.rpartition(".")[0] or part, "file")
                ending = part.rpartition(".")[2]
                whole = f"{name}.{ending}" if "." in part and _ENDING.fullmatch(ending) else name
                parts = self._run.folder.place(parts, whole, f"bundle {'/'.join(parts)} {part}")
            self._run.folder.copy(entry, parts)
