"""Voice memos made by code, with what a correct reader says of each.

Columns: those that readers of real stores name. Where a store lies on which iOS is known for iOS 14 and 26 only.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp

OLD_PLACE = ("MediaDomain", "Media/Recordings")
NEW_PLACE = ("AppDomainGroup-group.com.apple.VoiceMemos.shared", "Recordings")
RECORDED = 1_714_730_400
"""The first memo: 2024-05-03T10:00:00Z; each further one is an hour later."""
_OLD = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZFOLDER INTEGER, ZDATE TIMESTAMP, ZDURATION FLOAT,
 ZEVICTIONDATE TIMESTAMP, ZCUSTOMLABEL VARCHAR, ZPATH VARCHAR, ZUNIQUEID VARCHAR"""
_NEW = ", ZLOCALDURATION FLOAT, ZCUSTOMLABELFORSORTING VARCHAR, ZENCRYPTEDTITLE VARCHAR"
_FOLDER = "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZENCRYPTEDNAME VARCHAR, ZUUID VARCHAR"


def _atom(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def sound(transcript: str = "") -> bytes:
    """The frame of an m4a file, with its transcript as Voice Memos stores it."""
    inner = b""
    if transcript:
        words = {"attributedString": {"runs": [transcript, 0], "attributeTable": [{"timeRange": [0, 1]}]}}
        inner = _atom(b"udta", _atom(b"tsrp", json.dumps(words).encode()))
    movie = _atom(b"moov", _atom(b"mvhd", bytes(100)) + _atom(b"trak", _atom(b"tkhd", bytes(84)) + inner))
    return _atom(b"ftyp", b"M4A \0\0\0\0M4A mp42isom") + _atom(b"mdat", bytes(512)) + movie


@dataclass(frozen=True, kw_only=True)
class MadeMemo:
    """A memo.

    Attributes:
        case: what is special about it; also its ZUNIQUEID.
        title: its title; the iOS decides in which column it is.
        columns: further columns of its row.
        folder: the name of its folder.
        file: whether the backup has its recording.
        transcript: what the phone understood.
        says: what a correct reader says of it, by the names of its fields.
    """

    case: str
    title: str
    columns: Mapping[str, object] = field(default_factory=dict)
    folder: str = ""
    file: bool = True
    transcript: str = ""
    says: Mapping[str, object] = field(default_factory=dict)


MEMOS: tuple[MadeMemo, ...] = (
    MadeMemo(
        case="slash in the title",
        title="Band 3/4 rehearsal",
        columns={"ZPATH": "20240503 100000-AAAA.m4a", "ZDURATION": 61.25},
        folder="Music",
        transcript="One two three four",
        says={
            "title": "Band 3/4 rehearsal",
            "time": "2024-05-03T10:00:00+00:00",
            "seconds": 61.25,
            "folder": "Music",
            "deleted": None,
            "transcript": "One two three four",
            "file_name": "20240503 100000-AAAA.m4a",
        },
    ),
    MadeMemo(
        case="equal title and minute, one",
        title="Idea",
        columns={"ZPATH": "one.m4a", "ZDATE": stamp(RECORDED)},
        says={"title": "Idea"},
    ),
    MadeMemo(
        case="equal title and minute, two",
        title="Idea",
        columns={"ZPATH": "two.m4a", "ZDATE": stamp(RECORDED)},
        says={"title": "Idea"},
    ),
    MadeMemo(
        case="deleted",
        title="Gone soon",
        columns={"ZPATH": "three.m4a", "ZEVICTIONDATE": stamp(RECORDED + 86_400)},
        says={"deleted": "2024-05-04T10:00:00+00:00"},
    ),
    MadeMemo(case="layered", title="Layers", columns={"ZPATH": "four.qta"}, says={"file_name": "four.qta"}),
    MadeMemo(
        case="only in iCloud", title="Far away", columns={"ZPATH": ""}, file=False, says={"recording": None}
    ),
    MadeMemo(
        case="file absent", title="Lost", columns={"ZPATH": "five.m4a"}, file=False, says={"recording": None}
    ),
    MadeMemo(
        case="a path that leaves the folder",
        title="Escape",
        columns={"ZPATH": "../../../Library/SMS/sms.db"},
        file=False,
        says={"recording": None},
    ),
    MadeMemo(
        case="odd values",
        title="",
        columns={"ZDATE": float("inf"), "ZDURATION": "long", "ZPATH": "six.m4a"},
        says={"title": "", "time": None, "seconds": None},
    ),
)


def memo_files(memos: tuple[MadeMemo, ...] = MEMOS, *, ios: int = 17) -> Iterator[LifeFile]:
    """The store and the recordings."""
    domain, place = NEW_PLACE if ios >= 17 else OLD_PLACE
    store = MadeDatabase({"ZCLOUDRECORDING": _OLD + (_NEW if ios >= 17 else ""), "ZFOLDER": _FOLDER})
    changed = RECORDED + 3600 * len(memos)
    folders: dict[str, int] = {}
    for number, memo in enumerate(memos):
        when = RECORDED + 3600 * number
        usual: dict[str, object] = {"ZUNIQUEID": memo.case, "ZDATE": stamp(when), "ZDURATION": 5.0}
        if ios >= 17:
            usual |= {"ZENCRYPTEDTITLE": memo.title, "ZCUSTOMLABEL": "2024-05-03T10:00:00Z"}
        else:
            usual["ZCUSTOMLABEL"] = memo.title
        if memo.folder:
            if memo.folder not in folders:
                folders[memo.folder] = store.add("ZFOLDER", {"ZENCRYPTEDNAME": memo.folder})
            usual["ZFOLDER"] = folders[memo.folder]
        store.add("ZCLOUDRECORDING", {**usual, **memo.columns})
        if memo.file:
            yield LifeFile(domain, f"{place}/{memo.columns['ZPATH']}", sound(memo.transcript), when)
    yield LifeFile(domain, f"{place}/CloudRecordings.db", store.data(), changed)
