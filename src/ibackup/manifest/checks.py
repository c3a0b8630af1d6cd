"""What can be said of a backup without reading its files: plists, the manifest as a whole, single rows."""

from collections.abc import Iterator
from itertools import islice

from ibackup.manifest.backup import DATABASE, INFO, LEGACY_DATABASE, MANIFEST, STATUS, Backup
from ibackup.manifest.database import MAX_FLAWS
from ibackup.manifest.findings import Finding, Severity
from ibackup.manifest.findings import FindingKind as K
from ibackup.manifest.flaws import FormatError, KeyRefused
from ibackup.manifest.rows import BadRow, Kind, Row, Rows, file_id_of


def check_plists(backup: Backup) -> Iterator[Finding]:
    """The three plists: readable, finished, of one phone."""
    info = manifest = None
    try:
        info = backup.info
    except FormatError as error:
        yield _unreadable_plist(INFO, error)
    try:
        status = backup.status
        if not status.is_finished:
            found = f"{status.snapshot_state}, {status.backup_state or 'no state'}"
            yield Finding(K.NOT_FINISHED, file=STATUS, expected="finished, new", found=found)
    except FormatError as error:
        yield _unreadable_plist(STATUS, error)
    try:
        manifest = backup.manifest
    except FormatError as error:
        yield _unreadable_plist(MANIFEST, error)
    if info is None or manifest is None:
        return
    pairs = (
        ("identifier", info.target_identifier or info.unique_identifier, manifest.lockdown.unique_device_id),
        ("serial number", info.serial_number, manifest.lockdown.serial_number),
    )
    for name, theirs, ours in pairs:
        if theirs and ours and theirs.casefold() != ours.casefold():
            expected, found = f"{name} {ours} as in {MANIFEST}", f"{name} {theirs}"
            yield Finding(K.PLISTS_DISAGREE, file=INFO, expected=expected, found=found)


def _unreadable_plist(name: str, error: FormatError) -> Finding:
    return Finding(K.PLIST_UNREADABLE, file=name, expected="a readable property list", found=error.flaw)


def manifest_name(backup: Backup) -> str:
    """The file that the manifest lies in."""
    return LEGACY_DATABASE if backup.flat else DATABASE


def manifest_damaged(backup: Backup, error: FormatError | KeyRefused) -> Finding:
    """The finding for a manifest that cannot be read."""
    return Finding(
        K.MANIFEST_DAMAGED,
        file=manifest_name(backup),
        expected="a readable manifest",
        found=error.flaw if isinstance(error, FormatError) else error.message,
    )


def check_soundness(backup: Backup, rows: Rows) -> Iterator[Finding]:
    """SQLite's own integrity check: at most one finding, with the first flaw and how many there are."""
    flaws = list(islice(rows.flaws(), MAX_FLAWS))
    if flaws:
        more = f" and {len(flaws) - 1} more flaws" if len(flaws) > 1 else ""
        name = manifest_name(backup)
        yield Finding(K.MANIFEST_DAMAGED, file=name, expected="a sound database", found=flaws[0] + more)


def bad_row(row: BadRow) -> Finding:
    """The finding for a row that cannot be used."""
    return Finding(
        K.ROW_UNUSABLE,
        file_id=row.file_id,
        domain=row.domain,
        path=row.relative_path,
        expected="a row that names a file, folder or link",
        found=row.flaw,
    )


def wrong_id(row: Row) -> Finding | None:
    """The finding for a row whose fileID is not the checksum of its domain and path."""
    wanted = file_id_of(row.domain, row.relative_path)
    if wanted == row.file_id:
        return None
    return about(row, K.WRONG_FILE_ID, expected=wanted, found=row.file_id)


def about(
    row: Row,
    kind: K,
    *,
    file: str = "",
    expected: str = "",
    found: str = "",
    severity: Severity = Severity.DAMAGE,
) -> Finding:
    """A finding about a row's file."""
    return Finding(kind, severity, file, row.file_id, row.domain, row.relative_path, expected, found)


def is_file(row: Row) -> bool:
    """Whether a row's content lies in the backup."""
    return row.kind is Kind.FILE
