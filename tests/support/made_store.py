"""A store whose snapshots are records alone: for what looks at records, however large the backups say they are."""

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ibackup.store.disk.record_times import as_id
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot, SnapshotMeta
from ibackup.store.store import Store

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
ANN = "00008101-000A0B0C0D0E0F01"
BOB = "00008101-001F0B0C0D0E0F02"


def make_store(folder: Path) -> Store:
    """An empty store that is known to nobody."""
    folder.mkdir()
    (folder / "store.json").write_text(json.dumps({"schema": 1, "id": "made"}), encoding="utf-8")
    os.chmod(folder, 0o700)
    return Store.open(folder, create=False)


def add_snapshot(
    store: Store, udid: str, age: timedelta, *, now: datetime = NOW, name: str = "Ann", **changes: object
) -> Snapshot:
    """A snapshot of 300,000 files whose data is so old."""
    folder = PhoneFolder(os.path.join(store.path, udid))
    folder.make()
    started = now - age
    ident = as_id(started)
    path = Path(folder.snapshots_path) / ident
    path.mkdir(mode=0o700)
    meta = SnapshotMeta(
        udid=udid,
        device_name=name,
        product_type="iPhone13,2",
        ios_version="18.6.2",
        started=started,
        finished=started,
        data_from=started,
        full=False,
        encrypted=True,
        checked="manifest",
        received_bytes=10**9,
        tool="ibackup 0.1.0",
        sequence=len(list(path.parent.iterdir())),
        files=300_000,
        bytes=61 * 10**9,
        carried_files=299_000,
        seal=hashlib.sha256(b"").hexdigest(),
    )
    record = replace(meta, **changes).to_record()  # type: ignore[arg-type]  # whatever a test wants
    (path / "snapshot.json").write_bytes(record.render())
    (path / "SHA256SUMS").write_bytes(b"")
    return Snapshot.open(str(path))
