"""Proving that a backup is good, or saying what is wrong with it.

If a checksum matches, a file is not damaged, no matter what else is odd about it: the phone's own records are
wrong about the size of databases that were in use (docs/format.md, "Sizes").
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from types import MappingProxyType

from ibackup.apple.backup import Backup
from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.foreign_database import NO_DATABASE
from ibackup.apple.format_errors import FormatError, KeyRefused, SealDamaged
from ibackup.apple.found_folders import MANIFEST, folder_error
from ibackup.apple.reasons import Reason
from ibackup.apple.rows import Rows
from ibackup.apple.verify import app_databases, whole_backup_checks
from ibackup.apple.verify.findings import Finding, Level, Severity, Summary
from ibackup.apple.verify.findings import FindingKind as K
from ibackup.apple.verify.judging import judge
from ibackup.apple.verify.reading_plan import ReadingPlan
from ibackup.apple.verify.seal import Seal
from ibackup.apple.verify.stored_file_readers import Readers, ReadJob, ReadOutcome, worker_count
from ibackup.base.confined import Confined
from ibackup.base.errors import PasswordNeeded, PasswordWrong
from ibackup.base.events import Observer, PhaseStarted, Progress, ignore

_PROGRESS_SECONDS = 0.1


def verify(
    backup: Backup,
    level: Level = Level.FULL,
    *,
    seal: Seal | SealDamaged | None = None,
    sealed_as: str | None = None,
    flawed: Mapping[str, Reason] = MappingProxyType({}),
    observer: Observer = ignore,
) -> "Verification":
    """Verify a backup: iterate over the result for its findings, then read its ``summary``.

    Args:
        backup: opened, and unlocked if it is encrypted and its password is known.
        level: how far to go.
        seal: its seal, or the error from reading it.
        sealed_as: the SHA-256 that the seal itself should have, in hex digits.
        flawed: files known to be flawed since the backup was made, by stored path or fileID; for
            ``Reason.RECORD``, rows, as DOMAIN/PATH. While they are unchanged, that is a flaw and not damage.
        observer: gets progress events.

    Raises:
        PasswordNeeded: nothing can be checked without the password, because there is no seal or the level is
            deep. If no password helps, because the keybag is damaged or the manifest is missing, that is a
            finding.
    """
    locked = _is_locked(backup)
    helps = bool(backup.where.list_path) and whole_backup_checks.keybag_damaged(backup) is None
    if locked and (level is Level.DEEP or seal is None) and helps:
        deep = (
            "and a deep check decrypts it" if level is Level.DEEP else "and has no seal to check it against"
        )
        raise PasswordNeeded(
            "Not checked: this needs the password.",
            why=f"This backup is encrypted, {deep}.",
            hint="Give the password that was set for encrypted backups.",
        )
    return Verification(backup, level, seal, sealed_as, flawed, observer, locked=locked)


def _is_locked(backup: Backup) -> bool:
    try:
        return not backup.unlocked
    except FormatError:
        return False  # no readable Manifest.plist; the manifest itself may still be plain


class Verification:
    """One verification; iterate over it once.

    Attributes:
        summary: what was checked so far.
    """

    def __init__(
        self,
        backup: Backup,
        level: Level,
        seal: Seal | SealDamaged | None,
        sealed_as: str | None,
        flawed: Mapping[str, Reason],
        observer: Observer,
        *,
        locked: bool,
    ) -> None:
        self.summary = Summary(level)
        self._backup = backup
        self._level = level
        self._seal = seal
        self._sealed_as = sealed_as
        self._unusable = {path for path, reason in flawed.items() if reason is Reason.RECORD}
        files = ((path, reason) for path, reason in flawed.items() if reason is not Reason.RECORD)
        names = ((path.rpartition("/")[2], reason) for path, reason in files)
        self._flawed = {name: reason for name, reason in names if FILE_ID.fullmatch(name)}
        self._observer = observer
        self._locked = locked
        self._broken: Finding | None = None
        self._total: tuple[int, int] | None = None
        self._told = 0.0
        self._bytes_read: Callable[[], int] = lambda: 0
        self._findings = self._run()

    def __iter__(self) -> Iterator[Finding]:
        for finding in self._findings:
            if finding.is_damage:
                self.summary.damage += 1
            elif finding.is_flaw:
                self.summary.flaws += 1
            else:
                self.summary.notes += 1
            yield finding

    def close(self) -> None:
        """End it early; afterwards its threads are gone."""
        self._findings.close()

    def _run(self) -> Generator[Finding, None, None]:
        self._observer(PhaseStarted("verify"))
        yield from whole_backup_checks.check_plists(self._backup)
        yield from self._check_seal()
        no_keys = whole_backup_checks.keybag_damaged(self._backup) if self._locked else None
        if no_keys is not None:
            yield no_keys
        locked = self._locked and bool(self._backup.where.list_path)
        rows = None if locked else (yield from self._open_manifest())
        if rows is None:
            yield from self._check_files(None)
        else:
            with whole_backup_checks.Soundness(self._backup, rows) as soundness:
                yield from self._check_files(rows)
                finding = soundness.finding() or self._broken
            if finding is not None:
                yield finding
        if self._level is Level.DEEP and not self._locked:
            yield from self._check_keys()
            if rows is not None and self._has_plist():
                yield from self._check_databases()
        self._tell(last=True)
        self.summary.finished = True

    def _check_seal(self) -> Iterator[Finding]:
        if isinstance(self._seal, SealDamaged):
            yield Finding(K.SEAL_DAMAGED, expected="lines of sha256sum", found=self._seal.message)
        elif self._seal is not None and self._sealed_as not in (None, self._seal.sha256):
            yield Finding(K.SEAL_DAMAGED, expected=f"SHA-256 {self._sealed_as}", found=self._seal.sha256)

    def _open_manifest(self) -> Generator[Finding, None, Rows | None]:
        try:
            rows = self._backup.rows if self._has_plist() else self._backup.plain_rows()
        except (FormatError, KeyRefused) as error:
            # Without the plist nothing shows whether ciphertext is damaged, and the plist is the finding.
            if self._has_plist() or (isinstance(error, FormatError) and error.flaw != NO_DATABASE):
                yield whole_backup_checks.manifest_damaged(self._backup, error)
            return None
        self.summary.manifest_checked = True
        return rows

    def _check_files(self, rows: Rows | None) -> Iterator[Finding]:
        plan = ReadingPlan(
            self._backup,
            self._level,
            self.summary,
            seal=self._seal if isinstance(self._seal, Seal) else None,
            flawed=self._flawed,
            unusable=self._unusable,
            encrypted=rows is not None and self._is_encrypted(),
        )
        with Confined(self._backup.path) as confined, Readers(self._backup.path, worker_count()) as readers:
            try:
                tree = self._backup.tree(confined)
            except OSError as error:
                raise folder_error(self._backup.path, error) from None
            if self._level is not Level.QUICK:
                self._total = tree.measure()
            self._bytes_read = lambda: readers.bytes_read
            for result in readers.run(plan.steps(tree, rows), self._tell):
                if isinstance(result, Finding):
                    yield result
                    continue
                job, outcome = result
                self._count(job, outcome)
                finding = judge(job, outcome)
                if finding is not None:
                    yield finding
                self._tell()
        if plan.broken is not None:
            self._broken = whole_backup_checks.manifest_damaged(self._backup, plan.broken)

    def _has_plist(self) -> bool:
        try:
            return bool(self._backup.manifest)
        except FormatError:
            return False

    def _is_encrypted(self) -> bool:
        try:
            return self._backup.is_encrypted
        except FormatError:
            return False  # its plist is unreadable, but the manifest was readable: it is plain

    def _count(self, job: ReadJob, outcome: ReadOutcome) -> None:
        summary = self.summary
        if not job.file_id:
            return  # the plists and the manifest are not files of the phone
        summary.files += 1
        summary.bytes += outcome.size
        if outcome.sha256 is not None:
            summary.by_seal += 1
        elif outcome.sha1 is not None:
            summary.by_digest += 1
        else:
            summary.by_size += 1
        if job.key is not None and job.decrypt and not outcome.too_long:
            summary.decrypted += 1

    def _check_keys(self) -> Iterator[Finding]:
        """Whether the password opens the keybag and every class key in it."""
        try:
            if not self._is_encrypted() and self._backup.manifest.keybag is None:
                return
            refused = self._backup.keys.refused
        except FormatError:
            damaged = whole_backup_checks.keybag_damaged(self._backup)
            if damaged is not None:
                yield damaged
            return
        except PasswordWrong:
            # An unencrypted backup needs no key to be restored.
            wanted = "a keybag that opens with the empty password"
            yield Finding(
                K.KEYBAG_DAMAGED, Severity.NOTE, MANIFEST, expected=wanted, found="it does not open"
            )
            return
        for number in refused:
            found = f"class {number} does not open"
            yield Finding(K.CLASS_KEY_DAMAGED, file=MANIFEST, expected="class keys that open", found=found)

    def _check_databases(self) -> Iterator[Finding]:
        try:
            for verdict in app_databases.check_databases(self._backup):
                entry = verdict.entry
                names = (entry.blob_path, entry.file_id, entry.domain, entry.relative_path)
                wanted = f"a sound database ({verdict.what})"
                if verdict.unchecked:
                    kind, severity = K.DATABASE_UNCHECKED, Severity.NOTE
                    yield Finding(kind, severity, *names, expected=wanted, found=verdict.unchecked)
                    continue
                self.summary.databases += 1
                if verdict.flaw:
                    yield Finding(
                        K.DATABASE_DAMAGED, Severity.DAMAGE, *names, expected=wanted, found=verdict.flaw
                    )
        except FormatError:
            return  # the manifest's own finding was already reported

    def _tell(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        files, size = self._total if self._total is not None else (None, None)
        # Results arrive in order, so more is read than is known.
        done = max(self.summary.bytes, 0 if last else min(self._bytes_read(), size or 0))
        percent = 100.0 if last else 100 * done / size if size else None
        self._observer(
            Progress(
                "verify",
                percent=None if percent is None else min(percent, 100.0),
                bytes=done,
                total_bytes=size,
                files=self.summary.files,
                total_files=files,
            )
        )
