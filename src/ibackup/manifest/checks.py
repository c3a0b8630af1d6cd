"""What can be said of a backup without reading its files: plists, the manifest as a whole, single rows."""

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Self

from ibackup.manifest.backup import DATABASE, INFO, LEGACY_DATABASE, MANIFEST, STATUS, Backup
from ibackup.manifest.database import MAX_FLAWS
from ibackup.manifest.findings import Finding, Severity
from ibackup.manifest.findings import FindingKind as K
from ibackup.manifest.flaws import FormatError, KeyRefused
from ibackup.manifest.plists import StatusPlist
from ibackup.manifest.rows import BadRow, Row, Rows


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
            found = f"{status.snapshot_state}, {status.backup_state or 'no state'}{_meaning(status)}"
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
        if theirs and ours and _plain(theirs) != _plain(ours):
            expected, found = f"{name} {ours} as in {MANIFEST}", f"{name} {theirs}"
            yield Finding(K.PLISTS_DISAGREE, file=INFO, expected=expected, found=found)


def _meaning(status: StatusPlist) -> str:
    """What the state of an unfinished backup means for its owner."""
    match status.snapshot_state, status.backup_state:
        case "uploading", "old":
            return ": a newer backup broke off while it was sent, and the one before it is still in place"
        case "uploading", _:
            return ": the first backup broke off while it was sent, and cannot be restored"
        case "moving", _:
            return ": all was sent, but not yet put into its place"
        case "removing", _:
            return ": all is in its place, but what is no longer needed was not removed"
    return ""


def _plain(name: str) -> str:
    """An identifier as all programs spell it: some leave out a UDID's dash, or use capitals."""
    return name.replace("-", "").casefold()


def _unreadable_plist(name: str, error: FormatError) -> Finding:
    return Finding(K.PLIST_UNREADABLE, file=name, expected="a readable property list", found=error.flaw)


def keybag_damaged(backup: Backup) -> Finding | None:
    """The finding for a keybag that cannot be read; not for a Manifest.plist that cannot, which has one of its own."""
    try:
        _ = backup.keybag
    except FormatError as error:
        if error.part != MANIFEST:
            return Finding(K.KEYBAG_DAMAGED, file=MANIFEST, expected="a readable keybag", found=error.flaw)
    return None


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


class Soundness:
    """The manifest's integrity check; it takes as long as reading all rows, so it runs beside that if it can.

    Args:
        backup: for the finding.
        rows: its manifest.
    """

    def __init__(self, backup: Backup, rows: Rows) -> None:
        self._backup = backup
        self._flaws: list[str] = []
        self._other: Rows | None = None
        self._thread: threading.Thread | None = None
        try:
            self._other = rows.another()
        except FormatError as error:
            self._flaws = [error.flaw]
            return
        if self._other is None:
            self._look(rows)
            return
        self._thread = threading.Thread(target=self._look, args=(self._other,), name="integrity")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._thread is not None and self._other is not None:
            while self._thread.is_alive():
                self._other.interrupt()  # again and again: it may not have begun yet
                self._thread.join(0.05)
        if self._other is not None:
            self._other.close()

    def finding(self) -> Finding | None:
        """At most one, with the first flaw and how many there are; waits for the end of the check."""
        if self._thread is not None:
            self._thread.join()
        if not self._flaws:
            return None
        more = f" and {len(self._flaws) - 1} more flaws" if len(self._flaws) > 1 else ""
        found = self._flaws[0] + more
        return Finding(
            K.MANIFEST_DAMAGED, file=manifest_name(self._backup), expected="a sound database", found=found
        )

    def _look(self, rows: Rows) -> None:
        self._flaws = list(islice(rows.flaws(), MAX_FLAWS))


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
    if row.true_id == row.file_id:
        return None
    return about(row, K.WRONG_FILE_ID, expected=row.true_id, found=row.file_id)


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
