"""Compares a new backup's list with the previous one's, to know which files the phone considers unchanged."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Self

from ibackup.apple.backup import Backup
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.mbfile import MBFile, decode
from ibackup.apple.rows import Kind, Row, Rows
from ibackup.base.errors import IbackupError
from ibackup.store.records.snapshot import Snapshot


class EarlierList:
    """The lists of a new backup and of the previous one; a context manager.

    Args:
        now: the new backup, open.
        base: the snapshot that it was built on.
    """

    def __init__(self, now: Backup, base: Snapshot | None) -> None:
        self._now = now
        self._base = base
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def calls_unchanged(self, file_id: str) -> bool:
        """Whether both lists say that a file last changed in the same second.

        Then the phone did not send it, and will not send it at the next attempt. Also False if that is unknown.
        """
        before = self._before
        with contextlib.suppress(IbackupError):
            then = None if before is None else before.rows.row(file_id)
            now = self._now.rows.row(file_id)
            return (
                isinstance(then, Row)
                and isinstance(now, Row)
                and _modified(then.packed) == _modified(now.packed)
            )
        return False

    def changed(self) -> Iterator[str]:
        """What has changed since by the new list, of what is in both, by fileID; as far as both can be read."""
        with contextlib.suppress(IbackupError):
            if self._before is None:
                return
            for file_id, then, now in _differing(self._before.rows, self._now.rows):
                with contextlib.suppress(IbackupError):
                    if _modified(then) != _modified(now):
                        yield file_id

    def file_now(self, file_id: str) -> Row | None:
        """The new list's row of a file; None if it has none, or it cannot be read."""
        with contextlib.suppress(IbackupError):
            row = self._now.rows.row(file_id)
            return row if isinstance(row, Row) and row.kind is Kind.FILE else None
        return None

    @cached_property
    def _before(self) -> Backup | None:
        with contextlib.suppress(IbackupError):
            if self._base is not None:
                backup = self._stack.enter_context(Backup.open(self._base.backup_path, known=True))
                return backup if backup.unlock_like(self._now) else None
        return None


def _differing(before: Rows, after: Rows) -> Iterator[tuple[str, bytes | MBFile, bytes | MBFile]]:
    """The fileIDs in both lists whose records differ, and the records. Raises FormatError."""
    if isinstance(before, ManifestDb) and isinstance(after, ManifestDb):
        yield from after.changed_since(before)
        return
    earlier = before.rows_by_id()
    old = next(earlier, None)
    for new in after.rows_by_id():
        while old is not None and old.file_id < new.file_id:
            old = next(earlier, None)
        if (
            isinstance(old, Row)
            and isinstance(new, Row)
            and old.file_id == new.file_id
            and old.packed != new.packed
        ):
            yield new.file_id, old.packed, new.packed


def _modified(packed: bytes | MBFile) -> int:
    return (packed if isinstance(packed, MBFile) else decode(packed)).modified
