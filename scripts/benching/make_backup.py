"""Write a plain backup folder of many empty files, faster than a backup would be; run as a program.

make_backup.py FOLDER COUNT             records as phones lay them out
make_backup.py FOLDER COUNT shuffled    each record with its keys in an order of its own
"""

import os
import plistlib
import random
import sys
from dataclasses import replace

from benching.plain_backup import write_plists

from ibackup.simulator.content import FILE
from ibackup.simulator.operations.uploading import record_of, row_of
from ibackup.simulator.spec import DomainSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.written_manifest_db import ManifestWriter


def make(folder: str, count: int, *, shuffled: bool = False) -> None:
    """A finished, unencrypted backup whose files have no bytes, so that only the manifest costs anything."""
    phone = VirtualPhone(
        PhoneSpec(domains=(DomainSpec(name="AppDomain-org.example", count=count, max_size=0),))
    )
    for number in range(256):
        os.makedirs(os.path.join(folder, f"{number:02x}"))
    rng = random.Random(1)
    writer = ManifestWriter(os.path.join(folder, "Manifest.db"))
    for entry in phone.files.entries(encrypted=False):
        row = row_of(entry, record_of(entry))
        if shuffled:
            row = replace(row, record=_shuffled(row.record, rng))
        writer.add(row)
        if entry.kind == FILE:
            path = os.path.join(folder, row.file_id[:2], row.file_id)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    writer.finish({})
    write_plists(folder, phone)


def _shuffled(record: bytes, rng: random.Random) -> bytes:
    archive = plistlib.loads(record)
    objects = archive["$objects"]
    number = archive["$top"]["root"].data
    objects[number] = dict(rng.sample(list(objects[number].items()), len(objects[number])))
    return plistlib.dumps(archive, fmt=plistlib.FMT_BINARY, sort_keys=False)


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), shuffled=sys.argv[3:] == ["shuffled"])
