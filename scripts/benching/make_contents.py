"""Write a plain backup folder with a large photo library or address book; run as a program.

make_contents.py photos FOLDER COUNT      a library of COUNT pictures in 200 albums; the pictures are only listed
make_contents.py contacts FOLDER COUNT    COUNT people, each with numbers, addresses and a picture
"""

import sys
from collections.abc import Callable, Iterator

from benching.plain_backup import PlainBackup

from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life import contacts_db, photos_db

_ALBUMS = 200


def photos(folder: str, count: int) -> None:
    """A library that holds what phones have: folders of a thousand, some in iCloud, albums that overlap."""
    assets = tuple(_assets(count))
    albums = tuple(
        photos_db.MadeAlbum(
            pk=number + 2,
            title=f"Album {number}",
            members=tuple(range(1 + number, count + 1, _ALBUMS // 2)),
        )
        for number in range(_ALBUMS)
    )
    backup = PlainBackup(folder)
    for asset in assets:
        for path in asset.files:
            backup.list_only(photos_db.DOMAIN, f"Media/{path}")
    backup.add(photos_db.DOMAIN, photos_db.LIBRARY, photos_db.library(assets, albums, ios=18))
    backup.finish()


def _assets(count: int) -> Iterator[photos_db.MadeAsset]:
    for number in range(1, count + 1):
        place = f"DCIM/{100 + number // 1000}APPLE"
        name = f"IMG_{number % 10_000:04}.HEIC"
        in_cloud = number % 5 == 0
        thumbnail = f"PhotoData/Thumbnails/V2/{place}/{name}/5005.JPG"
        yield photos_db.MadeAsset(
            case="",
            name=name,
            folder=place,
            pk=number,
            columns={"ZCLOUDPLACEHOLDERKIND": 3 if in_cloud else 0, "ZLATITUDE": 48.1, "ZLONGITUDE": 11.6},
            attributes={"ZTIMEZONEOFFSET": 3600},
            files=(thumbnail,) if in_cloud else (f"{place}/{name}", thumbnail),
        )


def contacts(folder: str, count: int) -> None:
    """An address book."""
    people = tuple(
        contacts_db.MadeContact(
            case=f"{number:08}",
            columns={"First": f"First{number}", "Last": f"Last{number % 700}", "Note": "Met in Malmö. " * 5},
            values=(
                contacts_db.MadeValue(contacts_db.PHONE, contacts_db.MOBILE, f"+4917{number:08}"),
                contacts_db.MadeValue(contacts_db.PHONE, contacts_db.HOME, f"089 {number:06}"),
                contacts_db.MadeValue(contacts_db.MAIL, contacts_db.WORK, f"p{number}@example.org"),
            ),
            picture=mosaic(str(number))[0],
        )
        for number in range(count)
    )
    backup = PlainBackup(folder)
    for file in contacts_db.address_book(people):
        backup.add(file.domain, file.path, file.data)
    backup.finish()


KINDS: dict[str, Callable[[str, int], None]] = {"photos": photos, "contacts": contacts}

if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
