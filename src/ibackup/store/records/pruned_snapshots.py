"""Which snapshots the rules have removed: ``proofs/pruned.json``.

A second copy may remove such a snapshot too. One that is gone here for any other reason may exist only there.
"""

import os

from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

SCHEMA = 1
_NAME = "pruned.json"
_MOST = 5000  # one a night is enough for 13 years


def read(proofs_path: str) -> frozenset[str]:
    """The ids of the removed snapshots; a missing or damaged file counts as none."""
    try:
        return frozenset(JsonRecord.read(os.path.join(proofs_path, _NAME)).texts("pruned"))
    except (OSError, RecordFlaw):
        return frozenset()


def add(proofs_path: str, snapshot_id: str) -> None:
    """Note that a snapshot was removed by the rules. Raises IbackupError."""
    _write(proofs_path, read(proofs_path) | {snapshot_id})


def discard(proofs_path: str, snapshot_id: str) -> None:
    """Forget that a snapshot was removed, when it is in the store again. Raises IbackupError."""
    known = read(proofs_path)
    if snapshot_id in known:
        _write(proofs_path, known - {snapshot_id})


def _write(proofs_path: str, ids: frozenset[str]) -> None:
    known = sorted(each for each in ids if record_times.is_id(each))
    with telling("ibackup could not record that the snapshot was removed."):
        durable.make_dir(proofs_path)
        record = JsonRecord({"schema": SCHEMA, "pruned": known[-_MOST:]})
        durable.write_file(os.path.join(proofs_path, _NAME), record.render())
