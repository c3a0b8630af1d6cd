"""Safari's bookmarks and history made by code, with what a correct reader says of them.

Columns: those that readers of real databases name.
"""

import plistlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp

SAFARI = ("HomeDomain", "Library/Safari")
PROFILE = "Profiles/7E57AB1E-0000-4000-8000-000000000001"
VISITED = 1_716_200_000
"""The first visit: 2024-05-20T10:13:20Z; each further one is an hour later."""
_BOOKMARKS = {
    "bookmarks": "id INTEGER PRIMARY KEY AUTOINCREMENT, special_id INTEGER DEFAULT 0, parent INTEGER, type INTEGER,"
    " title TEXT, url TEXT, num_children INTEGER DEFAULT 0, editable INTEGER DEFAULT 1, order_index INTEGER,"
    " external_uuid TEXT, read INTEGER, last_modified REAL, deleted INTEGER DEFAULT 0, hidden INTEGER DEFAULT 0,"
    " extra_attributes BLOB"
}
_HISTORY = {
    "history_items": "id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL UNIQUE, domain_expansion TEXT,"
    " visit_count INTEGER",
    "history_visits": "id INTEGER PRIMARY KEY AUTOINCREMENT, history_item INTEGER, visit_time REAL, title TEXT,"
    " load_successful BOOLEAN DEFAULT 1, redirect_source INTEGER, redirect_destination INTEGER,"
    " origin INTEGER DEFAULT 0",
    "history_tombstones": "id INTEGER PRIMARY KEY AUTOINCREMENT, start_time REAL, end_time REAL, url TEXT",
}


@dataclass(frozen=True, kw_only=True)
class MadeBookmark:
    """A bookmark or a folder of them.

    Attributes:
        case: what is special about it; also its external_uuid.
        columns: of its row; ``id`` is its place in the list, from 1 on, unless given.
        says: what a correct reader says of it, by the names of its fields; None: it is left out.
    """

    case: str
    columns: Mapping[str, object]
    says: Mapping[str, object] | None = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MadeVisit:
    """A visit to a page.

    Attributes:
        case: what is special about it.
        url: the page.
        columns: of its row.
        profile: whether it is in the history of a profile.
        says: what a correct reader says of it, by the names of its fields.
    """

    case: str
    url: str
    columns: Mapping[str, object] = field(default_factory=dict)
    profile: bool = False
    says: Mapping[str, object] = field(default_factory=dict)


_READING = plistlib.dumps(
    {
        "com.apple.ReadingList": {
            "DateAdded": datetime(2024, 5, 1, 8, 0, tzinfo=UTC).replace(tzinfo=None),
            "PreviewText": "A long <b>read</b>",
        }
    },
    fmt=plistlib.FMT_BINARY,
)
BOOKMARKS: tuple[MadeBookmark, ...] = (
    MadeBookmark(case="root", columns={"id": 0, "type": 1, "title": "Root"}, says=None),
    MadeBookmark(
        case="favourites",
        columns={"id": 1, "type": 1, "parent": 0, "special_id": 1, "title": "BookmarksBar"},
        says={"is_folder": True, "title": "BookmarksBar", "part": "favorites"},
    ),
    MadeBookmark(
        case="page in the favourites",
        columns={
            "id": 2,
            "type": 0,
            "parent": 1,
            "title": "Maps & <Plans>",
            "url": 'https://example.org/?a=1&b="2"',
            "last_modified": VISITED,
            "order_index": 1,
        },
        says={
            "title": "Maps & <Plans>",
            "url": 'https://example.org/?a=1&b="2"',
            "folders": ("BookmarksBar",),
            "changed": "2024-05-20T10:13:20+00:00",
        },
    ),
    MadeBookmark(
        case="folder in the favourites",
        columns={"id": 3, "type": 1, "parent": 1, "title": "Travel", "order_index": 0},
        says={"folders": ("BookmarksBar",), "is_folder": True},
    ),
    MadeBookmark(
        case="page in a folder",
        columns={"id": 4, "type": 0, "parent": 3, "title": "Trains", "url": "https://trains.example/"},
        says={"folders": ("BookmarksBar", "Travel")},
    ),
    MadeBookmark(
        case="Reading List",
        columns={"id": 5, "type": 1, "parent": 0, "special_id": 3, "title": "com.apple.ReadingList"},
    ),
    MadeBookmark(
        case="to read",
        columns={
            "id": 6,
            "type": 0,
            "parent": 5,
            "title": "Essay",
            "url": "https://essay.example/",
            "read": 0,
            "extra_attributes": _READING,
        },
        says={
            "part": "reading list",
            "read": False,
            "added": "2024-05-01T08:00:00+00:00",
            "preview": "A long <b>read</b>",
        },
    ),
    MadeBookmark(
        case="allow list",
        columns={"id": 7, "type": 1, "parent": 0, "special_id": 4, "title": "Allowed"},
        says=None,
    ),
    MadeBookmark(
        case="in the allow list",
        columns={"id": 8, "type": 0, "parent": 7, "title": "Kids", "url": "https://kids.example/"},
        says=None,
    ),
    MadeBookmark(
        case="deleted",
        columns={
            "id": 9,
            "type": 0,
            "parent": 0,
            "title": "Gone",
            "url": "https://gone.example/",
            "deleted": 1,
        },
        says=None,
    ),
    MadeBookmark(
        case="parent of itself",
        columns={"id": 10, "type": 1, "parent": 10, "title": "Loop"},
        says={"folders": ()},
    ),
    MadeBookmark(
        case="in the loop",
        columns={"id": 11, "type": 0, "parent": 10, "title": "Inside", "url": "https://inside.example/"},
        says={"folders": ("Loop",)},
    ),
    MadeBookmark(
        case="script",
        columns={"id": 12, "type": 0, "parent": 0, "title": "Run", "url": "javascript:alert('1')"},
        says={"url": "javascript:alert('1')"},
    ),
    MadeBookmark(
        case="odd values",
        columns={
            "id": 13,
            "type": 0,
            "parent": 99,
            "title": b"Bytes",
            "url": None,
            "extra_attributes": b"bplist00 cut",
        },
        says={"title": "Bytes", "url": "", "folders": ()},
    ),
)
VISITS: tuple[MadeVisit, ...] = (
    MadeVisit(
        case="plain",
        url="https://example.org/",
        columns={"title": "Example"},
        says={"time": "2024-05-20T10:13:20+00:00", "title": "Example", "elsewhere": False, "profile": ""},
    ),
    MadeVisit(
        case="seconds since 1970",
        url="https://unix.example/",
        columns={"visit_time": float(VISITED), "title": "Unix"},
        says={"time": "2024-05-20T10:13:20+00:00"},
    ),
    MadeVisit(
        case="redirected",
        url="http://short.example/x",
        columns={"redirect_destination": 4},
        says={"redirected_to": "https://long.example/target"},
    ),
    MadeVisit(
        case="where it led",
        url="https://long.example/target",
        columns={"redirect_source": 3, "title": "Target"},
        says={"redirected_to": "", "title": "Target"},
    ),
    MadeVisit(case="on the Mac", url="https://mac.example/", columns={"origin": 1}, says={"elsewhere": True}),
    MadeVisit(
        case="in a profile",
        url="https://work.example/",
        columns={"title": "Work"},
        profile=True,
        says={"profile": "7E57AB1E-0000-4000-8000-000000000001"},
    ),
    MadeVisit(
        case="formula",
        url='=HYPERLINK("https://evil.example")',
        columns={"title": "+cmd", "visit_time": None},
        says={"time": None},
    ),
)


def safari_files(
    bookmarks: tuple[MadeBookmark, ...] = BOOKMARKS,
    visits: tuple[MadeVisit, ...] = VISITS,
    *,
    history: bool = True,
) -> Iterator[LifeFile]:
    """The bookmarks, and the histories of Safari and of one profile, which only encrypted backups have."""
    domain, place = SAFARI
    changed = VISITED + 3600 * len(visits)
    store = MadeDatabase(_BOOKMARKS)
    for bookmark in bookmarks:
        store.add("bookmarks", {"external_uuid": bookmark.case, **bookmark.columns})
    yield LifeFile(domain, f"{place}/Bookmarks.db", store.data(), changed)
    for profile, name in ((False, "History.db"), (True, f"{PROFILE}/History.db")) if history else ():
        database = MadeDatabase(_HISTORY)
        for number, visit in enumerate(visits):
            if visit.profile == profile:
                item = database.add("history_items", {"url": visit.url, "visit_count": 1})
                usual = {
                    "history_item": item,
                    "visit_time": stamp(VISITED + 3600 * number),
                    "title": None,
                    "origin": 0,
                }
                database.add("history_visits", {**usual, **visit.columns})
        database.add(
            "history_tombstones", {"start_time": 1.0, "end_time": 2.0, "url": "https://forgotten.example/"}
        )
        yield LifeFile(domain, f"{place}/{name}", database.data(), changed)
