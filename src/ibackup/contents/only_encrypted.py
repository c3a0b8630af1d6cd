"""What a phone puts only into encrypted backups, so that "none" is not said where "not in this backup" is true."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.contents.gaps import Gap, Gaps

NOT_ENCRYPTED: Final = "a phone puts them only into encrypted backups, and this backup is not encrypted"


def note_if_not_encrypted(backup: Backup, part: str, gaps: Gaps) -> None:
    """Count a gap if contents that were not found cannot be in this backup."""
    encrypted = False
    with suppress(FormatError):
        encrypted = backup.said_encrypted
    if not encrypted:
        gaps.add(part, NOT_ENCRYPTED)


def why_none(gaps: Iterable[Gap], part: str) -> str:
    """Why a backup has none of them, for people; empty if nobody knows."""
    told = any((gap.part, gap.reason) == (part, NOT_ENCRYPTED) for gap in gaps)
    return "the backup is not encrypted" if told else ""
