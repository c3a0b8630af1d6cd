"""The differences between two backups, file by file, in one pass over both in the order of their ids."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from ibackup.apple.backup import Backup, BadRowHandler
from ibackup.apple.format_errors import FormatError
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
    olds, news = _usable(before, bad), _usable(after, bad)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0].file_id < new[0].file_id):
            if old is not None:  # for the type checker; it follows from the line above
                yield _one("removed", *old)
            old = next(olds, None)
        elif old is None or new[0].file_id < old[0].file_id:
            yield _one("added", *new)
            new = next(news, None)
        else:
            what = _what(*old, *new, digests=digests)
            if what:
                row, record = new
                change: Change = "grown" if record.size > old[1].size else "changed"
                yield Difference(
                    change, row.file_id, row.domain, row.relative_path, old[1].size, record.size, what
                )
            old, new = next(olds, None), next(news, None)


def _usable(backup: Backup, bad: BadRowHandler) -> Iterator[tuple[Row, MBFile]]:
    """Files and links with their records, by id."""
    for row in backup.rows.rows_by_id():
        if isinstance(row, BadRow):
            bad(row)
        elif row.kind is not Kind.FOLDER:
            try:
                record = row.record()
            except FormatError as error:
                bad(BadRow(row.file_id, row.domain, row.relative_path, error.flaw))
                continue
            yield row, record


def _one(change: Change, row: Row, record: MBFile) -> Difference:
    before, after = (record.size, None) if change == "removed" else (None, record.size)
    return Difference(change, row.file_id, row.domain, row.relative_path, before, after)


def _what(old_row: Row, old: MBFile, new_row: Row, new: MBFile, *, digests: bool) -> tuple[str, ...]:
    if old_row.packed == new_row.packed:
        return ()
    found = {
        "kind": old_row.kind is not new_row.kind,
        "size": old.size != new.size,
        "time": old.modified != new.modified,
        "digest": digests and None not in (old.digest, new.digest) and old.digest != new.digest,
        "target": old.target != new.target,
    }
    return tuple(name for name, differs in found.items() if differs)


def _digests_compare(before: Backup, after: Backup) -> bool:
    """Whether equal files have equal digests; the digests of encrypted backups depend on the keys."""
    if before.is_encrypted != after.is_encrypted:
        return False
    return not before.is_encrypted or before.keybag.uuid == after.keybag.uuid
