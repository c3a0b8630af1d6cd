"""Brings an index up to date: reads what changed from one snapshot to the next."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.apple.verify.seal import Seal
from ibackup.base.confined import PathRefused
from ibackup.base.errors import DamageFound
from ibackup.contents.app_database import DAMAGED_PAGE, UNREADABLE
from ibackup.contents.gaps import Gaps
from ibackup.search.snapshot_index import MOST_DOCUMENTS, SnapshotIndex
from ibackup.search.sources import SOURCES, BackupToRead, Source
from ibackup.store.records.snapshot import Snapshot

_TICK: Final = 5000  # documents
_LOSES_RECORDS: Final = (DAMAGED_PAGE, UNREADABLE)


def add_backup(
    index: SnapshotIndex,
    backup: Backup,
    ident: str,
    seal: str,
    sums: Seal | None,
    tick: Callable[[int], None],
) -> None:
    """Add a backup to an index, as its newest snapshot.

    Args:
        index: to add to.
        backup: unlocked.
        ident: of the snapshot.
        seal: the checksum of its seal; empty if it has none.
        sums: the checksums of its files; None if they are not known.
        tick: called with each further number of documents that were read.

    Raises:
        FormatError: the backup's list of files is damaged, and nothing was added.
        NoRoom: there is no space for a temporary copy.
        IndexNotKept: the texts cannot be written.
    """
    backup.go_without_list()
    number = index.add_snapshot(ident, seal)
    for source in SOURCES:
        tick(0)
        gaps = Gaps()
        known = ""
        with suppress(FormatError):
            known = source.sums(backup, sums)
        if known and known == index.sums(source.name):
            continue
        whole = _read(index, number, source, BackupToRead(backup, gaps), known, tick)
        index.add_gaps(number, gaps, lost=not whole)


def _read(
    index: SnapshotIndex,
    number: int,
    source: Source,
    reading: BackupToRead,
    known: str,
    tick: Callable[[int], None],
) -> bool:
    """Read a source into an index; whether no document is lost."""
    into = index.reading(source.name, number)
    count, whole = 0, True
    try:
        for document in source.documents(reading):
            if document.title or document.text:
                into.add(document)
                count += 1
                if count % _TICK == 0:
                    tick(_TICK)
    except (FormatError, KeyRefused, PathRefused, OSError) as error:
        whole = False
        reading.gaps.add(source.name, UNREADABLE, str(error), damage=True)
    if into.full:
        reason = f"the index has room for {MOST_DOCUMENTS:,} documents; the rest cannot be found"
        reading.gaps.add(source.name, reason, damage=True)
    lost = [gap for gap in reading.gaps if gap.damage]
    whole = whole and not any(gap.reason in _LOSES_RECORDS for gap in lost) and bool(count or not lost)
    into.finish(known, whole=whole)
    return whole and not into.full


def sums_of(snapshot: Snapshot) -> Seal | None:
    """The checksums of a snapshot's files; None if they cannot be trusted."""
    with suppress(DamageFound, OSError):
        return snapshot.seal
    return None
