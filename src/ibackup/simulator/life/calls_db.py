"""A list of calls made by code: `CallHistory.storedata`, with what a correct reader says of each call.

Columns: those that several readers of real stores name. The values of ZNUMBER_AVAILABILITY are unconfirmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp

CALLS_PATH = ("HomeDomain", "Library/CallHistoryDB/CallHistory.storedata")
WAITING_CALLS_PATH = ("HomeDomain", "Library/CallHistoryDB/CallHistoryTemp.storedata")
CALLED = 1_716_000_000
"""The first call: 2024-05-18T02:40:00Z; each further one is an hour later."""

_RECORD = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZANSWERED INTEGER, ZCALLTYPE INTEGER,
 ZDISCONNECTED_CAUSE INTEGER, ZNUMBER_AVAILABILITY INTEGER, ZORIGINATED INTEGER, ZREAD INTEGER, ZDATE TIMESTAMP,
 ZDURATION FLOAT, ZADDRESS VARCHAR, ZISO_COUNTRY_CODE VARCHAR, ZLOCATION VARCHAR, ZNAME VARCHAR,
 ZSERVICE_PROVIDER VARCHAR, ZUNIQUE_ID VARCHAR"""
_NEWER = ", ZJUNKCONFIDENCE INTEGER, ZCALL_CATEGORY INTEGER, ZHASMESSAGE INTEGER"
_PARTICIPANTS = {12: 2, 14: 2, 17: 2, 26: 3}  # by iOS, unconfirmed: the number in the join table's name


@dataclass(frozen=True, kw_only=True)
class MadeCall:
    """A call.

    Attributes:
        case: what is special about it; also its ZUNIQUE_ID.
        columns: of its row.
        with_others: the numbers of a group call.
        waiting: whether it is in the second store; "both": in both.
        says: what a correct reader says of it, by the names of its fields; None: nothing, it is a repeat.
    """

    case: str
    columns: Mapping[str, object] = field(default_factory=dict)
    with_others: tuple[str, ...] = ()
    waiting: str = ""
    says: Mapping[str, object] = field(default_factory=dict)


CALLS: tuple[MadeCall, ...] = (
    MadeCall(
        case="answered",
        columns={
            "ZADDRESS": "+441632960001",
            "ZDURATION": 65.5,
            "ZISO_COUNTRY_CODE": "gb",
            "ZLOCATION": "London",
        },
        says={
            "time": "2024-05-18T02:40:00+00:00",
            "incoming": True,
            "answered": True,
            "missed": False,
            "seconds": 65.5,
            "kind": "phone",
            "service": "com.apple.Telephony",
            "addresses": ("+441632960001",),
            "country": "gb",
            "place": "London",
        },
    ),
    MadeCall(
        case="missed",
        columns={"ZADDRESS": "+441632960002", "ZANSWERED": 0, "ZREAD": 0, "ZDURATION": 0.0},
        says={"missed": True, "answered": False, "read": False},
    ),
    MadeCall(
        case="called, nobody answered",
        columns={"ZADDRESS": "112", "ZORIGINATED": 1, "ZANSWERED": 0, "ZDURATION": 0.0},
        says={"incoming": False, "answered": False, "missed": False, "addresses": ("112",)},
    ),
    MadeCall(
        case="withheld",
        columns={"ZADDRESS": "", "ZNUMBER_AVAILABILITY": 1},
        says={"addresses": (), "number_availability": 1},
    ),
    MadeCall(
        case="FaceTime with three others",
        columns={
            "ZADDRESS": None,
            "ZCALLTYPE": 8,
            "ZSERVICE_PROVIDER": "com.apple.FaceTime",
            "ZORIGINATED": 1,
        },
        with_others=("+441632960001", "ada.lovelace@example.org", "+441632960003"),
        says={
            "kind": "facetime-video",
            "addresses": ("+441632960001", "ada.lovelace@example.org", "+441632960003"),
        },
    ),
    MadeCall(
        case="FaceTime audio",
        columns={
            "ZADDRESS": "ada.lovelace@example.org",
            "ZCALLTYPE": 16,
            "ZSERVICE_PROVIDER": "com.apple.FaceTime",
        },
        says={"kind": "facetime-audio"},
    ),
    MadeCall(
        case="WhatsApp",
        columns={
            "ZADDRESS": "441632960001@s.whatsapp.net",
            "ZCALLTYPE": 0,
            "ZSERVICE_PROVIDER": "net.whatsapp.WhatsApp",
            "ZNAME": "Ada",
        },
        says={"kind": "app", "service": "net.whatsapp.WhatsApp", "name_then": "Ada"},
    ),
    MadeCall(
        case="in both stores",
        columns={"ZADDRESS": "+441632960004"},
        waiting="both",
        says={"addresses": ("+441632960004",)},
    ),
    MadeCall(
        case="only in the second store",
        columns={"ZADDRESS": "+441632960005"},
        waiting="only",
        says={"addresses": ("+441632960005",)},
    ),
    MadeCall(
        case="number as bytes", columns={"ZADDRESS": b"+441632960006"}, says={"addresses": ("+441632960006",)}
    ),
    MadeCall(
        case="formula",
        columns={"ZADDRESS": "=1+1", "ZNAME": "@SUM(A1)", "ZLOCATION": '-2+3\n"x",'},
        says={"addresses": ("=1+1",), "name_then": "@SUM(A1)"},
    ),
    MadeCall(
        case="odd values",
        columns={
            "ZDATE": "yesterday",
            "ZDURATION": -5.0,
            "ZCALLTYPE": 77,
            "ZANSWERED": None,
            "ZADDRESS": 4930,
        },
        says={"time": None, "seconds": None, "kind": "unknown", "answered": None, "addresses": ("4930",)},
    ),
)


def call_stores(calls: tuple[MadeCall, ...] = CALLS, *, ios: int = 17) -> tuple[LifeFile, LifeFile]:
    """The two stores of calls."""
    number = _PARTICIPANTS[max(version for version in _PARTICIPANTS if version <= ios)]
    join = f"Z_{number}REMOTEPARTICIPANTHANDLES"
    tables = {
        "ZCALLRECORD": _RECORD + (_NEWER if ios >= 17 else ""),
        "ZHANDLE": "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZTYPE INTEGER, ZNORMALIZEDVALUE VARCHAR,"
        " ZVALUE VARCHAR",
        join: f"Z_{number}REMOTEPARTICIPANTCALLS INTEGER, Z_4REMOTEPARTICIPANTHANDLES INTEGER",
    }
    main, waiting = MadeDatabase(tables), MadeDatabase(tables)
    for place, call in enumerate(calls):
        usual = {
            "ZUNIQUE_ID": call.case,
            "ZDATE": stamp(CALLED + 3600 * place),
            "ZDURATION": 10.0,
            "ZORIGINATED": 0,
            "ZANSWERED": 1,
            "ZREAD": 1,
            "ZCALLTYPE": 1,
            "ZSERVICE_PROVIDER": "com.apple.Telephony",
        }
        for database in (
            (main, waiting) if call.waiting == "both" else (waiting,) if call.waiting else (main,)
        ):
            row = database.add("ZCALLRECORD", {**usual, **call.columns})
            for other in call.with_others:
                handle = database.add("ZHANDLE", {"ZVALUE": other, "ZNORMALIZEDVALUE": other})
                names = {f"Z_{number}REMOTEPARTICIPANTCALLS": row, "Z_4REMOTEPARTICIPANTHANDLES": handle}
                database.add(join, names)
    changed = CALLED + 3600 * len(calls)
    return LifeFile(*CALLS_PATH, main.data(), changed), LifeFile(*WAITING_CALLS_PATH, waiting.data(), changed)
