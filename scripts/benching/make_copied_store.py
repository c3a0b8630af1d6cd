"""Write a store with two snapshots of the same small files, of which nothing changed in between; run as a program.

make_copied_store.py STORE FILES BYTES    BYTES: how large each file is
"""

import hashlib
import json
import os
import random
import sys
from datetime import UTC, datetime, timedelta

from ibackup.simulator.spec import PhoneSpec
from ibackup.store.disk.record_times import as_id
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, SnapshotMeta

_FIRST = datetime(2026, 9, 1, 21, 0, tzinfo=UTC)


def make(store: str, files: int, size: int) -> None:
    """The store; its folder must not exist before. The second snapshot is put aside, into ``store``.later."""
    spec = PhoneSpec()
    snapshots = os.path.join(store, spec.udid, "snapshots")
    os.makedirs(snapshots, mode=0o700)
    with open(os.path.join(store, "store.json"), "w", encoding="utf-8") as record:
        json.dump({"schema": 1, "id": "copy-bench"}, record)
    first = os.path.join(snapshots, as_id(_FIRST))
    later = f"{store}.later/{as_id(_FIRST + timedelta(days=1))}"
    for folder in (first, later):
        for number in range(256):
            os.makedirs(os.path.join(folder, spec.udid, f"{number:02x}"))
    rng = random.Random(1)
    lines: list[tuple[str, str]] = []
    for number in range(files):
        data = rng.randbytes(size)
        name = hashlib.sha1(b"%d" % number).hexdigest()
        path = f"{spec.udid}/{name[:2]}/{name}"
        with open(os.path.join(first, path), "xb") as file:
            file.write(data)
        os.link(os.path.join(first, path), os.path.join(later, path))
        lines.append((path, hashlib.sha256(data).hexdigest()))
    seal = "".join(f"{digest}  {path}\n" for path, digest in sorted(lines)).encode()
    for sequence, folder in enumerate((first, later)):
        with open(os.path.join(folder, SEAL_NAME), "wb") as file:
            file.write(seal)
        when = _FIRST + timedelta(days=sequence)
        meta = SnapshotMeta(
            udid=spec.udid,
            device_name=spec.name,
            product_type=spec.product_type,
            ios_version=spec.ios_version,
            started=when,
            finished=when,
            data_from=when,
            full=not sequence,
            encrypted=False,
            checked="manifest",
            received_bytes=0,
            tool="ibackup 0.1.0",
            sequence=sequence + 1,
            files=files,
            bytes=files * size,
            carried_files=files * sequence,
            seal=hashlib.sha256(seal).hexdigest(),
        )
        with open(os.path.join(folder, META_NAME), "wb") as file:
            file.write(meta.to_record().render())


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
