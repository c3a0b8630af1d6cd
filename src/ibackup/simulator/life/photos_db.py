"""A photo library made by code: `Photos.sqlite` and the files it names, with what a correct reader says of each.

Real libraries cannot be had publicly. The tables and columns are those that several readers of real ones agree on; the
names of the join tables of iOS 18 and 26 come from macOS, whose model is the same (unconfirmed on a phone).
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp

DOMAIN = "CameraRollDomain"
LIBRARY = "Media/PhotoData/Photos.sqlite"
MARKER = "Media/PhotoData/cpl_enabled_marker"
"""Is there when iCloud Photos is on."""
TAKEN = 1_717_322_400
"""When the pictures were taken unless a case says otherwise: 2024-06-02T10:00:00Z."""

JOINS: Mapping[int, tuple[int, int]] = {
    12: (23, 30),
    13: (26, 34),
    14: (26, 3),
    15: (27, 3),
    16: (28, 3),
    18: (30, 3),
    26: (33, 3),
    27: (34, 3),
}
"""By iOS: the numbers in `Z_26ASSETS (Z_26ALBUMS, Z_34ASSETS)`; iOS 17.0 to 17.5 has those of iOS 16."""

_ASSET = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZADDITIONALATTRIBUTES INTEGER,
 ZEXTENDEDATTRIBUTES INTEGER, ZAVALANCHEPICKTYPE
 INTEGER, ZCLOUDPLACEHOLDERKIND INTEGER, ZFAVORITE INTEGER, ZHEIGHT INTEGER, ZHIDDEN INTEGER, ZKIND INTEGER,
 ZKINDSUBTYPE INTEGER, ZORIENTATION INTEGER, ZPLAYBACKSTYLE INTEGER, ZSAVEDASSETTYPE INTEGER, ZTHUMBNAILINDEX INTEGER,
 ZTRASHEDSTATE INTEGER, ZVIDEOCPVISIBILITYSTATE INTEGER, ZVISIBILITYSTATE INTEGER, ZWIDTH INTEGER, ZADDEDDATE TIMESTAMP,
 ZADJUSTMENTTIMESTAMP TIMESTAMP, ZDATECREATED TIMESTAMP, ZDURATION FLOAT, ZLATITUDE FLOAT, ZLONGITUDE FLOAT,
 ZMODIFICATIONDATE TIMESTAMP, ZTRASHEDDATE TIMESTAMP, ZAVALANCHEUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR,
 ZUNIFORMTYPEIDENTIFIER VARCHAR, ZUUID VARCHAR"""
_ATTRIBUTES = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZASSET INTEGER, ZORIGINALFILESIZE INTEGER,
 ZORIGINALHEIGHT INTEGER, ZORIGINALWIDTH INTEGER, ZTIMEZONEOFFSET INTEGER, ZEXIFTIMESTAMPSTRING VARCHAR,
 ZIMPORTEDBYDISPLAYNAME VARCHAR, ZORIGINALFILENAME VARCHAR, ZTIMEZONENAME VARCHAR, ZTITLE VARCHAR"""
_CAMERA = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZASSET INTEGER, ZISO INTEGER, ZAPERTURE FLOAT,
 ZFOCALLENGTH FLOAT, ZSHUTTERSPEED FLOAT, ZCAMERAMAKE VARCHAR, ZCAMERAMODEL VARCHAR, ZLENSMODEL VARCHAR"""
_ALBUM = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZKIND INTEGER, ZTRASHEDSTATE INTEGER,
 ZCUSTOMKEYASSET INTEGER, ZPARENTFOLDER INTEGER, Z_FOK_PARENTFOLDER INTEGER, ZTITLE VARCHAR, ZUUID VARCHAR"""
_RESOURCE = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZASSET INTEGER, ZDATASTORESUBTYPE INTEGER,
 ZLOCALAVAILABILITY INTEGER, ZRESOURCETYPE INTEGER, ZVERSION INTEGER, ZDATALENGTH INTEGER"""


@dataclass(frozen=True, kw_only=True)
class MadeAsset:
    """A picture or film of the library.

    Attributes:
        case: what is special about it.
        name: ZFILENAME.
        folder: ZDIRECTORY.
        pk: Z_PK, by which albums name it; 0: the next one.
        columns: further columns of the asset's row, or other values than usual.
        attributes: the same in ZADDITIONALASSETATTRIBUTES.
        caption: ZASSETDESCRIPTION.ZLONGDESCRIPTION.
        people: names of those in the picture.
        camera: columns of ZEXTENDEDATTRIBUTES; none: there is no row.
        raw: whether the camera stored a RAW file too.
        files: what the backup has of it, as paths below `Media/`.
        content: of the first of these files; empty: what `content_of` makes.
        says: what a correct reader says of it, by the names of its fields.
    """

    case: str
    name: str
    folder: str | None = "DCIM/100APPLE"
    pk: int = 0
    columns: Mapping[str, object] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)
    caption: str | None = None
    people: tuple[str, ...] = ()
    camera: Mapping[str, object] = field(default_factory=dict)
    raw: bool = False
    files: tuple[str, ...] = ()
    content: bytes = b""
    says: Mapping[str, object] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """ZUUID; it follows from the place."""
        return _uuid(f"{self.folder}/{self.name}")


@dataclass(frozen=True, kw_only=True)
class MadeAlbum:
    """An album or a folder of albums, and what a reader says of it; None if it must not be shown."""

    pk: int
    title: str | None
    kind: int = 2
    parent: int | None = 1
    trashed: int = 0
    members: tuple[int, ...] = ()
    says: Mapping[str, object] | None = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """ZUUID."""
        return _uuid(f"album {self.pk}")


def library(
    assets: tuple[MadeAsset, ...], albums: tuple[MadeAlbum, ...], *, ios: int, utf16: bool = False
) -> bytes:
    """`Photos.sqlite` in the schema of an iOS.

    Args:
        assets: its pictures and films.
        albums: its albums and folders.
        ios: 12 or later.
        utf16: whether its texts are UTF-16.
    """
    return filled(assets, albums, ios=ios, utf16=utf16).data()


def filled(
    assets: tuple[MadeAsset, ...], albums: tuple[MadeAlbum, ...], *, ios: int, utf16: bool = False
) -> MadeDatabase:
    """The same before it is a file, for tests that change it."""
    left, right = JOINS[max(version for version in JOINS if version <= ios)]
    join = f"Z_{left}ASSETS"
    person, of_asset = ("ZPERSONFORFACE", "ZASSETFORFACE") if ios >= 17 else ("ZPERSON", "ZASSET")
    asset_table = "ZASSET" if ios >= 14 else "ZGENERICASSET"
    database = MadeDatabase(
        {
            asset_table: f"{_ASSET}, {'ZADJUSTMENTSSTATE' if ios >= 18 else 'ZHASADJUSTMENTS'} INTEGER",
            "ZADDITIONALASSETATTRIBUTES": _ATTRIBUTES,
            "ZASSETDESCRIPTION": "Z_PK INTEGER PRIMARY KEY, ZASSETATTRIBUTES INTEGER, ZLONGDESCRIPTION VARCHAR",
            "ZEXTENDEDATTRIBUTES": _CAMERA,
            "ZGENERICALBUM": _ALBUM,
            "ZINTERNALRESOURCE": _RESOURCE,
            "ZDETECTEDFACE": f"Z_PK INTEGER PRIMARY KEY, {person} INTEGER, {of_asset} INTEGER",
            "ZPERSON": "Z_PK INTEGER PRIMARY KEY, ZFULLNAME VARCHAR, ZDISPLAYNAME VARCHAR",
            join: f"Z_{left}ALBUMS INTEGER, Z_{right}ASSETS INTEGER, Z_FOK_{right}ASSETS INTEGER",
            "Z_99ASSETS": "Z_99MOMENTS INTEGER, Z_3ASSETS INTEGER",
            "Z_METADATA": "Z_VERSION INTEGER PRIMARY KEY, Z_UUID VARCHAR(255), Z_PLIST BLOB",
        },
        utf16=utf16,
    )
    known_people: dict[str, int] = {}
    for at, asset in enumerate(assets):
        # Numbers of their own: a reader that takes one table's for the other's finds the wrong row.
        attributes_pk = 7001 + len(assets) - at
        camera_pk = 3001 + len(assets) - at
        keys = {"ZADDITIONALATTRIBUTES": attributes_pk, "ZEXTENDEDATTRIBUTES": camera_pk}
        pk = database.add(asset_table, keys | _asset_row(asset))
        if asset.camera:
            database.add("ZEXTENDEDATTRIBUTES", {"Z_PK": camera_pk, "ZASSET": pk, **asset.camera})
        attributes = {"ZASSET": pk, "ZORIGINALFILENAME": asset.name, **asset.attributes}
        database.add("ZADDITIONALASSETATTRIBUTES", {"Z_PK": attributes_pk, **attributes})
        if asset.caption is not None:
            row = {"ZASSETATTRIBUTES": attributes_pk, "ZLONGDESCRIPTION": asset.caption}
            database.add("ZASSETDESCRIPTION", row)
        here = asset.columns.get("ZCLOUDPLACEHOLDERKIND", 0) == 0
        resource = {
            "ZASSET": pk,
            "ZDATASTORESUBTYPE": 1,
            "ZVERSION": 0,
            "ZLOCALAVAILABILITY": 1 if here else -1,
        }
        database.add("ZINTERNALRESOURCE", resource)
        if asset.raw:
            database.add("ZINTERNALRESOURCE", resource | {"ZDATASTORESUBTYPE": 17})
        for name in asset.people:
            if name not in known_people:
                known_people[name] = database.add("ZPERSON", {"ZFULLNAME": name})
            database.add("ZDETECTEDFACE", {person: known_people[name], of_asset: pk})
        database.add("Z_99ASSETS", {"Z_99MOMENTS": 1, "Z_3ASSETS": pk})
    for album in albums:
        _add_album(database, album, join, f"Z_{left}ALBUMS", f"Z_{right}ASSETS")
    return database


def files(assets: tuple[MadeAsset, ...], albums: tuple[MadeAlbum, ...], *, ios: int) -> Iterator[LifeFile]:
    """The library and every file of it that the backup has."""
    yield LifeFile(DOMAIN, LIBRARY, library(assets, albums, ios=ios), TAKEN)
    yield LifeFile(DOMAIN, MARKER, b"", TAKEN)
    for asset in assets:
        for path in asset.files:
            own = asset.content if path == asset.files[0] else b""
            yield LifeFile(DOMAIN, f"Media/{path}", own or content_of(path), TAKEN)


def content_of(path: str) -> bytes:
    """What a file holds: a real picture if it is a JPEG, otherwise some bytes that only it has."""
    if path.lower().endswith((".jpg", ".jpeg")):
        return mosaic(path)[0]
    return hashlib.sha256(path.encode()).digest() * 40


def _asset_row(asset: MadeAsset) -> dict[str, object]:
    video = asset.name.lower().endswith((".mov", ".mp4"))
    row: dict[str, object] = {
        "ZKIND": int(video),
        "ZKINDSUBTYPE": 100 if video else 0,
        "ZPLAYBACKSTYLE": 4 if video else 1,
        "ZDIRECTORY": asset.folder,
        "ZFILENAME": asset.name,
        "ZUUID": asset.uuid,
        "ZUNIFORMTYPEIDENTIFIER": _TYPES.get(asset.name.rpartition(".")[2].lower()),
        "ZDATECREATED": stamp(TAKEN),
        "ZADDEDDATE": stamp(TAKEN + 5),
        "ZLATITUDE": -180.0,
        "ZLONGITUDE": -180.0,
        "ZSAVEDASSETTYPE": 3,
        "ZCLOUDPLACEHOLDERKIND": 0,
    }
    row |= dict.fromkeys(
        ("ZFAVORITE", "ZHIDDEN", "ZTRASHEDSTATE", "ZVISIBILITYSTATE", "ZAVALANCHEPICKTYPE"), 0
    )
    if asset.pk:
        row["Z_PK"] = asset.pk
    row |= asset.columns
    edited = row.pop("edited", 0)  # 0: no, 2: in Photos, 3: by the camera
    row |= {"ZADJUSTMENTSSTATE": edited, "ZHASADJUSTMENTS": int(bool(edited))}
    return row


def _add_album(database: MadeDatabase, album: MadeAlbum, join: str, left: str, right: str) -> None:
    row = {
        "Z_PK": album.pk,
        "ZTITLE": album.title,
        "ZKIND": album.kind,
        "ZPARENTFOLDER": album.parent,
        "ZTRASHEDSTATE": album.trashed,
        "ZUUID": album.uuid,
    }
    database.add("ZGENERICALBUM", row)
    # The rows lie in another order than the pictures: only Z_FOK has the order.
    placed = [(2048 + 1024 * place, member) for place, member in enumerate(album.members)]
    for place, member in sorted(placed, key=lambda pair: pair[1]):
        database.add(join, {left: album.pk, right: member, f"Z_FOK_{right[2:]}": place})


def _uuid(text: str) -> str:
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)).upper()


_TYPES = {
    "heic": "public.heic",
    "jpg": "public.jpeg",
    "png": "public.png",
    "dng": "com.adobe.raw-image",
    "mov": "com.apple.quicktime-movie",
    "mp4": "public.mpeg-4",
    "gif": "com.compuserve.gif",
}
