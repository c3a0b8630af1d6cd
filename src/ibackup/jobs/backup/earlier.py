"""Compares a new backup's list with the previous one's, to know which files the phone considers unchanged."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Self

from ibackup.apple.backup import Backup
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.rows import BadRow, Kind, Row, Rows
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
            return isinstance(then, Row) and isinstance(now, Row) and _modified(then) == _modified(now)
        return False

    def changed(self) -> Iterator[Row]:
        """The files in both lists that, by the new one, have changed since; as far as both can be read."""
        with contextlib.suppress(IbackupError):
            if self._before is None:
                return
            for then, now in _differing(self._before.rows, self._now.rows):
                if (
                    isinstance(then, Row)
                    and isinstance(now, Row)
                    and now.kind is Kind.FILE
                    and _changed(then, now)
                ):
                    yield now

    @cached_property
    def _before(self) -> Backup | None:
        with contextlib.suppress(IbackupError):
            if self._base is not None:
                backup = self._stack.enter_context(Backup.open(self._base.backup_path, known=True))
                return backup if backup.unlock_like(self._now) else None
        return None


def _differing(before: Rows, after: Rows) -> Iterator[tuple[Row | BadRow | None, Row | BadRow | None]]:
    """The rows of both lists with the same id; those that are equal may be left out. Raises FormatError."""
    if isinstance(before, ManifestDb) and isinstance(after, ManifestDb):
        for then, now in after.changed_since(before):
            yield before.row_of(then), after.row_of(now)
        return
    earlier = before.rows_by_id()
    old = next(earlier, None)
    for new in after.rows_by_id():
        while old is not None and old.file_id < new.file_id:
            old = next(earlier, None)
        if old is not None and old.file_id == new.file_id:
            yield old, new


def _changed(then: Row, now: Row) -> bool:
    if then.packed == now.packed:  # nearly all of them
        return False
    with contextlib.suppress(IbackupError):
        return _modified(then) != _modified(now)
    return False


def _modified(row: Row) -> int:
    return row.record().modified
