"""What can be said about a backup without reading its files: plists, the manifest as a whole, single rows."""

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Self

from ibackup.apple.backup import DATABASE, INFO, MANIFEST, STATUS, Backup
from ibackup.apple.format_errors import FormatError, KeyRefused, OfAnother
from ibackup.apple.found_folders import UNDER_WAY
from ibackup.apple.manifest_db import MAX_FLAWS
from ibackup.apple.plists import StatusPlist
from ibackup.apple.rows import BadRow, Row, Rows
from ibackup.apple.verify.findings import Finding, Severity
from ibackup.apple.verify.findings import FindingKind as K
from ibackup.base import slices
from ibackup.base.udids import same_udid


def check_plists(backup: Backup) -> Iterator[Finding]:
    """The three plists: readable, finished, from one phone."""
    info = manifest = None
    try:
        info = backup.info
    except FormatError as error:
        # The computer writes it: no data of the phone is lost with it.
        found = f"{error.flaw}; no data is lost with it"
        yield Finding(
            K.PLIST_UNREADABLE, Severity.NOTE, INFO, expected="a readable property list", found=found
        )
    try:
        status = backup.status
        if not status.is_finished:
            found = f"{status.snapshot_state}, {status.backup_state or 'no state'}{_meaning(status)}"
            if backup.where.list_under_way:
                found += f"; the list of files is in {UNDER_WAY}/, and is read from there"
            yield Finding(K.NOT_FINISHED, file=STATUS, expected="finished, new", found=found)
    except FormatError as error:
        found = f"{error.flaw}; it contains only the state of the run, and no file is lost with it"
        yield Finding(K.PLIST_UNREADABLE, file=STATUS, expected="a readable property list", found=found)
    try:
        manifest = backup.manifest
    except FormatError as error:
        needed = (
            "" if backup.has_plain_list else "; the keys are in it: no encrypted file can be read without it"
        )
        found = f"{error.flaw}{needed}"
        yield Finding(K.PLIST_UNREADABLE, file=MANIFEST, expected="a readable property list", found=found)
    if backup.where.list_under_way and is_finished(backup):
        found = f"missing; it is in {UNDER_WAY}/, and is read from there"
        yield Finding(K.NOT_FINISHED, file=DATABASE, expected="the list of files", found=found)
    if backup.rearranged is not None:
        found = f"they {backup.rearranged.what}; ibackup reads them where they are"
        yield Finding(K.REARRANGED, expected="files where a phone stores them", found=found)
    if looked_into(backup):
        found = "changes that another program made to the list of files; they are ignored"
        yield Finding(
            K.NOT_IN_MANIFEST,
            Severity.NOTE,
            looked_into(backup),
            expected="no such file in a backup",
            found=found,
        )
    if info is None or manifest is None:
        return
    pairs = (
        ("identifier", info.target_identifier or info.unique_identifier, manifest.lockdown.unique_device_id),
        ("serial number", info.serial_number, manifest.lockdown.serial_number),
    )
    for name, theirs, ours in pairs:
        if theirs and ours and not same_udid(theirs, ours):
            expected, found = f"{name} {ours} as in {MANIFEST}", f"{name} {theirs}"
            yield Finding(K.PLISTS_DISAGREE, file=INFO, expected=expected, found=found)


def looked_into(backup: Backup) -> str:
    """The file in which another program left changes to the manifest, which are ignored; empty if there is none.

    SQLite creates it if someone opens the manifest in a database browser.
    """
    names = (f"{backup.list_name}{ending}" for ending in ("-wal", "-journal"))
    return next((name for name in names if backup.stored_bytes(name)), "")


def caution(backup: Backup) -> str:
    """What every reader of the manifest should know; empty if there is nothing."""
    name = looked_into(backup)
    what = "changes that another program made to the list of files; they are ignored"
    return f"{name} contains {what}." if name else ""


def is_finished(backup: Backup) -> bool:
    """Whether its Status.plist is readable and says that the backup was finished."""
    try:
        return backup.status.is_finished
    except FormatError:
        return False


def _meaning(status: StatusPlist) -> str:
    """What the state of an unfinished backup means for its owner."""
    match status.snapshot_state, status.backup_state:
        case "uploading", "old":
            return (
                ": a newer backup was interrupted during the transfer, and the previous one is still in place"
            )
        case "uploading", _:
            return ": the first backup was interrupted during the transfer, and cannot be restored"
        case "moving", _:
            return (
                ": the run was cancelled while it moved files: everything was sent, but not yet put in place"
            )
        case "removing", _:
            return ": everything is in place, but what is no longer needed was not removed"
    return ""


def keybag_damaged(backup: Backup) -> Finding | None:
    """The finding for a damaged keybag; an unreadable Manifest.plist has its own finding."""
    try:
        _ = backup.keybag
    except FormatError as error:
        if error.part != MANIFEST:
            return Finding(K.KEYBAG_DAMAGED, file=MANIFEST, expected="a readable keybag", found=error.flaw)
    return None


def manifest_name(backup: Backup) -> str:
    """The file that contains the manifest."""
    return backup.list_name


def manifest_damaged(backup: Backup, error: FormatError | KeyRefused) -> Finding:
    """The finding for a manifest that cannot be read."""
    return Finding(
        K.MIXED_UP if isinstance(error, OfAnother) else K.MANIFEST_DAMAGED,
        file=manifest_name(backup),
        expected="a readable manifest",
        found=error.flaw if isinstance(error, FormatError) else error.message,
    )


class Soundness:
    """The manifest's integrity check; it takes as long as reading all rows, so it runs in parallel if it can.

    Args:
        backup: the backup, for the finding.
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
                self._other.interrupt()  # repeatedly, because it may not have begun yet
                self._thread.join(0.05)
        if self._other is not None:
            self._other.close()

    def finding(self) -> Finding | None:
        """At most one finding, with the first flaw and the number of flaws; waits for the end of the check."""
        if self._thread is not None:
            slices.join(self._thread)
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
