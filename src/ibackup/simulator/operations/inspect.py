"""The Info and List requests: text about a backup, made on the phone."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime

from ibackup.simulator.content import FILE
from ibackup.simulator.mbfile_records import archived, data, number
from ibackup.simulator.operations.operation_session import MBError, Session
from ibackup.simulator.operations.stored import StoredBackup, Unusable, open_backup, read_status
from ibackup.simulator.written_manifest_db import WrittenRow

_HEADER = (
    "ID, Digest, Mode, Inode, UID, GID, Last modified, Last status change, Birth, Size, Class, Domain, "
    "Relative path, Target, Extended attributes"
)


def info(session: Session, source: str, password: str | None) -> str:
    """The answer to the Info request: the state of a backup, and how much is in each domain.

    Raises:
        MBError: 205, it cannot be read; 207, the password is wrong.
    """
    status = read_status(session, source)
    if status is None:
        raise MBError(205, "Error reading backup status")
    try:
        with open_backup(session, source, password) as stored:
            lines = [
                f"Status: backupState={status.backup_state} snapshotState={status.snapshot_state}",
                f"        fullBackup={int(status.full)} version={status.version} uuid={status.uuid}",
                f"Properties: version={stored.plist.rest.get('Version')}",
                f"        encrypted={int(stored.plist.encrypted)}",
                "",
                *_domains(stored),
            ]
    except (Unusable, ValueError) as error:
        raise MBError(205, f"Error reading backup properties: {error}") from error
    return "\n".join(lines) + "\n"


def _domains(stored: StoredBackup) -> list[str]:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for row in stored.manifest.rows():
        counts[row.domain] += 1
        sizes[row.domain] += _number(archived(row.record), "Size")
    table = [f"  {counts[domain]:4d} {sizes[domain]:10d} {domain}" for domain in sorted(counts)]
    total = f"  {counts.total():4d} {sizes.total():10d} Total"
    return [" Count   Size (B) Domain name", *table, total]


def listing(session: Session, source: str, password: str | None) -> str:
    """The answer to the List request: every file of a backup, as CSV.

    Raises:
        MBError: 205, it cannot be read; 207, the password is wrong.
    """
    text = io.StringIO()
    text.write(_HEADER + "\n")
    rows = csv.writer(text, lineterminator="\n")
    try:
        with open_backup(session, source, password) as stored:
            for row in stored.manifest.rows():
                rows.writerow(_columns(row))
    except (Unusable, ValueError) as error:
        raise MBError(205, f"Error reading backup properties: {error}") from error
    return text.getvalue()


def _columns(row: WrittenRow) -> list[object]:
    fields = archived(row.record)
    digest = data(fields, "Digest") if row.kind == FILE else None
    return [
        row.file_id,
        digest.hex() if digest else "",
        f"{_number(fields, 'Mode'):o}",
        *(_number(fields, name) for name in ("InodeNumber", "UserID", "GroupID")),
        *(_time(_number(fields, name)) for name in ("LastModified", "LastStatusChange", "Birth")),
        _number(fields, "Size"),
        _number(fields, "ProtectionClass"),
        row.domain,
        row.path,
        fields.get("Target", ""),
        "yes" if data(fields, "ExtendedAttributes") else "",
    ]


def _number(fields: dict[str, object], name: str) -> int:
    try:
        return number(fields, name)
    except ValueError:
        return 0


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
