"""Reminders made by code: the stores `Data-*.sqlite`, with what a correct reader says of each.

Two layouts: of iOS 13 to 15, where one table holds everything (its columns besides the title are unconfirmed), and of
iOS 16 and later, whose columns other readers checked on iOS 18. Class numbers differ from store to store, as on phones.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ibackup.simulator.life.calendar_db import at, day
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase

OLD_PLACE = ("HomeDomain", "Library/Reminders/Container_v1/Stores")
NEW_PLACE = ("AppDomainGroup-group.com.apple.reminders", "Container_v1/Stores")
ACCOUNT_STORE = "Data-7E57AB1E-0000-4000-8000-000000000002.sqlite"
LOCAL_STORE = "Data-local.sqlite"
_REMINDER = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZALLDAY INTEGER, ZCOMPLETED INTEGER,
 ZFLAGGED INTEGER, ZMARKEDFORDELETION INTEGER, ZPRIORITY INTEGER, ZACCOUNT INTEGER, ZLIST INTEGER,
 ZPARENTREMINDER INTEGER, ZCOMPLETIONDATE TIMESTAMP, ZCREATIONDATE TIMESTAMP, ZDUEDATE TIMESTAMP,
 ZLASTMODIFIEDDATE TIMESTAMP, ZSTARTDATE TIMESTAMP, ZNOTES VARCHAR, ZTIMEZONE VARCHAR, ZTITLE VARCHAR,
 ZIDENTIFIER BLOB"""
_LIST = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZISGROUP INTEGER, ZMARKEDFORDELETION INTEGER,
 ZACCOUNT INTEGER, ZPARENTLIST INTEGER, ZNAME VARCHAR, ZIDENTIFIER BLOB"""
_OBJECT = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZREMINDER INTEGER, ZREMINDER1 INTEGER,
 ZREMINDER4 INTEGER, ZFREQUENCY INTEGER, ZINTERVAL INTEGER, ZOCCURRENCECOUNT INTEGER, ZENDDATE TIMESTAMP,
 ZDAYSOFTHEWEEK BLOB, ZDAYSOFTHEMONTH BLOB, ZNAME VARCHAR, ZIDENTIFIER BLOB"""
_OLD_OBJECT = f"""{_OBJECT}, ZALLDAY INTEGER, ZCOMPLETED INTEGER, ZFLAGGED INTEGER, ZMARKEDFORDELETION INTEGER,
 ZPRIORITY INTEGER, ZLIST INTEGER, ZLIST1 INTEGER, ZPARENTREMINDER INTEGER, ZCOMPLETIONDATE TIMESTAMP,
 ZCREATIONDATE TIMESTAMP, ZDUEDATE TIMESTAMP, ZLASTMODIFIEDDATE TIMESTAMP, ZSTARTDATE TIMESTAMP, ZNOTES VARCHAR,
 ZTITLE VARCHAR, ZTITLE1 VARCHAR, ZNAME1 VARCHAR"""
_CLASSES = "Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER"


@dataclass(frozen=True, kw_only=True)
class MadeReminder:
    """A reminder.

    Attributes:
        case: what is special about it; its ZIDENTIFIER is made from it.
        columns: of its row, as iOS 16 and later name them.
        store: the file it is in.
        in_list: the name of its list.
        below: the case whose subtask it is; it stands before in the same store.
        repeats: of its recurrence rule.
        says: what a correct reader says of it, by the names of its fields; None: it is left out.
    """

    case: str
    columns: Mapping[str, object]
    store: str = ACCOUNT_STORE
    in_list: str = "Household"
    below: str = ""
    repeats: Mapping[str, object] = field(default_factory=dict)
    says: Mapping[str, object] | None = field(default_factory=dict)

    @property
    def identifier(self) -> uuid.UUID:
        """Its ZIDENTIFIER."""
        return uuid.uuid5(uuid.NAMESPACE_OID, self.case)


REMINDERS: tuple[MadeReminder, ...] = (
    MadeReminder(
        case="due, important",
        columns={
            "ZTITLE": "Pay rent; now, please",
            "ZNOTES": "IBAN\nis on paper",
            "ZDUEDATE": at(2024, 7, 1, 9),
            "ZTIMEZONE": "Europe/Berlin",
            "ZPRIORITY": 1,
            "ZFLAGGED": 1,
            "ZCREATIONDATE": at(2024, 6, 1, 9),
        },
        says={
            "title": "Pay rent; now, please",
            "notes": "IBAN\nis on paper",
            "due": "2024-07-01T07:00:00+00:00",
            "priority": 1,
            "flagged": True,
            "completed": None,
            "list_name": "Household",
            "created": "2024-06-01T07:00:00+00:00",
        },
    ),
    MadeReminder(
        case="subtask",
        columns={"ZTITLE": "Find the IBAN", "ZCOMPLETED": 1, "ZCOMPLETIONDATE": at(2024, 6, 5, 12)},
        below="due, important",
        says={"completed": "2024-06-05T10:00:00+00:00", "done": True},
    ),
    MadeReminder(
        case="every two weeks",
        columns={"ZTITLE": "Bins", "ZDUEDATE": day(2024, 7, 3), "ZALLDAY": 1},
        repeats={
            "ZFREQUENCY": 1,
            "ZINTERVAL": 2,
            "ZOCCURRENCECOUNT": 3,
            "ZDAYSOFTHEWEEK": b'[{"weekNumber":0,"dayOfTheWeek":4}]',
        },
        says={"rule": "FREQ=WEEKLY;INTERVAL=2;COUNT=3;BYDAY=WE", "due": "2024-07-03", "all_day": True},
    ),
    MadeReminder(
        case="no date",
        columns={"ZTITLE": "Learn Welsh"},
        in_list="Some day",
        says={"due": None, "done": False},
    ),
    MadeReminder(case="deleted", columns={"ZTITLE": "Gone", "ZMARKEDFORDELETION": 1}, says=None),
    MadeReminder(
        case="on the phone, same Z_PK",
        columns={"ZTITLE": "Local"},
        store=LOCAL_STORE,
        in_list="Reminders",
        says={"title": "Local", "list_name": "Reminders"},
    ),
    MadeReminder(
        case="odd values",
        columns={"ZTITLE": b"Bytes", "ZDUEDATE": "soon", "ZPRIORITY": "high", "ZCREATIONDATE": float("inf")},
        says={"title": "Bytes", "due": None, "priority": 0, "created": None},
    ),
)


def reminder_stores(reminders: tuple[MadeReminder, ...] = REMINDERS, *, ios: int = 17) -> Iterator[LifeFile]:
    """Every store, also those without reminders."""
    old = ios < 16
    domain, folder = NEW_PLACE if ios >= 17 else OLD_PLACE
    for shift, store in enumerate((ACCOUNT_STORE, LOCAL_STORE)):
        names = ("REMCDObject", "REMCDAccount", "REMCDList", "REMCDRecurrenceRule", "REMCDReminder")
        classes = {name: 3 + shift + place for place, name in enumerate(names)}
        tables = {"Z_PRIMARYKEY": _CLASSES, "ZREMCDOBJECT": _OLD_OBJECT if old else _OBJECT}
        if not old:
            tables |= {"ZREMCDREMINDER": _REMINDER, "ZREMCDBASELIST": _LIST}
        database = MadeDatabase(tables)
        for name, number in classes.items():
            database.add("Z_PRIMARYKEY", {"Z_ENT": number, "Z_NAME": name})
        lists: dict[str, int] = {}
        rows: dict[str, int] = {}
        for reminder in (each for each in reminders if each.store == store):
            if reminder.in_list not in lists:
                named = {"Z_ENT": classes["REMCDList"], "ZNAME": reminder.in_list, "ZISGROUP": 0}
                if old:
                    named["ZNAME1"] = named.pop("ZNAME")
                lists[reminder.in_list] = database.add("ZREMCDOBJECT" if old else "ZREMCDBASELIST", named)
            columns = {
                "Z_ENT": classes["REMCDReminder"],
                "ZLIST": lists[reminder.in_list],
                "ZIDENTIFIER": reminder.identifier.bytes,
                "ZPARENTREMINDER": rows.get(reminder.below),
                **reminder.columns,
            }
            if old:
                columns["ZTITLE1"] = columns.pop("ZTITLE")
                columns["ZLIST1"] = columns.pop("ZLIST")
            row = rows[reminder.case] = database.add("ZREMCDOBJECT" if old else "ZREMCDREMINDER", columns)
            if reminder.repeats:
                rule = {"Z_ENT": classes["REMCDRecurrenceRule"], "ZREMINDER4": row, **reminder.repeats}
                database.add("ZREMCDOBJECT", rule)
        yield LifeFile(domain, f"{folder}/{store}", database.data(), 1_722_000_000)
