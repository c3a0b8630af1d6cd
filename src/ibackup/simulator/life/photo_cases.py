"""The pictures, films and albums that readers of photo libraries get wrong, with what a correct one says of each.

Names of fields are those of `ibackup.contents.photos`; a field that a case does not name is not judged.
"""

from ibackup.simulator.life.made_database import stamp
from ibackup.simulator.life.photos_db import TAKEN, MadeAlbum, MadeAsset

_CAMERA = "DCIM/100APPLE"
_CLOUD = "PhotoData/CPLAssets/group7"
_DAY = 86_400


def _mutations(name: str, folder: str = _CAMERA) -> str:
    return f"PhotoData/Mutations/{folder}/{name}/Adjustments"


def _thumbnail(name: str, folder: str = _CAMERA, number: int = 5003) -> str:
    return f"PhotoData/Thumbnails/V2/{folder}/{name}/{number}.JPG"


def _burst(number: int) -> MadeAsset:
    """One of ten frames: the second stands for all, the fifth and sixth are the person's."""
    kept, main = number in (5, 6), number == 2
    name = f"IMG_01{number:02}.HEIC"
    return MadeAsset(
        case=f"burst, frame {number}",
        name=name,
        columns={
            "ZAVALANCHEUUID": "B0B0B0B0-0000-4000-8000-000000000001",
            "ZAVALANCHEPICKTYPE": 8 if kept else 4 | 16 if main else 2,
            "ZVISIBILITYSTATE": 0 if kept or main else 2,
        },
        files=(f"{_CAMERA}/{name}",),
        says={
            "burst": "B0B0B0B0-0000-4000-8000-000000000001",
            "burst_pick": kept,
            "shown": kept or main,
            "kind": "photo",
        },
    )


_OWN_NAME = (
    f"{_mutations('11111111-AAAA-4000-8000-000000000044', _CLOUD)}/22222222-BBBB-4000-8000-000000000044.JPG"
)
ASSETS: tuple[MadeAsset, ...] = (
    MadeAsset(
        case="plain photo with place, zone, caption and people",
        pk=1,
        name="IMG_0001.HEIC",
        columns={"ZLATITUDE": 27.7172, "ZLONGITUDE": 85.324, "ZWIDTH": 4032, "ZHEIGHT": 3024},
        attributes={"ZTIMEZONEOFFSET": 20_700, "ZTIMEZONENAME": "Asia/Kathmandu", "ZTITLE": "Stupa"},
        caption="Monkeys, too",
        people=("Ada Lovelace", "Alan Turing"),
        camera={
            "ZCAMERAMAKE": "Apple",
            "ZCAMERAMODEL": "iPhone 15 Pro",
            "ZISO": 64,
            "ZAPERTURE": 1.78,
            "ZSHUTTERSPEED": 1 / 120,
        },
        files=(f"{_CAMERA}/IMG_0001.HEIC", _thumbnail("IMG_0001.HEIC")),
        says={
            "kind": "photo",
            "holds": "original",
            "taken": "2024-06-02T15:45:00+05:45",
            "latitude": 27.7172,
            "longitude": 85.324,
            "width": 4032,
            "height": 3024,
            "title": "Stupa",
            "caption": "Monkeys, too",
            "people": ("Ada Lovelace", "Alan Turing"),
            "shown": True,
            "source": "phone",
        },
    ),
    MadeAsset(
        case="same name in another folder, imported under its own name, no place",
        pk=2,
        name="IMG_0001.HEIC",
        folder="DCIM/101APPLE",
        attributes={"ZORIGINALFILENAME": "beach.heic", "ZTIMEZONEOFFSET": None},
        files=("DCIM/101APPLE/IMG_0001.HEIC",),
        says={
            "original_name": "beach.heic",
            "latitude": None,
            "longitude": None,
            "taken": "2024-06-02T10:00:00+00:00",
            "film": "",
        },
    ),
    MadeAsset(
        case="film of the same number in the second folder: no Live Photo across folders",
        pk=3,
        name="IMG_0001.MOV",
        folder="DCIM/101APPLE",
        columns={"ZDURATION": 12.5},
        files=("DCIM/101APPLE/IMG_0001.MOV",),
        says={"kind": "video", "live": "", "duration_s": 12.5, "film": ""},
    ),
    MadeAsset(
        case="name that differs in case only",
        pk=4,
        name="IMG_0004.jpg",
        columns={"ZDATECREATED": stamp(3600)},
        files=(f"{_CAMERA}/IMG_0004.jpg",),
        says={"taken": "1970-01-01T01:00:00+00:00"},
    ),
    MadeAsset(case="its twin", pk=5, name="IMG_0004.JPG", files=(f"{_CAMERA}/IMG_0004.JPG",)),
    MadeAsset(
        case="Live Photo, edited",
        pk=6,
        name="IMG_0024.HEIC",
        columns={
            "ZKINDSUBTYPE": 2,
            "ZPLAYBACKSTYLE": 3,
            "edited": 2,
            "ZADJUSTMENTTIMESTAMP": stamp(TAKEN + 900),
        },
        files=(
            f"{_CAMERA}/IMG_0024.HEIC",
            f"{_CAMERA}/IMG_0024.MOV",
            f"{_mutations('IMG_0024')}/Adjustments.plist",
            f"{_mutations('IMG_0024')}/FullSizeRender.jpg",
            f"{_mutations('IMG_0024')}/FullSizeRender.mov",
        ),
        says={
            "live": "on",
            "film": f"Media/{_CAMERA}/IMG_0024.MOV",
            "edited": True,
            "edits": (
                f"Media/{_mutations('IMG_0024')}/FullSizeRender.jpg",
                f"Media/{_mutations('IMG_0024')}/FullSizeRender.mov",
            ),
        },
    ),
    MadeAsset(
        case="Live Photo with the film turned off",
        pk=7,
        name="IMG_0025.HEIC",
        columns={"ZKINDSUBTYPE": 2, "ZPLAYBACKSTYLE": 1, "ZVIDEOCPVISIBILITYSTATE": 15},
        files=(f"{_CAMERA}/IMG_0025.HEIC", f"{_CAMERA}/IMG_0025.MOV"),
        says={"live": "off", "film": f"Media/{_CAMERA}/IMG_0025.MOV"},
    ),
    MadeAsset(
        case="edited film",
        pk=8,
        name="IMG_0026.MOV",
        columns={"edited": 2},
        files=(f"{_CAMERA}/IMG_0026.MOV", f"{_mutations('IMG_0026')}/FullSizeRender.mov"),
        says={
            "kind": "video",
            "edited": True,
            "edits": (f"Media/{_mutations('IMG_0026')}/FullSizeRender.mov",),
        },
    ),
    MadeAsset(
        case="edit whose original is only in iCloud",
        pk=9,
        name="IMG_0027.HEIC",
        columns={"edited": 2, "ZCLOUDPLACEHOLDERKIND": 3},
        files=(f"{_mutations('IMG_0027')}/FullSizeRender.heic",),
        says={"holds": "edit", "edits": (f"Media/{_mutations('IMG_0027')}/FullSizeRender.heic",)},
    ),
    MadeAsset(
        case="edit that an old iPhone made beside the original",
        pk=10,
        name="IMG_0029.JPG",
        columns={"edited": 2},
        files=(f"{_CAMERA}/IMG_0029.JPG", f"{_CAMERA}/IMG_E0029.JPG", f"{_CAMERA}/IMG_0029.AAE"),
        says={"edited": True, "edits": (f"Media/{_CAMERA}/IMG_E0029.JPG",)},
    ),
    MadeAsset(
        case="RAW with a JPEG",
        pk=11,
        name="IMG_0028.JPG",
        raw=True,
        files=(f"{_CAMERA}/IMG_0028.JPG", f"{_CAMERA}/IMG_0028.DNG"),
        says={"raw": f"Media/{_CAMERA}/IMG_0028.DNG"},
    ),
    *(_burst(number) for number in range(1, 11)),
    MadeAsset(
        case="favorite, hidden and recently deleted at once",
        pk=30,
        name="IMG_0030.HEIC",
        columns={"ZFAVORITE": 1, "ZHIDDEN": 1, "ZTRASHEDSTATE": 1, "ZTRASHEDDATE": stamp(TAKEN + 9 * _DAY)},
        files=(f"{_CAMERA}/IMG_0030.HEIC",),
        says={
            "favorite": True,
            "hidden": True,
            "trashed": True,
            "trashed_at": "2024-06-11T10:00:00+00:00",
            "shown": False,
        },
    ),
    MadeAsset(
        case="screenshot",
        pk=31,
        name="IMG_0031.PNG",
        columns={"ZKINDSUBTYPE": 10},
        files=(f"{_CAMERA}/IMG_0031.PNG",),
        says={"style": "screenshot", "file_type": "public.png"},
    ),
    MadeAsset(
        case="original only in iCloud, thumbnail here",
        pk=40,
        name="11111111-AAAA-4000-8000-000000000040.HEIC",
        folder=_CLOUD,
        columns={"ZSAVEDASSETTYPE": 6, "ZCLOUDPLACEHOLDERKIND": 3},
        attributes={"ZORIGINALFILENAME": "IMG_5040.HEIC", "ZORIGINALFILESIZE": 2_400_000},
        files=(_thumbnail("11111111-AAAA-4000-8000-000000000040.HEIC", _CLOUD, 5005),),
        says={
            "holds": "thumbnail",
            "original_name": "IMG_5040.HEIC",
            "stand_in": f"Media/{_thumbnail('11111111-AAAA-4000-8000-000000000040.HEIC', _CLOUD, 5005)}",
            "source": "icloud",
        },
    ),
    MadeAsset(
        case="original only in iCloud, nothing here",
        pk=41,
        name="11111111-AAAA-4000-8000-000000000041.MOV",
        folder=_CLOUD,
        columns={"ZSAVEDASSETTYPE": 6, "ZCLOUDPLACEHOLDERKIND": 3},
        says={"holds": "nothing", "stand_in": ""},
    ),
    MadeAsset(
        case="a smaller JPEG stands in for an original in iCloud",
        pk=42,
        name="11111111-AAAA-4000-8000-000000000042.HEIC",
        folder=_CLOUD,
        columns={"ZSAVEDASSETTYPE": 6, "ZCLOUDPLACEHOLDERKIND": 4},
        attributes={"ZORIGINALFILENAME": "IMG_5042.HEIC", "ZORIGINALFILESIZE": 2_400_000},
        files=(
            f"{_CLOUD}/11111111-AAAA-4000-8000-000000000042.JPG",
            _thumbnail("11111111-AAAA-4000-8000-000000000042.HEIC", _CLOUD),
        ),
        says={"holds": "smaller", "stand_in": f"Media/{_CLOUD}/11111111-AAAA-4000-8000-000000000042.JPG"},
    ),
    MadeAsset(
        case="from iCloud, and the original is here",
        pk=43,
        name="11111111-AAAA-4000-8000-000000000043.HEIC",
        folder=_CLOUD,
        columns={"ZSAVEDASSETTYPE": 6},
        attributes={"ZORIGINALFILENAME": "IMG_5043.HEIC", "ZORIGINALFILESIZE": 1280},
        files=(f"{_CLOUD}/11111111-AAAA-4000-8000-000000000043.HEIC",),
        says={"holds": "original", "original_name": "IMG_5043.HEIC"},
    ),
    MadeAsset(
        case="from iCloud with an edit that has a name of its own",
        pk=44,
        name="11111111-AAAA-4000-8000-000000000044.HEIC",
        folder=_CLOUD,
        columns={"ZSAVEDASSETTYPE": 6, "edited": 2},
        attributes={"ZORIGINALFILENAME": "IMG_5044.HEIC"},
        files=(
            f"{_CLOUD}/11111111-AAAA-4000-8000-000000000044.HEIC",
            _OWN_NAME,
        ),
        says={
            "holds": "original",
            "edits": (f"Media/{_OWN_NAME}",),
        },
    ),
    MadeAsset(
        case="picture of a shared album",
        pk=45,
        name="33333333-CCCC-4000-8000-000000000045.JPG",
        folder="PhotoData/PhotoCloudSharingData/1234/ABC/100CLOUD",
        columns={"ZSAVEDASSETTYPE": 4},
        files=("PhotoData/PhotoCloudSharingData/1234/ABC/100CLOUD/33333333-CCCC-4000-8000-000000000045.JPG",),
        says={"source": "shared album", "holds": "original"},
    ),
    MadeAsset(
        case="shared with you: another person's picture",
        pk=46,
        name="44444444-DDDD-4000-8000-000000000046.HEIC",
        folder="PhotoData/CPLAssets/group8",
        columns={"ZSAVEDASSETTYPE": 12},
        says={"source": "shared with you", "holds": "nothing"},
    ),
    MadeAsset(
        case="row whose file was lost",
        pk=50,
        name="IMG_0050.HEIC",
        says={"holds": "nothing", "source": "phone"},
    ),
    MadeAsset(
        case="row without a folder",
        pk=51,
        name="IMG_0051.HEIC",
        folder=None,
        says={"path": "", "holds": "nothing"},
    ),
    MadeAsset(
        case="values of the wrong kind",
        pk=52,
        name="IMG_0052.HEIC",
        columns={
            "ZFAVORITE": "yes",
            "ZDATECREATED": "not a date",
            "ZLATITUDE": "north",
            "ZWIDTH": b"\xff\xfe",
        },
        files=(f"{_CAMERA}/IMG_0052.HEIC",),
        says={"taken": None, "latitude": None, "width": 0, "holds": "original"},
    ),
    MadeAsset(
        case="date far away",
        pk=53,
        name="IMG_0053.HEIC",
        columns={"ZDATECREATED": 9e18, "ZADDEDDATE": float("-inf")},
        files=(f"{_CAMERA}/IMG_0053.HEIC",),
        says={"taken": None, "added": None},
    ),
)
LOOSE = (f"{_CAMERA}/IMG_0099.HEIC", "DCIM/102APPLE/IMG_2000.MOV")
"""Files in the camera's folders that no row names, as paths below `Media/`."""

ALBUMS: tuple[MadeAlbum, ...] = (
    MadeAlbum(pk=1, title=None, kind=3999, parent=None, says=None),
    MadeAlbum(pk=2, title="Trips", kind=4000, says={"folder": True, "path": ("Trips",)}),
    MadeAlbum(
        pk=3, title="2024/Nepal", kind=4000, parent=2, says={"folder": True, "path": ("Trips", "2024/Nepal")}
    ),
    MadeAlbum(
        pk=4,
        title="Kathmandu",
        parent=3,
        members=(6, 1, 5),
        says={"folder": False, "path": ("Trips", "2024/Nepal", "Kathmandu"), "members": (6, 1, 5)},
    ),
    MadeAlbum(pk=5, title="Empty", says={"members": ()}),
    MadeAlbum(pk=6, title="Thrown away", trashed=1, members=(1,), says=None),
    MadeAlbum(pk=7, title="Best of", members=(1, 40), says={"members": (1, 40)}),
    MadeAlbum(pk=8, title="Cousins", kind=1505, members=(45,), says={"members": (45,), "shared": True}),
    MadeAlbum(pk=9, title=None, kind=1506, members=(2,), says=None),
    MadeAlbum(pk=10, title="Lost", parent=11, members=(2,), says={"path": ("Lost",)}),
    MadeAlbum(pk=12, title="In a circle", kind=4000, parent=13, says={"folder": True}),
    MadeAlbum(pk=13, title="That bites its tail", kind=4000, parent=12, says={"folder": True}),
)
ONLY_IN_ICLOUD = {"photos": 31, "only_in_icloud": 4, "stand_ins": 3, "lost": 2}
"""Of this library's own pictures and films (nothing that others shared, nothing recently deleted)."""
