"""Write a store of many snapshots of a large plain backup; run as a program.

make_view_store.py STORE SNAPSHOTS FILES PHOTOS MESSAGES

The newest snapshot has every file. The ones before share its lists, databases and plists by hard links, and list a few
photos that the newest does not have any more. Sums are not real: pages do not read them.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta

from benching.make_messages import write_messages
from benching.plain_backup import PlainBackup

from ibackup.apple.file_ids import file_id_of
from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life import photos_db
from ibackup.simulator.life.messages_db import MESSAGES_PATH
from ibackup.simulator.spec import PhoneSpec
from ibackup.store.disk.record_times import as_id
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, SnapshotMeta

_FIRST = datetime(2026, 9, 1, 21, 0, tzinfo=UTC)
_GONE = 40
"""Photos that only older snapshots list."""
_IN_ONE_TALK = 5
"""One message in so many is in the longest conversation."""
_PICTURES = 64
"""So many different thumbnails there are; all others are links to them."""


def make(store: str, snapshots: int, files: int, photos: int, messages: int) -> None:
    """The store; its folder must not exist before."""
    os.makedirs(store, mode=0o700)
    with open(os.path.join(store, "store.json"), "w", encoding="utf-8") as record:
        json.dump({"schema": 1, "id": "view-bench"}, record)
    spec = PhoneSpec(name="Ann's iPhone")
    snapshots_folder = os.path.join(store, spec.udid, "snapshots")
    os.makedirs(snapshots_folder, mode=0o700)
    os.makedirs(os.path.join(store, spec.udid, "proofs"), mode=0o700)
    newest = os.path.join(snapshots_folder, as_id(_FIRST + timedelta(days=snapshots - 1)))
    os.makedirs(newest)
    backup = os.path.join(newest, spec.udid)
    _backup(backup, files, photos, messages)
    older = os.path.join(store, "older.db")
    shutil.copyfile(os.path.join(backup, "Manifest.db"), older)
    with closing(sqlite3.connect(os.path.join(backup, "Manifest.db"))) as manifest:
        for number in range(1, min(_GONE, photos) + 1):
            place = f"Media/{_place(number)}/{_name(number)}"
            manifest.execute("DELETE FROM Files WHERE fileID = ?", (file_id_of(photos_db.DOMAIN, place),))
        manifest.commit()
    shared = ["Info.plist", "Manifest.plist", "Status.plist"]
    ids = [file_id_of(*MESSAGES_PATH), file_id_of(photos_db.DOMAIN, photos_db.LIBRARY)]
    shared += [f"{each[:2]}/{each}" for each in ids]
    for number in range(snapshots):
        when = _FIRST + timedelta(days=number)
        folder = os.path.join(snapshots_folder, as_id(when))
        if folder != newest:
            for path in shared:
                os.makedirs(os.path.dirname(os.path.join(folder, spec.udid, path)), exist_ok=True)
                os.link(os.path.join(backup, path), os.path.join(folder, spec.udid, path))
            os.link(older, os.path.join(folder, spec.udid, "Manifest.db"))
        _record(folder, spec, when, number + 1, files)
    os.unlink(older)


def _backup(folder: str, files: int, photos: int, messages: int) -> None:
    assets = tuple(_asset(number) for number in range(1, photos + 1))
    backup = PlainBackup(folder)
    pictures: list[str] = []
    for number, asset in enumerate(assets):
        small, *whole = reversed(asset.files)
        for path in whole:
            backup.list_only(photos_db.DOMAIN, f"Media/{path}")
        if number < _PICTURES:
            pictures.append(backup.add(photos_db.DOMAIN, f"Media/{small}", mosaic(str(number))[0]))
        else:
            backup.link(photos_db.DOMAIN, f"Media/{small}", pictures[number % _PICTURES])
    albums = tuple(
        photos_db.MadeAlbum(
            pk=number + 2, title=f"Album {number}", members=tuple(range(1 + number, photos + 1, 50))
        )
        for number in range(min(50, photos))
    )
    backup.add(photos_db.DOMAIN, photos_db.LIBRARY, photos_db.library(assets, albums, ios=18))
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as scratch:
        path = os.path.join(scratch, "sms.db")
        write_messages(path, messages, 0, longest=messages // _IN_ONE_TALK)
        backup.take(*MESSAGES_PATH, path)
    for number in range(max(0, files - 2 * photos)):
        backup.list_only(
            f"AppDomain-org.example.app{number % 90}", f"Documents/{number % 700}/{number:07}.dat"
        )
    backup.finish()


def _place(number: int) -> str:
    return f"DCIM/{100 + number // 1000}APPLE"


def _name(number: int) -> str:
    return f"IMG_{number % 10_000:04}.HEIC"


def _asset(number: int) -> photos_db.MadeAsset:
    place, name = _place(number), _name(number)
    return photos_db.MadeAsset(
        case="",
        name=name,
        folder=place,
        pk=number,
        columns={"ZDATECREATED": 600_000_000 + number * 3_000, "ZFAVORITE": int(number % 50 == 0)},
        attributes={"ZTIMEZONEOFFSET": 3600},
        files=(f"{place}/{name}", f"PhotoData/Thumbnails/V2/{place}/{name}/5005.JPG"),
    )


def _record(folder: str, spec: PhoneSpec, when: datetime, sequence: int, files: int) -> None:
    sums = b""
    with open(os.path.join(folder, SEAL_NAME), "wb") as seal:
        seal.write(sums)
    meta = SnapshotMeta(
        udid=spec.udid,
        device_name=spec.name,
        product_type=spec.product_type,
        ios_version=spec.ios_version,
        started=when,
        finished=when,
        data_from=when,
        full=sequence == 1,
        encrypted=False,
        checked="manifest",
        received_bytes=10**9,
        tool="ibackup 0.1.0",
        sequence=sequence,
        files=files,
        bytes=61 * 10**9,
        carried_files=files - 100,
        seal=hashlib.sha256(sums).hexdigest(),
    )
    with open(os.path.join(folder, META_NAME), "wb") as record:
        record.write(meta.to_record().render())


if __name__ == "__main__":
    make(sys.argv[1], *(int(each) for each in sys.argv[2:]))
