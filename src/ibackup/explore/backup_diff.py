"""The differences between two backups, file by file, in one pass over both in the order of their ids."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

from ibackup.apple.backup import Backup, BadRowHandler
from ibackup.apple.format_errors import FormatError
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.mbfile import MBFile
from ibackup.apple.rows import BadRow, Kind, Row
from ibackup.base.udids import same_udid
from ibackup.explore.app_owners import Apps, Owner

Change = Literal["added", "removed", "changed", "grown"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One file or link that differs between the two; sizes in bytes, None if it is missing.

    Attributes:
        change: ``added`` (only in the second), ``removed`` (only in the first), ``grown`` (changed and larger
            now) or ``changed``.
        what: what differs in a changed one: "size", "time", "digest", "kind", "target".
    """

    change: Change
    file_id: str
    domain: str
    path: str
    before: int | None
    after: int | None
    what: tuple[str, ...] = ()

    @property
    def growth(self) -> int:
        """How many bytes it grew, negative if it shrank."""
        return (self.after or 0) - (self.before or 0)


@dataclass
class AppChanges:
    """What changed in the files of one app.

    Attributes:
        counts: how many files changed in each way.
        growth: how many bytes they grew together, negative if they shrank.
    """

    owner: Owner
    counts: "Counter[Change]" = field(default_factory=Counter)
    growth: int = 0

    def add(self, difference: Difference) -> None:
        """Count one more."""
        self.counts[difference.change] += 1
        self.growth += difference.growth


def same_phone(before: Backup, after: Backup) -> bool:
    """Whether two backups are of one phone."""
    return same_udid(before.udid, after.udid)


def compare_by_app(
    before: Backup, after: Backup, bad: BadRowHandler, each: Callable[[Difference], None]
) -> list[AppChanges]:
    """The changes by app, those with most bytes first.

    Args:
        before: an unlocked backup.
        after: another one, usually of the same phone.
        bad: called with rows that cannot be compared.
        each: called with each difference, in the order of the fileIDs.

    Raises:
        FormatError, PasswordNeeded: as ``compare``.
    """
    apps = Apps.of(before).joined(Apps.of(after))
    found: dict[str, AppChanges] = {}
    for difference in compare(before, after, bad):
        owner = apps.owner(difference.domain)
        found.setdefault(owner.key, AppChanges(owner)).add(difference)
        each(difference)
    return sorted(found.values(), key=lambda each: (-abs(each.growth), -each.counts.total(), each.owner.key))


def compare(before: Backup, after: Backup, bad: BadRowHandler) -> Iterator[Difference]:
    """What changed from one backup to another, in the order of the fileIDs. Folders are left out.

    Args:
        before: an unlocked backup.
        after: another one, usually of the same phone.
        bad: called with rows that cannot be compared.

    Raises:
        FormatError: a manifest is damaged.
        PasswordNeeded: one of them is locked.
    """
    digests = _digests_compare(before, after)
    for old_stored, new_stored in _unlike(_stored_rows(before), _stored_rows(after)):
        old, new = _usable(old_stored, bad), _usable(new_stored, bad)
        if old is not None and new is not None:
            found = _changed(old, new, bad, digests=digests)
        elif new is not None:
            found = _one("added", new, bad)
        else:
            found = _one("removed", old, bad) if old is not None else None
        if found is not None:
            yield found


class _Stored(NamedTuple):
    """A row before it is made: making one takes longer than seeing that the other backup has the same."""

    file_id: bytes
    cells: object
    make: Callable[[], Row | BadRow | None]


def _stored_rows(backup: Backup) -> Iterator[_Stored]:
    rows = backup.rows
    if not isinstance(rows, ManifestDb):
        for row in rows.rows_by_id():
            yield _Stored(row.file_id.encode("utf-8", "surrogateescape"), row, partial(_itself, row))
        return
    for cells in rows.cells_by_id():
        name = cells[0]
        yield _Stored(name if isinstance(name, bytes) else b"", cells, partial(rows.row_of, cells))


def _itself(row: Row | BadRow) -> Row | BadRow:
    return row


def _unlike(
    olds: Iterator[_Stored], news: Iterator[_Stored]
) -> Iterator[tuple[_Stored | None, _Stored | None]]:
    """The rows of both by id: those that are only in one, and those that are not the same in both."""
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.file_id < new.file_id):
            yield old, None
            old = next(olds, None)
        elif old is None or new.file_id < old.file_id:
            yield None, new
            new = next(news, None)
        else:
            if old.cells != new.cells:
                yield old, new
            old, new = next(olds, None), next(news, None)


def _usable(stored: _Stored | None, bad: BadRowHandler) -> Row | None:
    """The row, if it is a file or link that can be compared."""
    row = stored.make() if stored is not None else None
    if isinstance(row, BadRow):
        bad(row)
        return None
    return row if row is not None and row.kind is not Kind.FOLDER else None


def _record(row: Row, bad: BadRowHandler) -> MBFile | None:
    try:
        return row.record()
    except FormatError as error:
        bad(BadRow(row.file_id, row.domain, row.relative_path, error.flaw))
        return None


def _one(change: Change, row: Row, bad: BadRowHandler) -> Difference | None:
    record = _record(row, bad)
    if record is None:
        return None
    before, after = (record.size, None) if change == "removed" else (None, record.size)
    return Difference(change, row.file_id, row.domain, row.relative_path, before, after)


def _changed(old_row: Row, new_row: Row, bad: BadRowHandler, *, digests: bool) -> Difference | None:
    old, new = _record(old_row, bad), _record(new_row, bad)
    if old is None or new is None:
        return None
    differs = {
        "kind": old_row.kind is not new_row.kind,
        "size": old.size != new.size,
        "time": old.modified != new.modified,
        "digest": digests and None not in (old.digest, new.digest) and old.digest != new.digest,
        "target": old.target != new.target,
    }
    what = tuple(name for name, is_so in differs.items() if is_so)
    if not what:
        return None
    change: Change = "grown" if new.size > old.size else "changed"
    row = new_row
    return Difference(change, row.file_id, row.domain, row.relative_path, old.size, new.size, what)


def _digests_compare(before: Backup, after: Backup) -> bool:
    """Whether equal files have equal digests; the digests of encrypted backups depend on the keys."""
    if before.is_encrypted != after.is_encrypted:
        return False
    return not before.is_encrypted or before.keybag.uuid == after.keybag.uuid
