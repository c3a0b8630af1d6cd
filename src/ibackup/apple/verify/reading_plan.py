"""From the rows of a manifest, a seal and the files on disk: what is wrong at once, and what must be read."""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from types import MappingProxyType

from ibackup.apple import mixture
from ibackup.apple.backup import DATABASE, INFO, LEGACY_DATABASE, MANIFEST, STATUS, Backup
from ibackup.apple.blob_tree import PREFIXES, BlobTree, Bucket
from ibackup.apple.crypto.aes_and_keys import BLOCK
from ibackup.apple.crypto.decrypted_in_place import Form
from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.fitting import as_long, digest_of, stored_size
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.apple.found_folders import UNDER_WAY
from ibackup.apple.litter import is_in_litter
from ibackup.apple.mbfile import MBFile
from ibackup.apple.reasons import Reason
from ibackup.apple.rows import BadRow, Kind, Row, Rows, blob_path
from ibackup.apple.verify import whole_backup_checks
from ibackup.apple.verify.findings import Finding, Level, Severity, Summary
from ibackup.apple.verify.findings import FindingKind as K
from ibackup.apple.verify.grammar import Grammar
from ibackup.apple.verify.judging import known_flaw
from ibackup.apple.verify.rows_by_folder import Ordered, Scanned, flaw_of
from ibackup.apple.verify.seal import Seal
from ibackup.apple.verify.stored_file_readers import ReadJob
from ibackup.base.confined import FolderItem
from ibackup.base.sizes import bytes_text

Step = ReadJob | Finding

_TOP = frozenset([INFO, STATUS, MANIFEST, DATABASE, LEGACY_DATABASE, "Manifest.mbdx"])
_LEFT = re.compile(f"{UNDER_WAY}/(?:[0-9a-f]{{2}}/)?{FILE_ID.pattern}")  # of an interrupted run
_NOTHING = "nothing"
_FEW = 10  # unlisted files; an interrupted program, or an old one, may leave this many
_ODD = {"directory": "a folder", "other": "a link or a device"}


class ReadingPlan:
    """The steps of one verification.

    Args:
        backup: the backup to verify.
        level: how far to go.
        summary: counts what need not be read.
        seal: the backup's seal, if it has an undamaged one.
        flawed: files known to be flawed since the backup was made, by fileID.
        unusable: rows known to be unusable since then, as DOMAIN/PATH.
        encrypted: whether stored files are padded.
        reads_digests: whether files with a Digest are read at the quick level, too.
        reads_ends: likewise the end of each encrypted file.

    Attributes:
        encrypted: see above.
        grammar: the rules for the rows.
        broken: after the last step, why the manifest's rows ended early or never began; None if they were
            complete.
    """

    def __init__(
        self,
        backup: Backup,
        level: Level,
        summary: Summary,
        *,
        seal: Seal | None = None,
        flawed: Mapping[str, Reason] = MappingProxyType({}),
        unusable: AbstractSet[str] = frozenset(),
        encrypted: bool = False,
        reads_digests: bool = False,
        reads_ends: bool = False,
    ) -> None:
        self._backup = backup
        self._level = level
        self._summary = summary
        self._seal = seal
        self._flawed = flawed
        self._unusable = unusable
        self._listed = self._unlisted = 0  # files in the manifest, and files that are there but not in it
        self._told: set[str] = set()  # those of them that were reported
        self._reads_digests = reads_digests
        self._reads_ends = reads_ends
        self.encrypted = encrypted
        self.broken: FormatError | None = None
        self._flat = backup.flat
        self._top = _TOP | {f"{UNDER_WAY}/{name}" for name in _TOP} if backup.where.both else _TOP
        self._plain = self._locked = (
            0  # files that another program decrypted, and encrypted files without a key here
        )
        self._nameless = 0  # files of a backup without a manifest
        self.grammar = Grammar(encrypted=encrypted, flat=self._flat, sealed=seal is not None)
        self._has_content = False  # as far as the steps got
        # For the folder of the current rows:
        self._disk = Bucket()
        self._sealed: set[str] = set()
        self._named: set[str] = set()

    def steps(self, tree: BlobTree, rows: Rows | None) -> Iterator[Step]:
        """All steps, folder by folder, the plists and the manifest last."""
        ordered: Ordered | Scanned | None = None
        if rows is not None:
            # A Manifest.mbdb has no index and few rows.
            scans = self._level is Level.QUICK and not rows.flat
            ordered = (
                Scanned(rows, self.grammar, self._sift, encrypted=self.encrypted)
                if scans
                else Ordered(rows, self.grammar)
            )
        for found in ordered.scan() if ordered is not None else ():
            yield found if isinstance(found, Finding) else self._bad_row(found)
        flat_seal = _flat_seal(self._seal) if self._seal is not None and self._flat else {}
        for prefix in PREFIXES:
            self._sealed = set()
            if self._seal is not None:
                self._sealed = flat_seal.get(prefix, set()) if self._flat else set(self._seal.ids(prefix))
            self._disk = tree.bucket(prefix)
            self._named = set()
            if prefix not in tree.unlisted:
                yield from self._bucket(prefix, ordered)
            elif ordered is not None:
                ordered.skip(prefix)  # nobody can say what is in it, but it does not count as missing
        if ordered is not None:
            self.broken = flaw_of(ordered, has_content=self._has_content)
            self._summary.rows += ordered.count
        yield from self._never_came()
        severity = Severity.DAMAGE if self._seal is None else Severity.FLAW
        yield from much_unlisted(self._backup, self._listed, self._unlisted, severity)
        if rows is not None:
            yield from self.mixed_up()
        yield from self._others(tree)
        for folder, flaw in sorted(tree.unlisted.items()):
            yield Finding(K.UNREADABLE, file=folder, expected="a readable folder", found=flaw)

    def _path(self, file_id: str) -> str:
        """Where a file is, or should be; the id is in the folder of the current rows."""
        if self._backup.rearranged is not None:
            return self._backup.place_of(file_id)
        path = blob_path(file_id, flat=self._flat)
        return f"{UNDER_WAY}/{path}" if file_id in self._disk.newer else path

    def _sum(self, file: str, file_id: str) -> bytes | None:
        """A file's checksum in the seal, also if another program moved or renamed it since."""
        if self._seal is None:
            return None
        moved = self._backup.rearranged is not None
        return self._seal.get(blob_path(file_id, flat=self._flat) if moved else file)

    def _bucket(self, prefix: str, ordered: Ordered | Scanned | None) -> Iterator[Step]:
        disk, sealed, named = self._disk, self._sealed, self._named
        for row in ordered.take(prefix) if ordered is not None else ():
            if isinstance(row, BadRow):
                yield self._bad_row(row)
                continue
            wrong = whole_backup_checks.wrong_id(row)
            if wrong is not None and self._was_so(row):
                yield replace(wrong, severity=Severity.FLAW)
                continue  # nothing names its file, which is compared with the seal like any other
            if row.kind is Kind.FILE:
                named.add(row.file_id)
            item = disk.get(row.file_id)
            if self._seal is not None and item is not None and row.file_id not in sealed:
                file = self._path(row.file_id)
                yield whole_backup_checks.about(
                    row, K.NOT_SEALED, file=file, expected="a line in the seal", found=_NOTHING
                )
            yield from self.row(row, item)
        complete = ordered is not None and ordered.broken is None
        self._listed += len(named)
        there = disk.ids()
        self._has_content = self._has_content or bool(there or sealed)
        for file_id in sorted(there - named):
            item = disk.get(file_id)
            if item is not None:
                yield from self._unnamed(file_id, item, in_sealed=file_id in sealed, told=complete)
        for file_id in sorted(sealed - there - named):
            path = self._path(file_id)
            yield Finding(
                K.MISSING,
                file=path,
                file_id=file_id,
                expected=("a file, according to the seal"),
                found=_NOTHING,
            )

    def _was_so(self, row: Row | BadRow) -> bool:
        """Whether a row was already unusable when the backup was made."""
        return f"{row.domain}/{row.relative_path}" in self._unusable

    def _bad_row(self, row: BadRow) -> Finding:
        found = whole_backup_checks.bad_row(row)
        return replace(found, severity=Severity.FLAW) if self._was_so(row) else found

    def _sift(self, wanted: dict[str, int], _digests: dict[str, bytes]) -> set[str]:
        """The files that are there as their rows say; they are counted."""
        sizes, summary = self._disk.sizes, self._summary
        good = {file_id for file_id, stored in wanted.items() if sizes.get(file_id) == stored}
        if self._seal is not None:
            good &= self._sealed
        good -= self._flawed.keys()
        if good and self._backup.signs.mixed:  # their sizes alone do not show what they are
            good = {file_id for file_id in good if sizes[file_id] % BLOCK}
        self._named |= good
        summary.files += len(good)
        summary.by_size += len(good)
        summary.bytes += sum(map(sizes.__getitem__, good))
        return good

    def row(self, row: Row, item: FolderItem | None) -> Iterator[Step]:
        """One row, with what is in its file's place."""
        wrong = whole_backup_checks.wrong_id(row)
        if wrong is not None:
            yield wrong
            return
        record: MBFile | None = None
        try:
            record = row.record()
        except FormatError as error:
            severity = Severity.FLAW if self._was_so(row) else Severity.DAMAGE
            yield whole_backup_checks.about(
                row, K.RECORD_UNREADABLE, expected="a readable record", found=error.flaw, severity=severity
            )
        else:
            yield from self.grammar.record(row, record)
        if row.kind is not Kind.FILE:
            return
        file = self._path(row.file_id)
        self._told.add(row.file_id)
        if item is None:
            wanted = "a file" if record is None else bytes_text(stored_size(record, encrypted=self.encrypted))
            never_came = row.file_id in self._flawed and row.file_id not in self._sealed
            severity = Severity.FLAW if never_came else Severity.DAMAGE
            finding = whole_backup_checks.about(
                row, K.MISSING, file=file, expected=wanted, found=_NOTHING, severity=severity
            )
            yield replace(finding, reason=self._flawed[row.file_id]) if never_came else finding
        elif item.kind != "file":
            yield whole_backup_checks.about(
                row, K.NOT_A_FILE, file=file, expected="a file", found=_ODD[item.kind]
            )
        else:
            yield from self._file(row, record, item, file)

    def _file(self, row: Row, record: MBFile | None, item: FolderItem, file: str) -> Iterator[Step]:
        encrypted = self.encrypted
        if record is not None:
            form = self._backup.form(file, item.size, record)
            if form is Form.LOCKED:
                self._locked += 1
                self._count(item.size)
                yield self._key_elsewhere(row, file)
                return
            if record.has_key and form is Form.PLAIN:
                self._plain += 1
                encrypted = False
                # Its checksum is for the bytes before another program decrypted them.
                record = record._replace(digest=None)
        sha256 = None
        if self._seal is not None:
            sha256 = self._sum(file, row.file_id)
        reads = self._level is not Level.QUICK
        fits = record is None or as_long(item.size, record, encrypted=encrypted)
        compares = self._reads_digests and record is not None and digest_of(record) is not None
        known = self._flawed.get(row.file_id)
        looks = self._reads_ends and encrypted and not compares and item.size > 0
        if fits and not reads and not compares and not looks:
            self._count(item.size)
            if known is not None:
                job = ReadJob(file, item.size, row.file_id, row.domain, row.relative_path)
                yield known_flaw(job, known)
            return
        key = None
        if record is not None and (reads or looks or not fits):
            try:
                key = self._backup.file_key(record) if encrypted else None
            except KeyRefused as error:
                if reads:
                    wanted = "a key that opens"
                    yield whole_backup_checks.about(
                        row, K.FILE_KEY_DAMAGED, file=file, expected=wanted, found=error.message
                    )
        yield ReadJob(
            file=file,
            size=item.size,
            file_id=row.file_id,
            domain=row.domain,
            path=row.relative_path,
            record=record,
            encrypted=encrypted,
            known=known,
            sha256=sha256,
            key=key,
            whole=reads,
            decrypt=self._level is Level.DEEP,
        )

    def _key_elsewhere(self, row: Row, file: str) -> Finding:
        """The finding for ciphertext without a key.

        A single one in a backup that does not mention encryption may also be a file that grew while the phone
        read it.
        """
        backup = self._backup
        grown = not (self.encrypted or backup.salvaged or backup.said_encrypted or backup.signs.mixed)
        told = whole_backup_checks.about(
            row,
            K.KEY_ELSEWHERE,
            file=file,
            expected="the plain file, or its key",
            found="encrypted content",
        )
        return replace(told, reason=Reason.SIZE) if grown else told

    def mixed_up(self) -> Iterator[Finding]:
        """What the files and the manifest together say about the backup; call it after the last row."""
        told = mixture.of(self._backup, plain=self._plain, locked=self._locked)
        if told is not None:
            severity = Severity.DAMAGE if self._locked else Severity.NOTE
            yield Finding(K.MIXED_UP, severity, told.file, expected="parts of one backup", found=told.text)

    def _count(self, size: int, *, only_presence: bool = False) -> None:
        self._summary.files += 1
        self._summary.bytes += size
        if not only_presence:
            self._summary.by_size += 1

    def _unnamed(self, file_id: str, item: FolderItem, *, in_sealed: bool, told: bool) -> Iterator[Step]:
        """A blob that no row names; without a manifest (``told`` is False) none is named."""
        file = self._path(file_id)
        if item.kind != "file":
            yield Finding(K.NOT_A_FILE, file=file, file_id=file_id, expected="a file", found=_ODD[item.kind])
            return
        if self._seal is not None and not in_sealed:
            wanted = "a line in the seal"
            yield Finding(K.NOT_SEALED, file=file, file_id=file_id, expected=wanted, found=_NOTHING)
            return
        if told:
            self._unlisted += 1
            wanted = "a row in the manifest"
            yield Finding(K.NOT_IN_MANIFEST, Severity.NOTE, file, file_id, expected=wanted, found=_NOTHING)
        elif self._seal is None and not self._backup.where.list_path:
            self._nameless += 1
        if self._seal is None:
            return
        known = self._flawed.get(file_id)
        self._told.add(file_id)
        job = ReadJob(
            file=file, size=item.size, file_id=file_id, known=known, sha256=self._sum(file, file_id)
        )
        if self._level is not Level.QUICK:
            yield job
            return
        self._count(item.size, only_presence=True)
        if known is not None:
            yield known_flaw(job, known)

    def _never_came(self) -> Iterator[Finding]:
        """Files that the phone could not read and that nothing else mentions."""
        for file_id in sorted(self._flawed.keys() - self._told):
            file = self._path(file_id)
            if self._seal is None or self._seal.get(file) is None:  # otherwise it is missing
                yield known_flaw(ReadJob(file, 0, file_id), self._flawed[file_id])

    def _others(self, tree: BlobTree) -> Iterator[Step]:
        """What is not a blob: the plists, the manifest, and what should not be there."""
        sealed: set[str] = set()
        if self._seal is not None:
            sealed = {path for path in self._seal.others if not (self._flat and FILE_ID.fullmatch(path))}
        left = {file for file in tree.others.keys() - sealed if _LEFT.fullmatch(file)}
        yield from self._lost_or_left(len(left))
        for file in sorted((sealed | tree.others.keys()) - left):
            item = tree.others.get(file) or tree.litter.get(file)
            if item is None and is_in_litter(file):
                continue  # sealed with the rest, and later removed by the program that left it there
            if item is None:
                yield Finding(K.MISSING, file=file, expected="a file, according to the seal", found=_NOTHING)
            elif item.kind != "file":
                yield Finding(K.NOT_A_FILE, file=file, expected="a file", found=_ODD[item.kind])
            elif file in sealed:
                if self._level is not Level.QUICK and self._seal is not None:
                    yield ReadJob(file=file, size=item.size, sha256=self._seal.get(file))
            elif self._seal is not None:
                yield Finding(K.NOT_SEALED, file=file, expected="a line in the seal", found=_NOTHING)
            elif file not in self._top and file != whole_backup_checks.looked_into(self._backup):
                wanted = "no such file in a backup"
                yield Finding(
                    K.NOT_IN_MANIFEST, Severity.NOTE, file, expected=wanted, found=bytes_text(item.size)
                )
        litter = sorted(tree.litter.keys() - sealed)
        if litter:
            count = f"{len(litter):,} files" if len(litter) > 1 else "a file"
            yield Finding(
                K.NOT_IN_MANIFEST,
                Severity.NOTE,
                litter[0],
                expected="no files of other programs",
                found=f"{count} from a NAS, a file manager or a sync program",
            )

    def _lost_or_left(self, left: int) -> Iterator[Finding]:
        """The phone's files that no manifest names: all files if it is lost, or those of an interrupted run."""
        if self._nameless:
            yield Finding(
                K.MANIFEST_DAMAGED,
                expected="a list of files that names them",
                found=(
                    f"{self._nameless:,} files of the phone; they are there, but their names are lost "
                    "with the list"
                ),
            )
        if left:
            finished = whole_backup_checks.is_finished(self._backup)
            files = "1 file" if left == 1 else f"{left:,} files"
            yield Finding(
                K.NOT_IN_MANIFEST,
                Severity.NOTE if finished else Severity.DAMAGE,
                UNDER_WAY,
                expected="files on the list",
                found=f"{files} left by an interrupted run, which the next run uses",
            )


def _flat_seal(seal: Seal) -> dict[str, set[str]]:
    """The blobs in the seal of a flat backup, by the first two digits of their ids."""
    found: dict[str, set[str]] = {}
    for path in seal.others:
        if FILE_ID.fullmatch(path):
            found.setdefault(path[:2], set()).add(path)
    return found


def much_unlisted(
    backup: Backup, listed: int, unlisted: int, severity: Severity = Severity.DAMAGE
) -> Iterator[Finding]:
    """A finding if so many stored files are unlisted that the manifest may belong to another backup."""
    if unlisted > max(_FEW, listed // 100):
        wanted = "files that the list of files names"
        found = (
            f"{unlisted:,} that it does not name: it may be from another backup, and a restore leaves "
            "these files out"
        )
        file = whole_backup_checks.manifest_name(backup)
        yield Finding(K.UNLISTED_CONTENT, severity, file, expected=wanted, found=found)
