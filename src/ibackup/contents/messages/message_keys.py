"""The key of every message by which backups are compared, without building the messages."""

from collections.abc import Iterator
from typing import Final

from ibackup.apple.app_places import MESSAGES
from ibackup.apple.backup import Backup
from ibackup.base.how_far import HowFar, untold
from ibackup.contents.app_database import AppDatabase, number, text
from ibackup.contents.decoding.typedstream import surely_has_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.bodies import body_of, history_of
from ibackup.contents.messages.deleted_parts import DeletedParts
from ibackup.contents.messages.message_attachments import MessageFiles
from ibackup.contents.messages.message_index import PART
from ibackup.contents.messages.message_types import message_key

_SHORT_BODY: Final = 200  # bytes of a body that may have no text


def message_ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The ``key`` of every message in a backup."""
    return (key for _, key in numbered_keys(backup, gaps))


def numbered_keys(backup: Backup, gaps: Gaps, how_far: HowFar = untold) -> Iterator[tuple[int, str]]:
    """The row and the ``key`` of every message in a backup; ``how_far`` is told how much is read."""
    database = AppDatabase.of(backup, [MESSAGES], PART, gaps)
    if database is None:
        return
    with database:
        yield from message_keys(database, MessageFiles(database, None), how_far)


def message_keys(
    database: AppDatabase, files: MessageFiles, how_far: HowFar = untold
) -> Iterator[tuple[int, str]]:
    """The row of every message, and its key."""
    table = database.table("message")
    columns = (
        *("guid", "text", "attributedBody", "message_summary_info"),
        *("balloon_bundle_id", "item_type", "associated_message_type"),
    )
    parts = DeletedParts(database)
    for row, guid, plain, body, summary, balloon, item, kind in (
        table.select(*columns).telling(how_far) if table is not None else ()
    ):
        said = type(body) is bytes and (len(body) > _SHORT_BODY or surely_has_text(body))
        if said or balloon or number(item) or number(kind):  # nearly all
            yield number(row), message_key(text(guid) or f"row {number(row)}", empty=False)
            continue
        empty = not body_of(body, plain).text and not history_of(summary).last
        # The column cache_has_attachments may say nothing of a file that the message has.
        empty = empty and not files.of(number(row)) and not any(each.text for each in parts.of(number(row)))
        yield number(row), message_key(text(guid) or f"row {number(row)}", empty=empty)
