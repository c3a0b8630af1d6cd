"""Compares a new backup's list with the previous one's, to know which files the phone considers unchanged."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Self

from ibackup.apple.backup import Backup
from ibackup.apple.rows import BadRow, Kind, Row
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
        before = self._before
        if before is None:
            return
        with contextlib.suppress(IbackupError):
            earlier = before.rows.rows_by_id()
            then = next(earlier, None)
            for now in self._now.rows.rows_by_id():
                while then is not None and then.file_id < now.file_id:
                    then = next(earlier, None)
                if then is None or isinstance(then, BadRow) or isinstance(now, BadRow):
                    continue
                if then.file_id == now.file_id and now.kind is Kind.FILE and _changed(then, now):
                    yield now

    @cached_property
    def _before(self) -> Backup | None:
        with contextlib.suppress(IbackupError):
            if self._base is not None:
                backup = self._stack.enter_context(Backup.open(self._base.backup_path, known=True))
                return backup if backup.unlock_like(self._now) else None
        return None


def _changed(then: Row, now: Row) -> bool:
    if then.packed == now.packed:  # nearly all of them
        return False
    with contextlib.suppress(IbackupError):
        return _modified(then) != _modified(now)
    return False


def _modified(row: Row) -> int:
    return row.record().modified
