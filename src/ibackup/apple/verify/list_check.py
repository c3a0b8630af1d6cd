"""A manifest compared with files that are mostly known already: after a backup, and before an import."""

import threading
from collections.abc import Callable, Iterator, Mapping

from ibackup.apple.backup import Backup
from ibackup.apple.blob_tree import PREFIXES
from ibackup.apple.crypto.aes_and_keys import BLOCK
from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.fitting import Stored, as_long, most_bytes
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.apple.reasons import Reason
from ibackup.apple.rows import BadRow, Kind, Row, Rows
from ibackup.apple.verify import whole_backup_checks
from ibackup.apple.verify.findings import Finding, Level, Summary
from ibackup.apple.verify.judging import judge
from ibackup.apple.verify.reading_plan import ReadingPlan, much_unlisted
from ibackup.apple.verify.rows_by_folder import Ordered, Scanned, flaw_of
from ibackup.apple.verify.stored_file_readers import Reader, ReadJob, ReadOutcome
from ibackup.base.confined import Confined, FolderItem

StoredIn = Callable[[str], Mapping[str, Stored]]
"""Returns what is known about the files in a folder of a backup ("3d", "" for the backup itself), by name."""

Took = Callable[[str, bytes], None]
"""Called with a stored file's path below the backup's folder and its newly computed SHA-1."""


def _forget(_path: str, _sha1: bytes) -> None:
    pass


def check_manifest(
    backup: Backup, stored: StoredIn, took: Took = _forget, *, ends: bool = False
) -> Iterator[Finding]:
    """Compare a manifest with files whose size and SHA-1 are known.

    A file is read only if it has a Digest and its SHA-1 is unknown, or if its size alone proves nothing.

    Args:
        backup: opened, and unlocked if it is encrypted.
        stored: returns what is known about the files that are there.
        took: called with the result of each file read, so that it need not be read again.
        ends: whether to read the end of each encrypted file that has no Digest, too. It shows whether the
            file's own key decrypts it; another file of the same size has another key.

    Yields:
        One finding for each flaw, all of them damage or notes: the caller must know whether the phone sent it
            so. A size that differs from its record's is a note if the file's end or its Digest shows that it
            is complete.

    Raises:
        PasswordNeeded: the backup is locked.
    """
    try:
        rows = backup.rows
    except (FormatError, KeyRefused) as error:
        yield whole_backup_checks.manifest_damaged(backup, error)
        return
    broken = None
    with whole_backup_checks.Soundness(backup, rows) as soundness, Confined(backup.path) as confined:
        try:
            reader = Reader(confined, threading.Event())
            yield from _Comparison(backup, rows, stored, took, reader, ends=ends).run()
        except FormatError as error:
            broken = whole_backup_checks.manifest_damaged(backup, error)
        finding = soundness.finding() or broken
    if finding is not None:
        yield finding


class _Comparison:
    """One comparison, folder by folder."""

    def __init__(
        self, backup: Backup, rows: Rows, stored: StoredIn, took: Took, reader: Reader, *, ends: bool
    ) -> None:
        self._backup = backup
        self._rows = rows
        self._stored = stored
        self._took = took
        self._reader = reader
        self._encrypted = backup.is_encrypted
        self._ends = ends and self._encrypted
        self._plan = ReadingPlan(
            backup,
            Level.QUICK,
            Summary(Level.QUICK),
            encrypted=self._encrypted,
            reads_digests=True,
            reads_ends=self._ends,
        )
        self._there: Mapping[str, Stored] = {}
        self._listed = self._come = self._named = (
            0  # files in the manifest, files that are there, and those that are both
        )

    def run(self) -> Iterator[Finding]:
        """What is wrong. Raises FormatError if the rows end early."""
        rows = self._rows
        ordered = (
            Ordered(rows, self._plan.grammar)
            if rows.flat
            else Scanned(rows, self._plan.grammar, self._sift, encrypted=self._encrypted, digests=True)
        )
        for found in ordered.scan():
            yield found if isinstance(found, Finding) else whole_backup_checks.bad_row(found)
        for prefix in PREFIXES:
            if not rows.flat or not self._there:
                self._there = self._stored("" if rows.flat else prefix)
                self._come += sum(map(bool, map(FILE_ID.fullmatch, self._there)))
            for row in ordered.take(prefix):
                if isinstance(row, BadRow):
                    yield whole_backup_checks.bad_row(row)
                else:
                    yield from self._row(row)
        flaw = flaw_of(ordered, has_content=self._come > 0)
        if flaw is not None:
            raise flaw
        yield from self._plan.mixed_up()
        yield from much_unlisted(self._backup, self._listed, self._come - self._named)

    def _sift(self, wanted: dict[str, int], digests: dict[str, bytes]) -> set[str]:
        there = self._there
        good = {
            file_id
            for file_id, size in wanted.items()
            if (known := there.get(file_id)) is not None
            and known.size == size
            and (file_id not in digests or known.sha1 == digests[file_id])
        }
        if self._ends:
            good &= digests.keys()
        if good and self._backup.signs.mixed:  # their sizes alone do not show what they are
            good = {file_id for file_id in good if there[file_id].size % BLOCK}
        self._listed += len(good)
        self._named += len(good)
        return good

    def _row(self, row: Row) -> Iterator[Finding]:
        known = self._there.get(row.file_id) if row.kind is Kind.FILE else None
        self._listed += row.kind is Kind.FILE
        self._named += known is not None
        item = None if known is None else FolderItem(row.file_id, "file", known.size, 0)
        for step in self._plan.row(row, item):
            finding = step if isinstance(step, Finding) else judge(step, self._look(step, known))
            if finding is not None:
                yield finding

    def _look(self, job: ReadJob, known: Stored | None) -> ReadOutcome:
        """What is known about a file; it is read if that is not enough."""
        record = job.record
        if record is not None and known is not None:
            settled = (
                known.sha1 is not None
                if job.sha1
                else as_long(known.size, record, encrypted=job.encrypted) and not (self._ends and job.key)
            )
            if settled:
                return ReadOutcome(known.size, sha1=known.sha1)
        outcome = self._reader.examine(job)
        if outcome.sha1 is not None:
            self._took(job.file, outcome.sha1)
        return outcome


def only_its_size(backup: Backup, finding: Finding) -> bool:
    """Whether a file's size differs from its record and nothing else shows whether it is complete.

    It may have grown or shrunk while the phone read it; then it is what the phone sent, and all there is.
    This covers only plausible differences.
    """
    if finding.reason is not Reason.SIZE or not finding.domain:
        return False
    row = backup.rows.row(finding.file_id)
    if not isinstance(row, Row) or row.record().digest is not None:
        return False
    return backup.stored_bytes(finding.file) <= most_bytes(row.record().size)
