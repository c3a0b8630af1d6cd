"""The media of a WhatsApp chat, copied beside its pages."""

import re
from typing import Final

from ibackup.base.confined import Parts
from ibackup.contents.whatsapp.whatsapp_message import WhatsAppMessage
from ibackup.explore.file_times import Times
from ibackup.export.conversation_files import FOLDER
from ibackup.export.export_context import Export
from ibackup.export.export_folder import plain_name
from ibackup.export.recordings import dated_name

_ENDING: Final = re.compile(r"[A-Za-z0-9]{1,10}")


class WhatsAppFiles:
    """The places of a chat's media.

    Args:
        run: the export.
        domain: of the files in the backup.
        folder: of the chat.
        chat: its id.
    """

    def __init__(self, run: Export, domain: str, folder: Parts, chat: str) -> None:
        self._run = run
        self._domain = domain
        self._folder = folder
        self._chat = chat

    def copy(self, message: WhatsAppMessage) -> bool:
        """Copy what a message carries; whether the backup has it."""
        place = self.place(message)
        entry = self._run.backup.entry(self._domain, message.file) if place is not None else None
        if place is None or entry is None:
            return False
        moment = message.time.timestamp() if message.time is not None else None
        self._run.folder.copy(entry, place, Times(moment, moment) if moment is not None else None)
        return True

    def place(self, message: WhatsAppMessage) -> Parts | None:
        """Where what a message carries is or will be; None if the backup does not have it."""
        if not message.file:
            return None
        name = message.file_name or message.file.rpartition("/")[2]
        ending = message.file.rpartition("/")[2].rpartition(".")[2]
        stem = name.rpartition(".")[0] or name
        whole = dated_name(plain_name(stem, message.kind), message.time, self._run.request.zone)
        if _ENDING.fullmatch(ending):
            whole = f"{whole}.{ending}"
        key = f"whatsapp file {self._chat} {message.id}"
        return self._run.folder.place((*self._folder, FOLDER), whole, key)

    def address(self, message: WhatsAppMessage) -> str:
        """The same as a path from the chat's folder, with slashes; "" if there is none."""
        place = self.place(message)
        return "/".join(place[len(self._folder) :]) if place is not None else ""
