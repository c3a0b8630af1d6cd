"""The notes of a backup, from both of its stores."""

from collections.abc import Iterator

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.mail_notes import MailNotes
from ibackup.contents.notes.note_store import NoteStore
from ibackup.contents.notes.written_note import WrittenNote


def all_notes(backup: Backup, gaps: Gaps) -> Iterator[WrittenNote]:
    """Every note, those of mail accounts last.

    Args:
        backup: unlocked.
        gaps: takes what cannot be read.

    Raises:
        NoRoom: there is no space for a temporary copy.
        FormatError: the backup's list of files cannot be read.
    """
    store = NoteStore.open(backup, gaps)
    if store is not None:
        with store:
            yield from store.notes()
    others = MailNotes.of(backup, gaps)
    if others is not None:
        with others:
            yield from others
