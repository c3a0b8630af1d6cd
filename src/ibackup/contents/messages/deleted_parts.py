"""Parts of messages in Recently Deleted: rows of ``recoverable_message_part``, iOS 16 and later."""

from typing import Final

from ibackup.contents.app_database import AppDatabase, number, text
from ibackup.contents.app_times import from_messages
from ibackup.contents.messages.bodies import body_of
from ibackup.contents.messages.message_types import DeletedPart
from ibackup.contents.messages.numbered_pairs import NumberedPairs

_MOST: Final = 1000
"""Parts of one message."""


class DeletedParts:
    """Finds the deleted parts of a message. Of each only its row is kept in memory."""

    def __init__(self, database: AppDatabase) -> None:
        table = database.table("recoverable_message_part")
        self._rows = table.select("part_index", "delete_date", "part_text") if table is not None else None
        self._places = NumberedPairs()
        for row, message in table.select("message_id") if table is not None else ():
            self._places.add(message, row)

    def of(self, message: int) -> tuple[DeletedPart, ...]:
        """The deleted parts of a message, by the number of its row, in the order of the parts."""
        rows = self._places.of(message)
        if not rows:
            return ()
        found: list[DeletedPart] = []
        for row in rows:
            cells = self._rows.at(row) if self._rows is not None else None
            if cells is not None and len(found) < _MOST:
                _, part, when, packed = cells
                body = body_of(packed, None) if isinstance(packed, bytes) else body_of(None, text(packed))
                found.append(DeletedPart(number(part), body.text, from_messages(when)))
        return tuple(sorted(found, key=lambda each: each.part))
