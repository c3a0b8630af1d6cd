"""In which backups an entry is, and what it said before: looked up when someone asks, in as few backups as possible.

An entry comes once and goes once, so that its first and its last backup are found by halving. What it said before is in
the newest backup from before its last change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic

from ibackup.base.errors import IbackupError
from ibackup.view.kinds_shown.shown_kind import Record, ShownKind
from ibackup.view.shown_phones import ShownBackup

_MOST_VERSIONS: Final = 8
_MOST_LINES: Final = 40

Find = Callable[[ShownBackup], Record | None]
"""The entry in a backup. Raises IbackupError."""


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """What an entry said in an older backup.

    Attributes:
        backup: the newest that has this version.
        taken: lines that the version after it does not have any more.
        added: lines that only the version after it has.
        more: differences that are not listed.
    """

    backup: ShownBackup
    taken: tuple[str, ...]
    added: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class EntryHistory:
    """Where an entry is.

    Attributes:
        first, last: the oldest and the newest backup that has it.
        before: the backup before the first, None if the first is the oldest.
        after: the backup after the last, None if the last is the newest.
        count: how many backups are from the first to the last.
        versions: what it said before, the newest first.
        more_versions: whether there may be older ones.
        unread: backups that could not be looked into.
    """

    first: ShownBackup
    last: ShownBackup
    before: ShownBackup | None
    after: ShownBackup | None
    count: int
    versions: tuple[EarlierVersion, ...]
    more_versions: bool
    unread: int


class _NotReadable(Exception):
    def __init__(self, backup: ShownBackup) -> None:
        self.backup = backup


def entry_history(
    kind: ShownKind[Record], backups: Sequence[ShownBackup], chosen: ShownBackup, find: Find[Record]
) -> EntryHistory | None:
    """Look an entry up in other backups.

    Args:
        kind: of the entry.
        backups: of the phone, oldest first; those that cannot be read are passed over.
        chosen: the backup that shows it.
        find: finds the entry in a backup.

    Returns:
        None if the chosen backup does not have it, or cannot be read.
    """
    left = list(backups)
    while chosen in left:
        looking = _Looking(kind, left, find)
        try:
            return looking.history(left.index(chosen), len(backups) - len(left))
        except _NotReadable as error:
            left.remove(error.backup)
    return None


class _Looking(Generic[Record]):
    def __init__(self, kind: ShownKind[Record], backups: Sequence[ShownBackup], find: Find[Record]) -> None:
        self._kind = kind
        self._backups = backups
        self._find = find
        self._found: dict[int, Record | None] = {}

    def history(self, chosen: int, unread: int) -> EntryHistory | None:
        record = self._at(chosen)
        if record is None:
            return None
        first = self._edge(chosen, -1)
        last = self._edge(chosen, len(self._backups))
        versions, more = self._versions(chosen, first, record)
        return EntryHistory(
            first=self._backups[first],
            last=self._backups[last],
            before=self._backups[first - 1] if first else None,
            after=self._backups[last + 1] if last + 1 < len(self._backups) else None,
            count=last - first + 1,
            versions=tuple(versions),
            more_versions=more,
            unread=unread,
        )

    def _at(self, place: int) -> Record | None:
        if place not in self._found:
            try:
                self._found[place] = self._find(self._backups[place])
            except IbackupError:
                raise _NotReadable(self._backups[place]) from None
        return self._found[place]

    def _edge(self, here: int, without: int) -> int:
        """The last backup that has it, from one that has it towards one that is beyond all."""
        towards = 1 if without > here else -1
        end = without - towards
        if end == here or self._at(end) is not None:
            return end
        without = end
        while abs(without - here) > 1:
            middle = (here + without) // 2
            if self._at(middle) is not None:
                here = middle
            else:
                without = middle
        return here

    def _versions(self, here: int, first: int, record: Record) -> tuple[list[EarlierVersion], bool]:
        found: list[EarlierVersion] = []
        while (at := self._before_change(here, self._kind.changed(record))) is not None and at >= first:
            if len(found) >= _MOST_VERSIONS:
                return found, True
            older = self._at(at)
            if older is None:
                break
            version = self._compare(self._backups[at], older, record)
            if version is not None:
                found.append(version)
            here, record = at, older
        return found, False

    def _before_change(self, here: int, changed: datetime | None) -> int | None:
        """The newest backup before a place that was made before a change."""
        if changed is None:
            return None
        return next(
            (
                place
                for place in range(here - 1, -1, -1)
                if (made := self._backups[place].made) is None or made < changed
            ),
            None,
        )

    def _compare(self, backup: ShownBackup, older: Record, newer: Record) -> EarlierVersion | None:
        then, now = self._kind.says(older), self._kind.says(newer)
        taken = [line for line in then if line not in set(now)]
        added = [line for line in now if line not in set(then)]
        if not taken and not added:
            return None
        shown_taken, shown_added = taken[:_MOST_LINES], added[:_MOST_LINES]
        more = len(taken) + len(added) - len(shown_taken) - len(shown_added)
        return EarlierVersion(backup, tuple(shown_taken), tuple(shown_added), more)
