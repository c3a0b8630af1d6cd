"""Proving a backup good, or saying what is wrong with it.

What a checksum vouches for is not damage, whatever else is odd about it: the phone's own records are wrong about
the size of databases that were in use (docs/format.md, "Sizes").
"""

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping

from ibackup.confined import Confined, Item
from ibackup.errors import PasswordNeeded, PasswordWrong
from ibackup.events import Observer, PhaseStarted, Progress, ignore
from ibackup.manifest import appdata, checks
from ibackup.manifest.backup import MANIFEST, Backup, folder_error
from ibackup.manifest.examine import Job, Outcome, Reader, Readers, worker_count
from ibackup.manifest.findings import Finding, Level, Severity, Summary
from ibackup.manifest.findings import FindingKind as K
from ibackup.manifest.flaws import FormatError, KeyRefused, SealDamaged
from ibackup.manifest.folderwise import Ordered, Scanned, flaw_of
from ibackup.manifest.plan import Plan
from ibackup.manifest.rows import FILE_ID, BadRow, Kind, Row, Rows
from ibackup.manifest.seal import Seal
from ibackup.manifest.tree import PREFIXES, Tree

_PROGRESS_SECONDS = 0.1


def verify(
    backup: Backup,
    level: Level = Level.FULL,
    *,
    seal: Seal | SealDamaged | None = None,
    sealed_as: str | None = None,
    unreadable: Collection[str] = (),
    observer: Observer = ignore,
) -> "Verification":
    """Verify a backup; iterate over the result for its findings, then look at its ``summary``.

    Args:
        backup: opened, and unlocked if it is encrypted and its password is known.
        level: how far to go.
        seal: its seal, or the error that reading it raised.
        sealed_as: the SHA-256 that the seal itself should have, hex digits.
        unreadable: stored paths or fileIDs of files that the phone reported it could not read: their absence is
            a note.
        observer: is told of the progress.

    Raises:
        PasswordNeeded: nothing can be checked without the password: there is no seal, or the level is deep. Where no
            password helps, since the keybag is damaged, that is a finding.
    """
    locked = _is_locked(backup)
    if locked and (level is Level.DEEP or seal is None) and checks.keybag_damaged(backup) is None:
        deep = (
            "and a deep check decrypts it" if level is Level.DEEP else "and has no seal to check it against"
        )
        raise PasswordNeeded(
            "Not checked: the password is needed.",
            why=f"This backup is encrypted, {deep}.",
            hint="Give the password that was set for encrypted backups.",
        )
    return Verification(backup, level, seal, sealed_as, unreadable, observer, locked=locked)


Sizes = Callable[[str], Mapping[str, int]]
"""Gives the bytes of the files in a folder of a backup ("3d", "" for the backup itself), by name."""


def check_manifest(backup: Backup, sizes: Sizes) -> Iterator[Finding]:
    """Compare a manifest with files whose sizes are known; reads next to nothing but the manifest.

    Args:
        backup: opened, and unlocked if it is encrypted.
        sizes: of the files that are there.

    Yields:
        One finding a flaw. A size that differs from its record's is a note where the file's end or its checksum
        shows that the file is whole.

    Raises:
        PasswordNeeded: the backup is locked.
    """
    try:
        rows = backup.rows
    except (FormatError, KeyRefused) as error:
        yield checks.manifest_damaged(backup, error)
        return
    plan = Plan(backup, Level.QUICK, Summary(Level.QUICK), encrypted=backup.is_encrypted)
    broken = None
    with checks.Soundness(backup, rows) as soundness, Confined(backup.path) as confined:
        reader = Reader(confined, threading.Event())
        try:
            yield from _check_rows(rows, plan, sizes, reader)
        except FormatError as error:
            broken = checks.manifest_damaged(backup, error)
        finding = soundness.finding() or broken
    if finding is not None:
        yield finding


def only_its_size(backup: Backup, finding: Finding) -> bool:
    """Whether a file's size differs from its record and nothing else tells whether it is whole.

    It may have grown or shrunk while the phone read it; then it is what the phone has sent, and all there is.
    """
    if finding.kind is not K.SIZE_DIFFERS or not finding.domain:
        return False
    row = backup.rows.row(finding.file_id)
    return isinstance(row, Row) and row.record().digest is None


def _check_rows(rows: Rows, plan: Plan, sizes: Sizes, reader: Reader) -> Iterator[Finding]:
    there: Mapping[str, int] = {}
    has_content = False

    def is_good(file_id: str, stored: int) -> bool:
        return there.get(file_id) == stored

    ordered = Ordered(rows) if rows.flat else Scanned(rows, is_good, encrypted=plan.encrypted)
    for bad in ordered.scan():
        yield checks.bad_row(bad)
    for prefix in PREFIXES:
        if not rows.flat or not there:
            there = sizes("" if rows.flat else prefix)
            has_content = has_content or any(map(FILE_ID.fullmatch, there))
        for row in ordered.take(prefix):
            if isinstance(row, BadRow):
                yield checks.bad_row(row)
                continue
            size = there.get(row.file_id) if row.kind is Kind.FILE else None
            item = None if size is None else Item(row.file_id, "file", size, 0)
            if plan.settles(row, item):
                continue
            for step in plan.row(row, item):
                if isinstance(step, Finding):
                    yield step
                else:
                    yield from judge(step, reader.examine(step))
    flaw = flaw_of(ordered, has_content=has_content)
    if flaw is not None:
        raise flaw


def judge(job: Job, outcome: Outcome, *, deep: bool = False) -> Iterator[Finding]:
    """What the content of one file says against it: at most one finding."""

    def finding(kind: K, expected: str, found: str, severity: Severity = Severity.DAMAGE) -> Finding:
        return Finding(kind, severity, job.file, job.file_id, job.domain, job.path, expected, found)

    wanted = job.sha256 or job.sha1
    good = None if wanted is None or outcome.digest is None else outcome.digest == wanted
    if outcome.missing:
        yield finding(K.MISSING, "a file", "nothing")
    elif outcome.link:
        yield finding(K.NOT_A_FILE, "a file", "a link or a device")
    elif outcome.flaw:
        yield finding(K.UNREADABLE, "a readable file", outcome.flaw)
    elif job.expected is not None and outcome.size != job.expected:
        # The checksum knows best; where there is none, the file's own end tells whether it is whole.
        whole = outcome.ends_well is True if good is None else good
        found = f"{outcome.size:,} bytes"
        if whole:
            by = "its own end" if good is None else "its checksum"
            found += f"; whole, by {by}: it was in use while the phone backed it up"
        severity = Severity.NOTE if whole else Severity.DAMAGE
        yield finding(K.SIZE_DIFFERS, f"{job.expected:,} bytes", found, severity)
    elif good is False and wanted is not None and outcome.digest is not None:
        name = "SHA-256" if job.sha256 else "SHA-1"
        yield finding(K.CONTENT_CHANGED, f"{name} {wanted.hex()}", f"{name} {outcome.digest.hex()}")
    elif outcome.sha1 is not None and job.sha1 is not None and outcome.sha1 != job.sha1:
        by = "by the phone's list; a restore refuses it"
        yield finding(K.CONTENT_CHANGED, f"SHA-1 {job.sha1.hex()} {by}", f"SHA-1 {outcome.sha1.hex()}")
    elif deep and job.key is not None and outcome.ends_well is False:
        yield finding(K.PADDING_WRONG, "padding that fits", "it does not decrypt to a whole file")


def _is_locked(backup: Backup) -> bool:
    try:
        return not backup.unlocked
    except FormatError:
        return False  # no readable Manifest.plist; the manifest itself may still be plain


class Verification:
    """One verification; iterate over it once.

    Attributes:
        summary: what was looked at so far.
    """

    def __init__(
        self,
        backup: Backup,
        level: Level,
        seal: Seal | SealDamaged | None,
        sealed_as: str | None,
        unreadable: Collection[str],
        observer: Observer,
        *,
        locked: bool,
    ) -> None:
        self.summary = Summary(level)
        self._backup = backup
        self._level = level
        self._seal = seal
        self._sealed_as = sealed_as
        self._unreadable = frozenset(path.rpartition("/")[2] for path in unreadable)
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
            else:
                self.summary.notes += 1
            yield finding

    def close(self) -> None:
        """End it early; its threads are gone afterwards."""
        self._findings.close()

    def _run(self) -> Generator[Finding, None, None]:
        self._observer(PhaseStarted("verify"))
        yield from checks.check_plists(self._backup)
        yield from self._check_seal()
        no_keys = checks.keybag_damaged(self._backup) if self._locked else None
        if no_keys is not None:
            yield no_keys
        rows = None if self._locked else (yield from self._open_manifest())
        if rows is None:
            yield from self._check_files(None)
        else:
            with checks.Soundness(self._backup, rows) as soundness:
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
            if self._has_plist():  # else the plist is the finding, and nobody can say how the manifest is
                yield checks.manifest_damaged(self._backup, error)
            return None
        self.summary.manifest_checked = True
        return rows

    def _check_files(self, rows: Rows | None) -> Iterator[Finding]:
        deep = self._level is Level.DEEP
        plan = Plan(
            self._backup,
            self._level,
            self.summary,
            seal=self._seal if isinstance(self._seal, Seal) else None,
            unreadable=self._unreadable,
            encrypted=rows is not None and self._is_encrypted(),
        )
        with Confined(self._backup.path) as confined, Readers(self._backup.path, worker_count()) as readers:
            try:
                tree = Tree(confined, flat=self._backup.flat)
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
                yield from judge(job, outcome, deep=deep)
                self._tell()
        if plan.broken is not None:
            self._broken = checks.manifest_damaged(self._backup, plan.broken)

    def _has_plist(self) -> bool:
        try:
            return bool(self._backup.manifest)
        except FormatError:
            return False

    def _is_encrypted(self) -> bool:
        try:
            return self._backup.is_encrypted
        except FormatError:
            return False  # its plist is unreadable, yet the manifest was: it is plain

    def _count(self, job: Job, outcome: Outcome) -> None:
        summary = self.summary
        if not job.file_id:
            return  # the plists and the manifest are no files of the phone
        summary.files += 1
        summary.bytes += outcome.size
        if outcome.digest is None:
            summary.by_size += 1
        elif job.sha256 is not None:
            summary.by_seal += 1
        else:
            summary.by_digest += 1
        if job.key is not None and job.whole:
            summary.decrypted += 1

    def _check_keys(self) -> Iterator[Finding]:
        """Whether the password opens the keybag and every class key in it."""
        try:
            if not self._is_encrypted() and self._backup.manifest.keybag is None:
                return
            refused = self._backup.keys.refused
        except FormatError:
            damaged = checks.keybag_damaged(self._backup)
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
            for verdict in appdata.check_databases(self._backup):
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
            return  # the manifest's own finding has been given

    def _tell(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        files, size = self._total if self._total is not None else (None, None)
        # Results come in order, so that what is read is ahead of what is known.
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
