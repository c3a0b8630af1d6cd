"""From the rows of a manifest, a seal and what lies on disk: what is wrong at once, and what must be read."""

from collections.abc import Iterator

from ibackup.confined import Item
from ibackup.manifest import checks, crypto
from ibackup.manifest.backup import DATABASE, INFO, LEGACY_DATABASE, MANIFEST, STATUS, Backup
from ibackup.manifest.examine import Job
from ibackup.manifest.findings import Finding, Level, Severity, Summary
from ibackup.manifest.findings import FindingKind as K
from ibackup.manifest.flaws import FormatError, KeyRefused
from ibackup.manifest.folderwise import Ordered, Scanned, flaw_of
from ibackup.manifest.mbfile import MBFile
from ibackup.manifest.rows import FILE_ID, BadRow, Kind, Row, Rows, blob_path
from ibackup.manifest.seal import Seal
from ibackup.manifest.tree import PREFIXES, Bucket, Tree, is_litter

Step = Job | Finding

_TOP = frozenset([INFO, STATUS, MANIFEST, DATABASE, LEGACY_DATABASE, "Manifest.mbdx"])
_DIGEST_BYTES = 20
_NOTHING = "nothing"
_ODD = {"directory": "a folder", "other": "a link or a device"}


class Plan:
    """The steps of one verification.

    Args:
        backup: what is verified.
        level: how far to go.
        summary: counts what needs no reading.
        seal: the backup's seal, if it has a good one.
        unreadable: fileIDs that the phone reported it could not read.
        encrypted: whether stored files are padded.

    Attributes:
        encrypted: see above.
        broken: after the last step, why the manifest's rows ended early, or never began; None when they did not.
    """

    def __init__(
        self,
        backup: Backup,
        level: Level,
        summary: Summary,
        *,
        seal: Seal | None = None,
        unreadable: frozenset[str] = frozenset(),
        encrypted: bool = False,
    ) -> None:
        self._backup = backup
        self._level = level
        self._summary = summary
        self._seal = seal
        self._unreadable = unreadable
        self.encrypted = encrypted
        self.broken: FormatError | None = None
        self._flat = backup.flat
        self._has_content = False  # as far as the steps have come
        # Of the folder that the rows are at:
        self._disk = Bucket()
        self._sealed: set[str] = set()
        self._named: set[str] = set()

    def steps(self, tree: Tree, rows: Rows | None) -> Iterator[Step]:
        """Everything, folder by folder, the plists and the manifest last."""
        ordered: Ordered | Scanned | None = None
        if rows is not None:
            # A Manifest.mbdb has no index and few rows.
            scans = self._level is Level.QUICK and not rows.flat
            ordered = Scanned(rows, self._is_good, encrypted=self.encrypted) if scans else Ordered(rows)
        for bad in ordered.scan() if ordered is not None else ():
            yield checks.bad_row(bad)
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
                ordered.skip(prefix)  # what is in there nobody can say; not that it is missing
        if ordered is not None:
            self.broken = flaw_of(ordered, has_content=self._has_content)
            self._summary.rows += ordered.count
        yield from self._others(tree)
        for folder, flaw in sorted(tree.unlisted.items()):
            yield Finding(K.UNREADABLE, file=folder, expected="a readable folder", found=flaw)

    def _bucket(self, prefix: str, ordered: Ordered | Scanned | None) -> Iterator[Step]:
        disk, sealed, named = self._disk, self._sealed, self._named
        for row in ordered.take(prefix) if ordered is not None else ():
            if isinstance(row, BadRow):
                yield checks.bad_row(row)
                continue
            if row.kind is Kind.FILE:
                named.add(row.file_id)
            item = disk.get(row.file_id)
            if self._seal is not None and item is not None and row.file_id not in sealed:
                file = blob_path(row.file_id, flat=self._flat)
                yield checks.about(
                    row, K.NOT_SEALED, file=file, expected="a line in the seal", found=_NOTHING
                )
            if not self.settles(row, item):
                yield from self.row(row, item)
        complete = ordered is not None and ordered.broken is None
        there = disk.ids()
        self._has_content = self._has_content or bool(there or sealed)
        for file_id in sorted(there - named):
            item = disk.get(file_id)
            if item is not None:
                yield from self._unnamed(file_id, item, in_sealed=file_id in sealed, told=complete)
        for file_id in sorted(sealed - there - named):
            path = blob_path(file_id, flat=self._flat)
            yield Finding(
                K.MISSING, file=path, file_id=file_id, expected="a file, by the seal", found=_NOTHING
            )

    def _is_good(self, file_id: str, stored: int) -> bool:
        """Whether a file is there as its row wants it; it is counted then. Asked a million times, so it is short."""
        if self._disk.sizes.get(file_id) != stored:
            return False
        if self._seal is not None and file_id not in self._sealed:
            return False
        self._named.add(file_id)
        self._count(stored)
        return True

    def settles(self, row: Row, item: Item | None) -> bool:
        """Whether a quick verification needs no more than a glance at a row; a good file is counted."""
        if self._level is not Level.QUICK or row.true_id != row.file_id:
            return False
        try:
            size, has_key = row.glance()
        except FormatError:
            return False
        if row.kind is not Kind.FILE:
            return True
        if item is None or item.kind != "file":
            return False
        if item.size != (crypto.stored_size(size, encrypted=True) if self.encrypted and has_key else size):
            return False
        self._count(item.size)
        return True

    def row(self, row: Row, item: Item | None) -> Iterator[Step]:
        """One row, with what stands in its file's place."""
        wrong = checks.wrong_id(row)
        if wrong is not None:
            yield wrong
            return
        record: MBFile | None = None
        try:
            record = row.record()
        except FormatError as error:
            yield checks.about(row, K.RECORD_UNREADABLE, expected="a readable record", found=error.flaw)
        if row.kind is not Kind.FILE:
            return
        file = blob_path(row.file_id, flat=self._flat)
        expected = None if record is None else self._stored_size(record, item)
        if item is None:
            wanted = "a file" if expected is None else _bytes(expected)
            known = row.file_id in self._unreadable
            yield checks.about(
                row,
                K.MISSING,
                file=file,
                expected=wanted,
                found="nothing: the phone could not read it" if known else _NOTHING,
                severity=Severity.NOTE if known else Severity.DAMAGE,
            )
        elif item.kind != "file":
            yield checks.about(row, K.NOT_A_FILE, file=file, expected="a file", found=_ODD[item.kind])
        else:
            yield from self._file(row, record, item, file, expected)

    def _file(
        self, row: Row, record: MBFile | None, item: Item, file: str, expected: int | None
    ) -> Iterator[Step]:
        sha256 = None
        if self._seal is not None:
            sha256 = self._seal.get(file)
        differs = expected is not None and expected != item.size
        if self._level is Level.QUICK and not differs:
            self._count(item.size)
            return
        key = None
        if record is not None and (differs or self._level is Level.DEEP):
            try:
                key = self._backup.file_key(record) if self.encrypted else None
            except KeyRefused as error:
                if self._level is Level.DEEP:
                    wanted = "a key that opens"
                    yield checks.about(
                        row, K.FILE_KEY_DAMAGED, file=file, expected=wanted, found=error.message
                    )
        # The seal vouches for what the phone sent; only the phone's own checksum says whether it would take it back.
        asked = sha256 is None or self._level is Level.DEEP
        digest = record.digest if record is not None and asked else None
        yield Job(
            file=file,
            size=item.size,
            file_id=row.file_id,
            domain=row.domain,
            path=row.relative_path,
            expected=expected,
            sha256=sha256,
            sha1=digest if digest is not None and len(digest) == _DIGEST_BYTES else None,
            key=key,
            whole=self._level is not Level.QUICK,
        )

    def _stored_size(self, record: MBFile, item: Item | None) -> int:
        padded = self.encrypted and record.encryption_key is not None
        if padded and not record.size and item is not None and not item.size:
            return 0  # an empty file may be stored without even its padding
        return crypto.stored_size(record.size, encrypted=padded)

    def _count(self, size: int, *, only_presence: bool = False) -> None:
        self._summary.files += 1
        self._summary.bytes += size
        if only_presence:
            self._summary.by_presence += 1
        else:
            self._summary.by_size += 1

    def _unnamed(self, file_id: str, item: Item, *, in_sealed: bool, told: bool) -> Iterator[Step]:
        """A blob that no row names; without a manifest (``told`` is False) none is named."""
        file = blob_path(file_id, flat=self._flat)
        if item.kind != "file":
            yield Finding(K.NOT_A_FILE, file=file, file_id=file_id, expected="a file", found=_ODD[item.kind])
            return
        if self._seal is not None and not in_sealed:
            wanted = "a line in the seal"
            yield Finding(K.NOT_SEALED, file=file, file_id=file_id, expected=wanted, found=_NOTHING)
            return
        if told:
            wanted = "a row in the manifest"
            yield Finding(K.NOT_IN_MANIFEST, Severity.NOTE, file, file_id, expected=wanted, found=_NOTHING)
        if self._seal is None:
            return
        if self._level is Level.QUICK:
            self._count(item.size, only_presence=True)
        else:
            yield Job(file=file, size=item.size, file_id=file_id, sha256=self._seal.get(file))

    def _others(self, tree: Tree) -> Iterator[Step]:
        """What is no blob: the plists, the manifest, and what should not be there."""
        sealed: set[str] = set()
        if self._seal is not None:
            sealed = {path for path in self._seal.others if not (self._flat and FILE_ID.fullmatch(path))}
        for file in sorted(sealed | tree.others.keys()):
            item = tree.others.get(file)
            if item is None:
                yield Finding(K.MISSING, file=file, expected="a file, by the seal", found=_NOTHING)
            elif item.kind != "file":
                yield Finding(K.NOT_A_FILE, file=file, expected="a file", found=_ODD[item.kind])
            elif file in sealed:
                if self._level is not Level.QUICK and self._seal is not None:
                    yield Job(file=file, size=item.size, sha256=self._seal.get(file))
            elif self._seal is not None and not is_litter(file.rpartition("/")[2]):
                yield Finding(K.NOT_SEALED, file=file, expected="a line in the seal", found=_NOTHING)
            elif file not in _TOP:
                wanted = "no such file in a backup"
                yield Finding(
                    K.NOT_IN_MANIFEST, Severity.NOTE, file, expected=wanted, found=_bytes(item.size)
                )


def _bytes(size: int) -> str:
    return f"{size:,} bytes" if size != 1 else "1 byte"


def _flat_seal(seal: Seal) -> dict[str, set[str]]:
    """The blobs of a seal over a flat backup, by the first two digits of their ids."""
    found: dict[str, set[str]] = {}
    for path in seal.others:
        if FILE_ID.fullmatch(path):
            found.setdefault(path[:2], set()).add(path)
    return found
