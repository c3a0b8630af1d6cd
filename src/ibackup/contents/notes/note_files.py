"""Finds the files of attachments: where a note's picture is depends on the account, and on the iOS that stored it."""

from collections.abc import Iterable

from ibackup.apple.backup import Backup
from ibackup.apple.rows import Kind
from ibackup.contents.notes.written_note import DOMAIN

_PREVIEWS = ("FallbackPDFs", "FallbackImages", "Previews")
"""Folders with pictures of drawings and scans, the best first."""
_UUID = 36  # characters
_MOST_FILES = 2_000_000


class NoteFiles:
    """The files that a backup has in the group of Notes.

    Raises:
        FormatError: the backup's list of files cannot be read at all.
    """

    def __init__(self, backup: Backup) -> None:
        self._paths: set[str] = set()
        self._previews: dict[str, tuple[int, str]] = {}
        for entry in backup.entries(DOMAIN, bad=lambda _: None):
            if entry.kind is Kind.FILE and len(self._paths) < _MOST_FILES:
                self._paths.add(entry.relative_path)
                self._note_preview(entry.relative_path)

    def _note_preview(self, path: str) -> None:
        parts = path.split("/")
        for rank, folder in enumerate(_PREVIEWS):
            if folder in parts[:-1]:
                owner = parts[parts.index(folder) + 1]
                owner = owner[:_UUID] if len(owner) >= _UUID else owner.partition(".")[0]
                # Of several sizes of one preview, the longest name and then the last has the most pixels.
                best = self._previews.get(owner)
                if best is None or (rank, -len(path)) < (best[0], -len(best[1])):
                    self._previews[owner] = (rank, path)
                return

    def media(self, accounts: Iterable[str], media: str, generation: str, name: str) -> str:
        """The path of an attachment's file; empty if the backup lacks it.

        Args:
            accounts: identifiers, the likeliest first.
            media: its identifier.
            generation: the folder of newer iOS; may be empty.
            name: of the file.
        """
        tails = [f"Media/{media}/{generation}/{name}"] if generation else []
        tails.append(f"Media/{media}/{name}")
        candidates = (
            f"{head}{tail}" for head in (*(f"Accounts/{each}/" for each in accounts), "") for tail in tails
        )
        return next((path for path in candidates if path in self._paths), "")

    def preview(self, attachment: str) -> str:
        """The best picture of an attachment; empty if there is none."""
        return self._previews.get(attachment, (0, ""))[1]
